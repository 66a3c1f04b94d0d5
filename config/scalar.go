package config

import (
	"regexp"
	"strconv"
	"strings"
)

// unquotedPattern matches what needs no quotes, whatever is around it.
var unquotedPattern = regexp.MustCompile(`^[A-Za-z0-9_.+][A-Za-z0-9_.+/@:()-]*$`)

// Scalar returns a text as images.yaml has it: in quotes where YAML would not read it
// as this text, in a map in braces, too.
func Scalar(text string) string {
	if strings.EqualFold(text, "null") || strings.HasSuffix(text, ":") || !unquotedPattern.MatchString(text) {
		return strconv.Quote(text)
	}
	return text
}
