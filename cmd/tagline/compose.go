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
	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/config/compose"
	"tagline/reconcile/report"
)

// thisFolder is the value of --compose without one. pflag takes what follows such
// a flag for an argument: "--compose FILE" is this value, and an argument.
const thisFolder = "./"

// composeProjects returns the projects that --compose and the arguments name.
func composeProjects(cmd *cobra.Command) (projects []string, err error) {
	named, err := cmd.Flags().GetStringArray("compose")
	if err != nil {
		return nil, err
	}
	if args := cmd.Flags().Args(); len(args) > 0 {
		named = append(slices.DeleteFunc(named, func(name string) bool { return name == thisFolder }), args...)
	}
	for _, name := range named {
		found, err := compose.Projects(name)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("--compose %s: there is no compose file", name)
		}
		if err != nil {
			return nil, err
		}
		projects = append(projects, found...)
	}
	return projects, nil
}

// checkCompose checks the images of compose projects against images.yaml and
// prints what it finds. A project that can't be loaded doesn't stop the others.
// What several projects share is printed once.
func (a *app) checkCompose(cfg *config.Config, projects []string, fix bool, out *outputs) error {
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
		if fixes := compose.Check(cfg, services).Fixes; err == nil && fix && len(fixes) > 0 {
			if err = a.fix(project, fixes, out); err == nil {
				services, err = compose.Load(project, environment)
			}
		}
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

// fix writes fixes into the files of a project and says which.
func (a *app) fix(project string, fixes []compose.Fix, out *outputs) error {
	applied, err := compose.Apply(project, fixes)
	for _, f := range applied {
		if !a.quiet {
			_, _ = fmt.Fprintln(out.textTo, report.Printable(fmt.Sprintf("%s:%d:%d: fixed: %q is now %q", f.Pos.File, f.Pos.Line, f.Pos.Column, f.From, f.To)))
		}
	}
	return err
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
