package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"tagline/config"
	"tagline/config/compose"
	"tagline/reconcile/report"
)

// checkCompose holds compose files against images.yaml and says what it finds.
// A file that can't be judged does not keep the others from it.
func (a *app) checkCompose(cfg *config.Config, files []string, out *outputs) error {
	// compose-go tells of unset variables in a log of its own; the findings do
	// with a place.
	logrus.SetOutput(io.Discard)
	environment := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	failed, blocked := false, false
	for _, file := range files {
		services, err := compose.Load(file, environment)
		if err != nil {
			failed = true
			out.note(err)
			if _, err := fmt.Fprintln(a.stderr, printableLines(err.Error())); err != nil {
				return err
			}
			continue
		}
		result := compose.Check(cfg, services)
		wrong := slices.ContainsFunc(result.Findings, func(f *config.Finding) bool { return !f.Warning })
		blocked = blocked || wrong
		out.run.Findings = append(out.run.Findings, result.Findings...)
		for _, f := range result.Findings {
			if _, err := fmt.Fprintln(out.textTo, report.Printable(f.Error())); err != nil {
				return err
			}
		}
		if wrong || a.quiet {
			continue
		}
		if _, err := fmt.Fprintf(out.textTo, "%s is right: %s, %d of images.yaml.\n", report.Printable(file), report.Count(len(services), "service"), result.Managed); err != nil {
			return err
		}
	}
	switch {
	case failed:
		return exitCode(exitFailed)
	case blocked:
		return exitCode(exitBlocked)
	}
	return nil
}

// printableLines keeps the line that each finding has.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = report.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}
