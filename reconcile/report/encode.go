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

// encode encodes a document of plain data, which can't fail.
func encode(document any) []byte {
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

func pointer(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// list never returns nil, so that JSON has an empty array instead of null.
func list(texts []string) []string { return append([]string{}, texts...) }
