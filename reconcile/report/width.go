package report

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// LeastWidth is the width below which nothing is made to fit.
const LeastWidth = 40

// leastCell is the room below which the last cell of a row gets a line of its own.
const leastCell = 20

// fit returns the lines of aligned rows. If they are wider than the terminal, digests
// go first: versions say more, and a verbose report has the digests. What is still
// too long is wrapped under itself.
func (o TextOptions) fit(rows []row) []string {
	rows = align(rows)
	if o.Width > 0 && !o.Verbose && widest(rows) > o.Width {
		for i, r := range rows {
			if r.digest > 0 {
				rows[i].cells = append(append([]string{}, r.cells[:r.digest]...), r.cells[r.digest+1:]...)
			}
		}
		rows = slices.DeleteFunc(rows, func(r row) bool { return r.mark == " " && r.line() == "" })
	}
	var lines []string
	for _, r := range rows {
		start := r.line()
		mark, room := "  "+o.paint(r.mark)+" ", o.Width-4
		if o.Width == 0 || columns(start) <= room {
			lines = append(lines, mark+start)
			continue
		}
		last := r.cells[len(r.cells)-1]
		indent := columns(strings.Join(r.cells[:len(r.cells)-1], "  "))
		if indent > 0 {
			indent += 2
		}
		if before := strings.TrimRight(strings.Join(r.cells[:len(r.cells)-1], "  "), " "); indent > room-leastCell && before != "" {
			lines = append(lines, mark+before) // too little is left beside it
			mark, indent = "    ", min(columns(r.cells[0])+4, room-leastCell)
			start = strings.Repeat(" ", indent) + last
		}
		for i, line := range wrap(start, room, indent) {
			if i > 0 {
				mark = "    "
			}
			lines = append(lines, mark+line)
		}
	}
	return lines
}

// widest is the width of the widest row.
func widest(rows []row) int {
	most := 0
	for _, r := range rows {
		if r.digest > 0 {
			most = max(most, 4+columns(r.line()))
		}
	}
	return most
}

// wrap breaks a line at its spaces, so that no part is wider than width if that can
// be. All but the first are indented. The first indent characters are not broken.
func wrap(line string, width, indent int) []string {
	runes := []rune(line)
	if columns(line) <= width || indent >= width || indent > len(runes) {
		return []string{line}
	}
	current, rest := string(runes[:indent]), strings.Fields(string(runes[indent:]))
	var lines []string
	for i, word := range rest {
		switch {
		case i == 0 || strings.TrimSpace(current) == "" && len(lines) > 0:
			current += word
		case columns(current)+1+columns(word) > width:
			lines = append(lines, current)
			current = strings.Repeat(" ", indent) + word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}

// columns counts the characters of a text without its colours.
func columns(text string) int { return utf8.RuneCountInString(colour.ReplaceAllString(text, "")) }

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// line writes a line outside of the columns.
func (p *printer) line(text string) {
	if p.opts.Width == 0 {
		p.printf("%s\n", text)
		return
	}
	for i, part := range wrap(text, p.opts.Width-2, 0) {
		if i > 0 {
			part = "  " + part
		}
		p.printf("%s\n", part)
	}
}
