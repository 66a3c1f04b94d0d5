package report

import (
	"fmt"
	"io"
	"strings"

	"tagline/reconcile/registry"
)

// TextOptions say how a report looks.
type TextOptions struct {
	DryRun  bool // nothing was applied, so there are no results
	Verbose bool // also shows aliases in sync, and whole digests
	Quiet   bool // only problems
	Color   bool
	Width   int  // of the terminal, in characters; 0 if there is none
	Groups  bool // the changes of an image are a group of a log of GitHub Actions
	Limited bool // --max-deletions is given, so the report says what it does not count
}

// digest shortens a digest to 12 hex digits, as docker does.
func (o TextOptions) digest(d string) string {
	_, hex, _ := strings.Cut(d, ":")
	if o.Verbose || len(hex) <= 12 {
		return d
	}
	return registry.Short(d)
}

// paint colours the mark of a row.
func (o TextOptions) paint(mark string) string {
	colors := map[string]string{"+": "32", "~": "33", "-": "31", "!": "1;31"}
	if !o.Color || colors[mark] == "" {
		return mark
	}
	return "\x1b[" + colors[mark] + "m" + mark + "\x1b[0m"
}

func (o TextOptions) bold(line string) string {
	if !o.Color {
		return line
	}
	return "\x1b[1m" + line + "\x1b[0m"
}

// printer writes text until a write fails.
type printer struct {
	w    io.Writer
	opts TextOptions
	err  error // of the first write that failed
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
