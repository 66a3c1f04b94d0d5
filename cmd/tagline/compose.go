package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
	"github.com/sirupsen/logrus"

	"tagline/config"
	"tagline/config/compose"
	"tagline/reconcile/report"
)

// checkCompose checks the images of compose projects against images.yaml and
// prints what it finds. A project that can't be loaded doesn't stop the others.
// What several projects share is printed once.
func (a *app) checkCompose(cfg *config.Config, projects []string, out *outputs) error {
	// compose-go logs unset variables; the findings have them with their places.
	logrus.SetOutput(io.Discard)
	environment := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	failed, blocked := false, false
	full := func(name string) string { // links stay: what a file means depends on its folder
		if path, err := filepath.Abs(name); err == nil {
			return path
		}
		return name
	}
	read, said := map[string]bool{}, map[config.Finding]bool{}
	again := func(f *config.Finding) bool {
		key := *f
		key.Pos.File = full(f.Pos.File)
		defer func() { said[key] = true }()
		return said[key]
	}
	for _, project := range projects {
		files := compose.Files(project)
		var paths []string
		for _, file := range files {
			paths = append(paths, full(file))
		}
		if key := strings.Join(paths, "\x00"); read[key] {
			continue
		} else {
			read[key] = true
		}
		services, err := compose.Load(project, environment)
		if err != nil {
			failed = true
			for _, e := range leaves(err) {
				if f := (*config.Finding)(nil); errors.As(e, &f) && again(f) {
					continue
				}
				out.note(e)
				if _, err := fmt.Fprintln(a.stderr, report.Printable(e.Error())); err != nil {
					return err
				}
			}
			continue
		}
		result := compose.Check(cfg, services)
		wrong := slices.ContainsFunc(result.Findings, func(f *config.Finding) bool { return !f.Warning })
		blocked = blocked || wrong
		for _, f := range result.Findings {
			if again(f) {
				continue
			}
			out.run.Findings = append(out.run.Findings, f)
			if _, err := fmt.Fprintln(out.textTo, report.Printable(f.Error())); err != nil {
				return err
			}
		}
		if wrong || a.quiet {
			continue
		}
		if _, err := fmt.Fprintf(out.textTo, "%s is right: %s, %d of images.yaml.\n", report.Printable(strings.Join(files, " with ")), report.Count(len(services), "service"), result.Managed); err != nil {
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

// leaves returns the errors that an error joins, or the error itself.
func leaves(err error) []error {
	if all := (*multierror.Error)(nil); errors.As(err, &all) {
		return all.Errors
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
