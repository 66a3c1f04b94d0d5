package main

import (
	"io"
	"os"

	"tagline/reconcile/report"
)

// grouped reports whether a stream is the log of a step in GitHub Actions, which is a
// pipe. A report that is redirected to a file has no groups.
func (a *app) grouped(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || w != a.stdout || !inActions() {
		return false
	}
	info, err := f.Stat()
	return err == nil && !info.Mode().IsRegular()
}

// actions adds what a step of GitHub Actions should have without flags: the step
// summary, the outputs of the step, and annotations, on stderr because stdout is
// the report. If one can't be written, that is a warning, since no flag asked for
// it.
func (o *outputs) actions() {
	if !inActions() {
		return
	}
	o.whole = true
	for _, d := range []struct {
		variable string
		render   func(report.Run) []byte
	}{
		{"GITHUB_STEP_SUMMARY", report.Markdown},
		{"GITHUB_OUTPUT", report.StepOutputs},
	} {
		path := os.Getenv(d.variable)
		if path == "" || o.paths[absolute(path)] != "" {
			continue
		}
		add := func(data []byte) error { return appendTo(path, data) }
		if err := add(nil); err != nil {
			o.a.warn("%s: %v; this step goes without", d.variable, err)
			continue
		}
		o.documents = append(o.documents, document{"$" + d.variable, d.render, add})
	}
	if !o.asked("github") {
		o.documents = append(o.documents, document{"annotations", report.GitHub, func(data []byte) error {
			_, err := o.a.stderr.Write(data)
			return err
		}})
	}
}

// appendTo adds to a file to which other commands of the same step write as well.
func appendTo(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
