package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/oci"
	"tagline/reconcile/report"
)

func (a *app) applyCommand() *cobra.Command {
	var dryRun, detailed bool
	var planFile string
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make the registry what images.yaml says, or with --dry-run report what is missing",
		Long: `Make the registry what images.yaml says, or with --dry-run report what is missing.

Exit codes:
  0  done, or in sync; a dry run with changes too
  1  something failed (an invalid images.yaml too), or was applied only in part
  2  only with --detailed-exitcode: changes are pending, or were made
  3  nothing failed, but the registry's content or a policy forbids something`,
		Example: `  tagline apply --dry-run
  tagline apply --registry registry.example.com --image my-image
  tagline apply --dry-run -o json=plan.json && tagline apply --plan plan.json`,
		Args: cobra.NoArgs,
		RunE: a.reporting(func(cmd *cobra.Command, out *outputs) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			out.config(cfg)
			images, saved := cfg.Images, savedPlans(nil)
			if planFile != "" {
				if images, saved, err = a.loadPlan(planFile, cfg); err != nil {
					return err
				}
			}
			client := a.client()
			defer client.Close()
			var writers reconcile.Writers
			if !dryRun {
				writers = oci.NewWriters(client)
			}
			done, err := a.reconcile(cmd.Context(), images, client, writers, saved, out)
			if err != nil {
				return err
			}
			return done.exit(detailed)
		}),
	}
	a.fileFlag(c)
	a.connectionFlags(c)
	a.imageFlag(c)
	a.outputFlag(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "report what would be done, and do nothing")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where there are changes and no errors")
	c.Flags().StringVar(&planFile, "plan", "", "do what this `FILE` says, which apply --dry-run -o json=FILE has written, and nothing else")
	c.MarkFlagsMutuallyExclusive("plan", "dry-run")
	c.MarkFlagsMutuallyExclusive("plan", "image")
	_ = c.MarkFlagFilename("plan", "json")
	return c
}

// imagesAtOnce bounds the repositories under way; the requests to a host have
// a bound of their own.
const imagesAtOnce = 8

// reconcile is the whole run: observe, diff, apply, image by image, reported in
// the order of images. Without writers it ends at the plan; saved plans are
// applied as they are.
func (a *app) reconcile(ctx context.Context, images []config.Image, readers *oci.Client, writers reconcile.Writers, saved savedPlans, out *outputs) (outcome, error) {
	type reconciled struct {
		plan   reconcile.Plan
		result reconcile.Result
	}
	progress := a.startProgress(len(images), readers.Stats)
	defer progress.stop()

	slots := make(chan struct{}, imagesAtOnce)
	results := make([]chan reconciled, len(images))
	for i := range images {
		results[i] = make(chan reconciled, 1)
	}
	go func() {
		for i, image := range images {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				var r reconciled
				switch {
				case saved != nil:
					r.plan = saved[image.Repository]
					r.result = reconcile.ApplySaved(ctx, readers, writers.Writer(image.Repository), image, r.plan)
				case writers != nil:
					r.plan = reconcile.Diff(image, reconcile.Observe(ctx, readers, image))
					r.result = reconcile.Apply(ctx, writers.Writer(image.Repository), r.plan)
				default:
					r.plan = reconcile.Diff(image, reconcile.Observe(ctx, readers, image))
				}
				results[i] <- r
			}()
		}
	}()

	var all outcome
	for i := range results {
		r := <-results[i]
		progress.done()
		progress.pause(func() { out.Repository(r.plan, r.result) })
		for _, w := range r.plan.Warnings {
			progress.pause(func() { _, _ = fmt.Fprintln(a.stderr, report.Printable(w.Error())) })
		}
		all.add(r.plan, r.result)
	}
	progress.stop()
	return all, out.text.Summary()
}

// outcome is a run as exit codes see it.
type outcome struct {
	changes, failed, blocked bool
}

func (o *outcome) add(plan reconcile.Plan, result reconcile.Result) {
	o.changes = o.changes || !plan.Empty()
	o.failed = o.failed || len(plan.Errors) > 0
	o.blocked = o.blocked || len(plan.Violations) > 0
	for _, done := range [][]reconcile.Outcome{result.Pushed, result.Deleted} {
		for _, action := range done {
			switch {
			case errors.Is(action.Err, reconcile.ErrUnsupported):
				o.blocked = true
			case action.Err != nil:
				o.failed = true
			}
		}
	}
}

// exit is nil or an exitCode.
func (o *outcome) exit(detailed bool) error {
	switch {
	case o.failed:
		return exitCode(exitFailed)
	case o.blocked:
		return exitCode(exitBlocked)
	case o.changes && detailed:
		return exitCode(exitChanges)
	}
	return nil
}
