package config

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// tagPattern is the grammar of a tag: OCI distribution-spec 1.1, "Pulling
// manifests".
var tagPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// CheckTag says what is wrong with a tag, nil if nothing is.
func CheckTag(text string) error {
	if len(text) > 128 || !tagPattern.MatchString(text) {
		return fmt.Errorf(`tag %s is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`, quote(text))
	}
	return nil
}

// CompareTags orders tags as people read them, digits as numbers:
// 9 < 10 < 10.2 < 10.10 < 10.10-alpine. Only equal tags compare equal: two that
// differ in leading zeros alone are in byte order.
func CompareTags(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		m, n := digits(x), digits(y)
		c := cmp.Compare(x[0], y[0])
		if m > 0 && n > 0 {
			k, l := strings.TrimLeft(x[:m], "0"), strings.TrimLeft(y[:n], "0")
			c = cmp.Or(cmp.Compare(len(k), len(l)), cmp.Compare(k, l))
		}
		if c != 0 {
			return c
		}
		x, y = x[max(m, 1):], y[max(n, 1):]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// digits counts the leading digits of s.
func digits(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}
