package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tagline/config"
	"tagline/reconcile/registry"
)

// digest shortens a digest to 12 hex digits, as docker does.
func (t *Text) digest(d string) string {
	_, hex, _ := strings.Cut(d, ":")
	if t.opts.Verbose || len(hex) <= 12 {
		return d
	}
	return registry.Short(d)
}

func (t *Text) paint(mark string) string {
	colors := map[string]string{"+": "32", "~": "33", "-": "31", "!": "1;31"}
	if !t.opts.Color || colors[mark] == "" {
		return mark
	}
	return "\x1b[" + colors[mark] + "m" + mark + "\x1b[0m"
}

func (t *Text) bold(line string) string {
	if !t.opts.Color {
		return line
	}
	return "\x1b[1m" + line + "\x1b[0m"
}

func (t *Text) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// WideTag is the length above which a tag is too long for the column of tags, and
// wideCell that above which any other cell is too long for its column. A digest fits.
const (
	WideTag  = 48
	wideCell = 71
)

// isWide reports whether a cell is too long for its column.
func isWide(column int, cell string) bool {
	n := utf8.RuneCountInString(cell)
	return n > wideCell || n > WideTag && column == 0
}

// align makes cells printable and pads all but the last of a row to columns. A cell
// that is too long for its column widens it for no other row: what follows it is on a
// line of its own, or if that is one cell alone, behind it.
func align(rows []row) []row {
	var widths []int
	var all []row
	for _, r := range rows {
		for i := range r.cells {
			r.cells[i] = Printable(r.cells[i])
		}
		all = append(all, split(r)...)
	}
	for _, r := range all {
		for i, c := range r.cells[:len(r.cells)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range all {
		for i, c := range r.cells[:len(r.cells)-1] {
			r.cells[i] += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		}
	}
	return all
}

// split breaks a row behind the cells that are too long.
func split(r row) []row {
	last := len(r.cells) - 1
	for i, c := range r.cells[:max(0, last)] {
		switch {
		case !isWide(i, c):
			continue
		case i == last-1:
			r.cells = append(slices.Clone(r.cells[:i]), strings.TrimRight(c+"  "+r.cells[last], " "))
			r.digest = 0
			return []row{r}
		}
		rest := r
		rest.mark, rest.cells = " ", append(make([]string, i+1), r.cells[i+1:]...)
		if r.cells = r.cells[:i+1]; r.digest <= i {
			rest.digest = 0
		} else {
			r.digest = 0
		}
		return append([]row{r}, split(rest)...)
	}
	return []row{r}
}

func (r row) line() string { return strings.TrimRight(strings.Join(r.cells, "  "), " ") }

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

func placed(p config.Pos) string {
	if p.Line == 0 {
		return ""
	}
	return p.String() + ": "
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
