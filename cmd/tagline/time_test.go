package main

import (
	"testing"
	"time"
)

// Times are taken as reports, pages and JSON have them.
func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		text     string
		from, to time.Time
	}{
		{"2026-01-02", second.Truncate(24 * time.Hour), second.Truncate(24 * time.Hour).Add(24*time.Hour - 1)},
		{"2026-01-02 03:04:05 UTC", second, second.Add(time.Second - 1)},
		{"2026-01-02 03:04:05", second, second.Add(time.Second - 1)},
		{"2026-01-02 03:04 UTC", second.Truncate(time.Minute), second.Truncate(time.Minute).Add(time.Minute - 1)},
		{"2026-01-02T03:04:05Z", second, second.Add(time.Second - 1)},
		{"2026-01-02T04:04:05+01:00", second, second.Add(time.Second - 1)},
		{"2026-01-02T03:04:05.250Z", second.Add(250 * time.Millisecond), second.Add(250 * time.Millisecond)},
		{"2026-01-02T03:04:05,250Z", second.Add(250 * time.Millisecond), second.Add(250 * time.Millisecond)},
		{"2026-01-02 03:04:05.250 UTC", second.Add(250 * time.Millisecond), second.Add(250 * time.Millisecond)},
		{"2026-01-02 03:04:05.250", second.Add(250 * time.Millisecond), second.Add(250 * time.Millisecond)},
		{"1.5h", now.Add(-90 * time.Minute), now.Add(-90 * time.Minute)},
		{"7d", now.AddDate(0, 0, -7), now.AddDate(0, 0, -7)},
		{"2h30m", now.Add(-150 * time.Minute), now.Add(-150 * time.Minute)},
		{"tuesday", time.Time{}, time.Time{}},
		{"", time.Time{}, time.Time{}},
		{"-1h", time.Time{}, time.Time{}},
		{"2026-01-02 03:04:05 CET", time.Time{}, time.Time{}},
	} {
		t.Run(test.text, func(t *testing.T) {
			from, to, ok := parseTime(test.text, now)
			switch {
			case ok != !test.from.IsZero():
				t.Errorf("it is a time: %v", ok)
			case ok && (!from.Equal(test.from) || !to.Equal(test.to)):
				t.Errorf("got %v to %v, want %v to %v", from, to, test.from, test.to)
			}
		})
	}
}
