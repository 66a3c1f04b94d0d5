package main

import (
	"fmt"
	"log/slog"

	"tagline/config"
	"tagline/reconcile/report"
)

// above is stderr above the lines of the progress.
type above struct{ a *app }

func (to above) Write(text []byte) (n int, err error) {
	write := func() { n, err = to.a.stderr.Write(text) }
	if p := to.a.progress.Load(); p != nil {
		p.pause(write)
	} else {
		write()
	}
	return n, err
}

// logger logs warnings to stderr, as JSON also what a run does, and with -vv every
// request.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.logFormat == "json" {
		level = slog.LevelInfo // with what a run did
	}
	switch {
	case a.quiet:
		level = slog.LevelError
	case a.verbose > 1:
		level = slog.LevelDebug
	}
	opts := &slog.HandlerOptions{Level: level}
	if a.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(above{a}, opts))
	}
	return slog.New(slog.NewTextHandler(above{a}, opts))
}

// warn writes a warning to stderr.
func (a *app) warn(format string, args ...any) {
	_, _ = fmt.Fprintln(above{a}, "tagline: warning: "+report.Printable(fmt.Sprintf(format, args...)))
}

// tell writes findings to stderr.
func (a *app) tell(findings []*config.Finding) {
	for _, f := range findings {
		_, _ = fmt.Fprintln(a.stderr, report.Printable(f.Error()))
	}
}

// startProgress shows the progress of a run, unless a flag forbids it or stderr is no
// terminal.
func (a *app) startProgress(total int, client asked) *progress {
	p := newProgress(total, client)
	if a.quiet || a.verbose > 1 || !isTerminal(a.stderr) {
		return p
	}
	p.w = a.stderr
	a.progress.Store(p)
	p.draw()
	return p
}
