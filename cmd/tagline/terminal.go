package main

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"tagline/reconcile/report"
)

// colored decides for one stream (https://no-color.org).
func (a *app) colored(w io.Writer) bool {
	switch {
	case a.color != "auto":
		return a.color == "always"
	case os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb":
		return false
	}
	return isTerminal(w)
}

// width returns what COLUMNS says of stdout, or the width of a terminal, in
// characters. It is 0 for what is no terminal.
func (a *app) width(w io.Writer) int {
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 && w == a.stdout {
		return max(columns, report.LeastWidth)
	}
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return max(columns, report.LeastWidth)
		}
	}
	return 0
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
