package main

import (
	"io"
	"os"
	"slices"
	"strings"

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

// stepDocuments returns what a step of GitHub Actions should have without flags: the
// step summary, the outputs of the step, and annotations, on stderr because stdout is
// the report. taken reports whether a flag asks for a file. A file that can't be
// written leads to a warning alone, since no flag asked for it.
func (a *app) stepDocuments(taken func(path string) bool) (documents []document) {
	if !inActions() {
		return nil
	}
	for _, d := range []struct {
		variable string
		render   func(report.Run) []byte
	}{
		{"GITHUB_STEP_SUMMARY", report.Markdown},
		{"GITHUB_OUTPUT", report.StepOutputs},
	} {
		path := os.Getenv(d.variable)
		if path == "" || taken(path) {
			continue
		}
		add := func(data []byte) error { return appendTo(path, data) }
		if err := add(nil); err != nil {
			a.warn("%s: %v; this step goes without", d.variable, err)
			continue
		}
		documents = append(documents, document{"$" + d.variable, d.render, add})
	}
	asked := slices.ContainsFunc(a.outputs, func(flag string) bool {
		format, _, _ := strings.Cut(flag, "=")
		return format == "github"
	})
	if !asked {
		documents = append(documents, document{"annotations", report.GitHub, func(data []byte) error {
			_, err := a.stderr.Write(data)
			return err
		}})
	}
	return documents
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
