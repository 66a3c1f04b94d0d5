package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

func (a *app) outputFlag(c *cobra.Command, names []string) {
	c.Flags().StringArrayVarP(&a.outputs, "output", "o", nil,
		"report as `FORMAT[=PATH]`, on stdout without a path or with -: "+strings.Join(names, ", ")+" (repeatable; text stays on stdout if nothing else is)")
	_ = c.RegisterFlagCompletionFunc("output", completeOutput(names))
}

// outputs is everything that a run reports to. Reports go to stdout and to files.
// All are made from the same plans and results, so they agree.
type outputs struct {
	a         *app
	textTo    io.Writer    // io.Discard unless -o asks for text
	text      *report.Text // on textTo
	documents []document
	whole     bool              // a document needs the whole run
	paths     map[string]string // the flag that asked for each file, by absolute path
	run       report.Run
	metered   metered
	events    *slog.Logger // what is done, nil unless the log is JSON: as text it would be the report again
}

// reporting wraps a command that reports. It opens the outputs first, so that a
// path that can't be written is found before a registry is changed, and writes
// them however the command ends. reads returns the files that the command reads
// beside those of -f and its arguments.
func (a *app) reporting(names []string, reads func(*cobra.Command) ([]string, error), run func(*cobra.Command, *outputs) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		more, err := reads(cmd)
		if err != nil {
			return err
		}
		dryRun := cmd.Flags().Lookup("dry-run")
		a.deletions.Set = cmd.Flags().Changed("max-deletions")
		out, err := a.openOutputs(names, dryRun != nil && dryRun.Value.String() == "true", slices.Concat(a.files, args, more))
		if err != nil {
			return err
		}
		return out.close(run(cmd, out))
	}
}

func (a *app) openOutputs(names []string, dryRun bool, inputs []string) (*outputs, error) {
	o := &outputs{a: a, textTo: io.Discard, paths: map[string]string{}, metered: metered{started: time.Now()}, run: report.Run{Version: versionName(), DryRun: dryRun, Folder: inCheckout(), Forge: forge()}}
	onStdout := ""
	text := false
	for _, flag := range a.outputs {
		name, path, err := parseOutput(flag, names)
		if err != nil {
			return nil, err
		}
		switch {
		case path == "" && onStdout != "":
			return nil, fmt.Errorf("--output %s and %s both go to stdout; give one of them a path, such as %s=FILE", onStdout, name, name)
		case path != "" && slices.ContainsFunc(inputs, func(input string) bool { return isInput(path, input) }):
			return nil, fmt.Errorf("--output %s would replace a file that is read; name another one", flag)
		case path != "" && o.paths[absolute(path)] != "":
			return nil, fmt.Errorf("--output %s and %s are one file; give each its own", o.paths[absolute(path)], flag)
		}
		text = text || name == "text"
		if path == "" {
			onStdout = name
		} else {
			o.paths[absolute(path)] = flag
		}
		if err := o.open(flag, name, path); err != nil {
			return nil, fmt.Errorf("--output %s: %w", flag, err)
		}
	}
	if !text && onStdout == "" {
		o.textTo = a.stdout
	}
	o.text = a.newText(o.textTo, dryRun)
	if documents := a.stepDocuments(func(path string) bool { return o.paths[absolute(path)] != "" }); len(documents) > 0 {
		o.documents, o.whole = append(o.documents, documents...), true
	}
	if a.logFormat == "json" {
		o.events = a.logger()
	}
	return o, nil
}

// isInput reports whether a file is read when a file or a folder of them is.
func isInput(path, input string) bool {
	path, input = absolute(path), absolute(input)
	within, err := filepath.Rel(input, path)
	return path == input || err == nil && filepath.IsLocal(within) && config.InFolder(within)
}

// open prepares one output. path is "" for stdout.
func (o *outputs) open(flag, format, path string) error {
	d := document{name: flag, write: func(data []byte) error { _, err := o.a.stdout.Write(data); return err }}
	if path != "" {
		var err error
		if d.write, err = fileWriter(path); err != nil {
			return err
		}
	}
	if format == "text" {
		if path == "" {
			o.textTo = o.a.stdout
			return nil
		}
		var b bytes.Buffer
		o.textTo = &b
		d.render = func(report.Run) []byte { return b.Bytes() }
	}
	for _, f := range formats {
		if f.name == format && f.render != nil {
			d.render, o.whole = f.render, true
		}
	}
	if format == "metrics" {
		d.render = o.metered.metrics(path)
	}
	o.documents = append(o.documents, d)
	return nil
}

func (a *app) newText(w io.Writer, dryRun bool) *report.Text {
	return report.NewText(w, report.TextOptions{
		DryRun: dryRun, Verbose: a.verbose > 0, Quiet: a.quiet, Color: a.colored(w), Width: a.width(w), Groups: a.grouped(w), Limited: a.deletions.Set,
	})
}

// config sets the images.yaml of the run.
func (o *outputs) config(cfg *config.Config) {
	o.run.ConfigSHA256, o.run.Images, o.run.Findings = cfg.SHA256, cfg.Images, cfg.Warnings
	o.run.Listed, o.run.Aliases = len(cfg.Listed), cfg.Aliases()
}

// Repository reports on one repository, in the order of images.
func (o *outputs) Repository(plan reconcile.Plan, result reconcile.Result) {
	o.text.Repository(plan, result)
	o.metered.did.Add(plan, result, o.run.DryRun)
	if o.events != nil {
		report.LogActions(o.events, plan, result)
	}
	if o.whole {
		o.run.Repositories = append(o.run.Repositories, report.Repository{Plan: plan, Result: result})
	}
}

// close writes the documents of a run that ended with err, and returns the error
// to end the command with.
func (o *outputs) close(err error) error {
	o.ended(err)
	if o.run.Shard != nil {
		o.run.Shard.Costs = o.metered.costs()
	}
	for _, d := range o.documents {
		if failed := d.write(d.render(o.run)); failed != nil {
			_, _ = fmt.Fprintln(o.a.stderr, message(fmt.Errorf("--output %s: %w", d.name, failed)))
			if code := exitCode(0); err == nil || errors.As(err, &code) {
				err = exitCode(exitFailed)
				o.run.ExitCode = exitFailed
			}
		}
	}
	if o.events != nil {
		report.LogEnd(o.events, o.run, o.metered.costs(), o.metered.did)
	}
	return err
}

// ended notes how the run ended.
func (o *outputs) ended(err error) {
	if code := exitCode(0); err != nil && !errors.As(err, &code) {
		o.note(err)
	}
	o.run.ExitCode = codeOf(err)
}

// note adds the error that stopped the run to the reports.
func (o *outputs) note(err error) {
	all := &multierror.Error{}
	if !errors.As(err, &all) {
		all = multierror.Append(all, err)
	}
	for _, e := range all.Errors {
		if f := (*config.Finding)(nil); errors.As(e, &f) {
			o.run.Findings = append(o.run.Findings, f)
		} else {
			o.run.Failures = append(o.run.Failures, registry.Line(e))
		}
	}
}
