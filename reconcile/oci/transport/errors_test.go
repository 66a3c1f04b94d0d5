package transport

import (
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                              "plain",
		"two\nlines\r\n\tand a tab":          "two lines and a tab",
		"\x1b[31mred\x1b[0m":                 "[31mred [0m",
		"::warning::\x00 and \u202eback":     "::warning:: and back",
		"not \xff UTF-8":                     "not � UTF-8",
		strings.Repeat("ä", 201):             strings.Repeat("ä", 199) + "…",
		strings.Repeat("ä", 200):             strings.Repeat("ä", 200),
		"\u00a0no-break\u2028and separators": "no-break and separators",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
