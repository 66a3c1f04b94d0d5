package report

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/docker/go-units"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Printable escapes text from a registry or a file, so that it can't move the
// cursor, start a line, reorder text, or command the build server that reads
// the output. GitHub's runner obeys a line that begins with "::", and "##["
// anywhere (actions/runner, ActionCommand.cs). Azure Pipelines and TeamCity
// obey "##vso[" and "##teamcity[". Several lines, such as those of joined errors,
// become one, with semicolons between them.
func Printable(s string) string {
	if strings.Contains(s, "\n") {
		s = strings.Join(registry.Lines(s), "; ")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
	s = strings.ReplaceAll(s, "##", "#\uFFFD")
	if text := strings.TrimLeft(s, " "); strings.HasPrefix(text, "::") {
		s = s[:len(s)-len(text)] + "\uFFFD" + text[1:]
	}
	return s
}

// Count returns "1 tag", "2 tags", "2 aliases".
func Count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"), strings.HasSuffix(what, "x"):
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// verb returns the form of a verb that agrees with a number.
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Bytes writes a size as docker does: "12.3 MB".
func Bytes(n int64) string {
	format := "%.1f %s"
	if n < units.KB {
		format = "%.0f %s"
	}
	return units.CustomSize(format, float64(n), units.KB, []string{"B", "kB", "MB", "GB", "TB"})
}

// lineOf is "images.yaml:10", "" for no place in a file.
func lineOf(at config.Pos) string {
	if at.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", at.File, at.Line)
}

// commandText escapes the text of a workflow command. After Printable, only the escape
// character itself needs it (actions/toolkit, core/src/command.ts).
func commandText(text string) string { return strings.ReplaceAll(Printable(text), "%", "%25") }
