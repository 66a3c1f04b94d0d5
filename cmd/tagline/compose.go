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
		for _, name := range found {
			same := func(known string) bool { return filepath.Clean(known) == filepath.Clean(name) }
			if !slices.ContainsFunc(projects, same) {
				projects = append(projects, name)
			}
		}
	}
	return projects, nil
}

// composeFiles returns the files of the projects that --compose and the arguments name.
func composeFiles(cmd *cobra.Command) (files []string, err error) {
	projects, err := composeProjects(cmd)
	for _, project := range projects {
		files = append(files, compose.Files(project)...)
	}
	return files, err
}

// checkCompose checks the images of compose projects against images.yaml and
// prints what it finds. A project that can't be loaded doesn't stop the others.
func (a *app) checkCompose(cfg *config.Config, projects []string, fix bool, out *outputs) error {
	// compose-go logs unset variables; the findings have them with their places.
	logrus.SetOutput(io.Discard)
	c := composeCheck{app: a, cfg: cfg, fix: fix, out: out, environment: map[string]string{}, said: map[config.Finding]bool{}}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		c.environment[name] = value
	}
	for _, project := range projects {
		if err := c.project(project); err != nil {
			return err
		}
	}
	switch {
	case c.failed:
		return exitCode(exitFailed)
	case c.blocked:
		return exitCode(exitBlocked)
	}
	return nil
}

// composeCheck is a check of compose projects. What several of them share is printed
// once.
type composeCheck struct {
	*app
	cfg             *config.Config
	fix             bool
	out             *outputs
	environment     map[string]string
	said            map[config.Finding]bool // with full paths
	failed, blocked bool
}

// project checks one project. The error is one of writing.
func (c *composeCheck) project(project string) error {
	services, err := compose.Load(project, c.environment)
	if fixes := compose.Check(c.cfg, services).Fixes; err == nil && c.fix && len(fixes) > 0 {
		if failed := c.write(fixes); failed != nil { // the findings stay true
			if err := c.fails(failed); err != nil {
				return err
			}
		}
		services, err = compose.Load(project, c.environment)
	}
	if err != nil {
		return c.fails(err)
	}
	result := compose.Check(c.cfg, services)
	wrong := slices.ContainsFunc(result.Findings, func(f *config.Finding) bool { return !f.Warning })
	c.blocked = c.blocked || wrong
	for _, f := range result.Findings {
		if c.again(f) {
			continue
		}
		c.out.run.Findings = append(c.out.run.Findings, f)
		if _, err := fmt.Fprintln(c.out.textTo, report.Printable(f.Error())); err != nil {
			return err
		}
	}
	if wrong || c.quiet {
		return nil
	}
	_, err = fmt.Fprintf(c.out.textTo, "%s is right: %s, %d of images.yaml.\n", report.Printable(strings.Join(compose.Files(project), " with ")), report.Count(len(services), "service"), result.Managed)
	return err
}

// fails prints why a project can't be checked. The error is one of writing.
func (c *composeCheck) fails(why error) error {
	c.failed = true
	for _, e := range leaves(why) {
		if f := (*config.Finding)(nil); errors.As(e, &f) && c.again(f) {
			continue
		}
		c.out.note(e)
		if _, err := fmt.Fprintln(c.stderr, report.Printable(e.Error())); err != nil {
			return err
		}
	}
	return nil
}

// again reports whether a finding is printed already.
func (c *composeCheck) again(f *config.Finding) bool {
	key := *f
	key.Pos.File = fullPath(f.Pos.File)
	defer func() { c.said[key] = true }()
	return c.said[key]
}

// fullPath follows no links: what a file means depends on its folder.
func fullPath(name string) string {
	if path, err := filepath.Abs(name); err == nil {
		return path
	}
	return name
}

// write writes fixes into compose files, and says which it has written and which not.
func (c *composeCheck) write(fixes []compose.Fix) error {
	applied, left, err := compose.Apply(fixes)
	for _, f := range applied {
		if !c.quiet {
			_, _ = fmt.Fprintln(c.out.textTo, report.Printable(fmt.Sprintf("%s:%d:%d: fixed: %q is now %q", f.Pos.File, f.Pos.Line, f.Pos.Column, f.From, f.To)))
		}
	}
	for _, f := range left { // findings stay for these
		_, _ = fmt.Fprintln(c.out.textTo, report.Printable(fmt.Sprintf("%s:%d:%d: not fixed: the text is folded or escaped, or the file has changed; write %q by hand", f.Pos.File, f.Pos.Line, f.Pos.Column, f.To)))
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
