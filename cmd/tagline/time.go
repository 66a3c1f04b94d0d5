package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// notTime is the error for a flag whose text [parseTime] can't parse.
func notTime(flag, text string) error {
	return fmt.Errorf(`%s is %q, and no time; give a date such as 2026-01-02, a time as reports have it, such as "2026-01-02 03:04:05 UTC" or 2026-01-02T03:04:05Z, or how long ago, such as 7d or 2h30m`, flag, text)
}

// printed has the forms in which reports and pages print times, all in UTC, and the
// length of the day, minute or second that each names.
var printed = map[string]time.Duration{time.DateOnly: 24 * time.Hour, "2006-01-02 15:04": time.Minute, time.DateTime: time.Second}

// parseTime parses a duration before now, a date or a time. A date, a minute or a
// second, as reports print them, lasts from its first to its last moment. For a
// duration, or a time with a fraction of a second, as JSON has it, from and to are the
// same.
func parseTime(text string, now time.Time) (from, to time.Time, ok bool) {
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			at := now.AddDate(0, 0, -int(n))
			return at, at, true
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), now.Add(-ago), true
	}
	fraction := strings.ContainsAny(text, ".,") // [time.Parse] takes either, also where a form has none
	for form, lasts := range printed {
		if fraction {
			lasts = 1
		}
		if at, err := time.Parse(form, strings.TrimSuffix(text, " UTC")); err == nil {
			return at, at.Add(lasts - 1), true
		}
	}
	at, err := time.Parse(time.RFC3339, text)
	if to = at; !fraction {
		to = at.Add(time.Second - 1)
	}
	return at, to, err == nil
}
