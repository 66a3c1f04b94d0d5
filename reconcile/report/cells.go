package report

import (
	"slices"
	"strings"
	"unicode/utf8"
)

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

// row is one line under a repository.
type row struct {
	mark    string
	cells   []string // the last one is not padded
	digest  int      // the index of the cell that has a digest, if the terminal may be too narrow for it; 0 for none
	cause   cause    // of a problem
	aliases int      // that it is about
}

// problem returns the row of a problem.
func problem(c cause, aliases int, cells ...string) row {
	return row{mark: "!", cells: cells, cause: c, aliases: aliases}
}
