package catalogue

import (
	"strings"
	"time"
	"unicode"
)

// clean replaces what could reorder or hide text. HTML is escaped by the template.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}

// stamp writes a time, in UTC.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") }
