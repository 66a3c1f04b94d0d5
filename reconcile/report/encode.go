package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// FormatVersion is the version of plan.json. A minor version only adds fields.
const FormatVersion = "1.0"

// Encode encodes a document of plain data, which can't fail.
func Encode(document any) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		panic(err) // strings and numbers only
	}
	return inert(b.String())
}

// inert makes JSON safe to print. It escapes control characters that JSON
// allows (DEL, C1, marks that reorder text), and text that a build server could
// take for a command, such as ##[error].
func inert(encoded string) []byte {
	var b strings.Builder
	for _, r := range encoded {
		switch {
		case r == '\n' || r != '#' && unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}

// OrNull returns a text for JSON that has null in place of an empty one.
func OrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
