package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/semaphore"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/oci"
	"tagline/reconcile/report"
)

func (a *app) applyCommand() *cobra.Command {
	var dryRun, detailed bool
	var part string
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
  tagline apply --registry registry.example.com --image my-image`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			m := metered{started: time.Now()}
			defer func() { err = a.writeMetrics(m, err) }()
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("shard") {
				s, err := parseShard(part)
				if err != nil {
					return err
				}
				cfg.Images = s.keep(cfg.Images)
			}
			client := a.client()
			defer client.Close()
			a.store = a.cache()
			defer a.store.Close()
			var writers reconcile.Writers
			if !dryRun {
				writers = oci.NewWriters(client)
			}
			done, err := a.reconcile(cmd.Context(), cfg.Images, a.store.Readers(client, cfg.Images), writers, client.Stats)
			m.actions, m.client, m.cache = done.actions, client, a.store
			if err != nil {
				return err
			}
			return done.exit(detailed)
		},
	}
	a.fileFlag(c)
	a.connectionFlags(c)
	a.cacheFlag(c)
	a.metricsFlag(c)
	a.imageFlag(c)
	shardFlag(c, &part)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "report what would be done, and do nothing")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where there are changes and no errors")
	return c
}

// What a run holds in memory is bounded, however much images.yaml has: the
// repositories that are under way, and those whose report waits for an earlier
// one. Requests have a bound of their own, per host.
const (
	imagesAtOnce    = 16 // small repositories have one request at a time
	imagesUnwritten = 4 * imagesAtOnce
	aliasesAtOnce   = 5000 // of all of these; a repository with more goes alone
)

// reconcile is the whole run: observe, diff, apply, image by image, reported in
// the order of images. Without writers it ends at the plan.
func (a *app) reconcile(ctx context.Context, images []config.Image, readers reconcile.Readers, writers reconcile.Writers, stats func() oci.Stats) (outcome, error) {
	type reconciled struct {
		plan   reconcile.Plan
		result reconcile.Result
	}
	text := report.NewText(a.stdout, report.TextOptions{
		DryRun: writers == nil, Verbose: a.verbose > 0, Quiet: a.quiet, Color: a.colored(a.stdout),
	})
	readers = reconcile.Once(readers, images)
	progress := a.startProgress(len(images), stats)
	defer progress.stop()

	slots, window := make(chan struct{}, imagesAtOnce), make(chan chan reconciled, imagesUnwritten)
	held := semaphore.NewWeighted(aliasesAtOnce) // in the order of images, until they are written
	go func() {
		defer close(window)
		for _, image := range images {
			_ = held.Acquire(context.WithoutCancel(ctx), weight(image)) // an interrupted run reports every image
			result := make(chan reconciled, 1)
			window <- result
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				r := reconciled{plan: reconcile.Diff(image, reconcile.Observe(ctx, readers, image))}
				a.store.Release(image)
				if writers != nil {
					r.result = reconcile.Apply(ctx, writers.Writer(image.Repository), r.plan)
				}
				result <- r
			}()
		}
	}()

	var all outcome
	i := 0
	for result := range window {
		r := <-result
		progress.done()
		progress.pause(func() { text.Repository(r.plan, r.result) })
		for _, w := range r.plan.Warnings {
			progress.pause(func() { _, _ = fmt.Fprintln(a.stderr, report.Printable(w.Error())) })
		}
		all.add(r.plan, r.result)
		all.actions.Add(r.plan, r.result, writers == nil)
		held.Release(weight(images[i]))
		i++
	}
	progress.stop()
	return all, text.Summary()
}

func weight(image config.Image) int64 { return int64(min(len(image.Aliases), aliasesAtOnce)) }

// outcome is a run as exit codes see it.
type outcome struct {
	changes, failed, blocked bool
	actions                  report.Actions
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
