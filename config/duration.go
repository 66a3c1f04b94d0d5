package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var daysPattern = regexp.MustCompile(`^\+?(?:([0-9]{1,6})w)?(?:([0-9]{1,6})d)?(.*)$`)

// ParseDuration reads a duration that is not negative, as [time.ParseDuration]
// does. Whole weeks and days can come first: "7d", "1w2d12h". A day has 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	invalid := fmt.Errorf("%s; expected a duration of weeks, days, hours, minutes or seconds, such as 7d, 24h or 90m", quote(text))
	m := daysPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, invalid
	}
	weeks, _ := strconv.Atoi(m[1]) // 0 for what is not there
	days, _ := strconv.Atoi(m[2])
	var d time.Duration
	var err error
	switch rest := m[3]; {
	case m[1] == "" && m[2] == "":
		d, err = time.ParseDuration(text)
	case rest == "":
	case strings.ContainsAny(rest[:1], "+-") || rest == "0":
		return 0, invalid
	default:
		d, err = time.ParseDuration(rest)
	}
	hours := (weeks*7 + days) * 24
	if err != nil || d < 0 || float64(hours) > (math.MaxInt64-float64(d))/float64(time.Hour)-1 {
		return 0, invalid
	}
	return time.Duration(hours)*time.Hour + d, nil
}
