package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/semaphore"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/ecr"
	"tagline/reconcile/oci"
	"tagline/reconcile/report"
)

func (a *app) applyCommand() *cobra.Command {
	var dryRun, detailed bool
	var planFile, part string
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
		RunE: a.reporting(func(cmd *cobra.Command, out *outputs) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if a.deletions.Set = cmd.Flags().Changed("max-deletions"); a.deletions.Max < 0 {
				return fmt.Errorf("--max-deletions is %d, not 0 or more", a.deletions.Max)
			}
			out.config(cfg)
			images, saved := cfg.Images, savedPlans(nil)
			if planFile != "" {
				if images, saved, err = a.loadPlan(planFile, cfg); err != nil {
					return err
				}
			}
			if cmd.Flags().Changed("shard") {
				s, err := parseShard(part)
				if err != nil {
					return err
				}
				images = s.keep(images)
				a.ecrPushRate /= float64(s.count)
			}
			client := a.client(images...)
			defer client.Close()
			store := a.cache()
			defer store.Close()
			var writers reconcile.Writers
			if !dryRun {
				writers = ecr.NewWriters(client)
			}
			out.meter(client, store)
			done, err := a.reconcile(cmd.Context(), images, store.Readers(client, images), writers, saved, out, client.Stats)
			if err != nil {
				return err
			}
			return done.exit(detailed)
		}),
	}
	a.fileFlag(c)
	a.connectionFlags(c)
	a.cacheFlag(c)
	a.imageFlag(c)
	a.outputFlag(c)
	shardFlag(c, &part)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "report what would be done, and do nothing")
	c.Flags().Float64Var(&a.ecrPushRate, "ecr-push-rate", ecr.DefaultPushRate, "pushes per second to an Amazon ECR registry, which allows 10 to all jobs together")
	c.Flags().IntVar(&a.deletions.Max, "max-deletions", reconcile.DefaultMaxDeletions,
		"tags and manifests that may be deleted in a repository; given by hand, it also allows more than a quarter of its manifests")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where there are changes and no errors")
	c.Flags().StringVar(&planFile, "plan", "", "do what this `FILE` says, which apply --dry-run -o json=FILE has written, and nothing else")
	c.MarkFlagsMutuallyExclusive("plan", "dry-run")
	c.MarkFlagsMutuallyExclusive("plan", "image")
	_ = c.MarkFlagFilename("plan", "json")
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
// the order of images. Without writers it ends at the plan; saved plans are
// applied as they are.
func (a *app) reconcile(ctx context.Context, images []config.Image, readers reconcile.Readers, writers reconcile.Writers, saved savedPlans, out *outputs, stats func() oci.Stats) (outcome, error) {
	type reconciled struct {
		plan   reconcile.Plan
		result reconcile.Result
	}
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
				var r reconciled
				if saved != nil {
					r.plan = saved[image.Repository]
					r.result = reconcile.ApplySaved(ctx, readers, writers.Writer(image.Repository), image, r.plan)
					result <- r
					return
				}
				r.plan = reconcile.Guard(reconcile.Diff(image, reconcile.Observe(ctx, readers, image)), a.deletions)
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
		progress.pause(func() { out.Repository(r.plan, r.result) })
		for _, w := range r.plan.Warnings {
			progress.pause(func() { _, _ = fmt.Fprintln(a.stderr, report.Printable(w.Error())) })
		}
		all.add(r.plan, r.result)
		held.Release(weight(images[i]))
		i++
	}
	progress.stop()
	return all, out.text.Summary()
}

func weight(image config.Image) int64 { return int64(min(len(image.Aliases), aliasesAtOnce)) }

// outcome is a run as exit codes see it.
type outcome struct {
	changes, failed, blocked bool
}

func (o *outcome) add(plan reconcile.Plan, result reconcile.Result) {
	o.changes = o.changes || !plan.Empty()
	o.failed = o.failed || len(plan.Errors) > 0
	o.blocked = o.blocked || len(plan.Violations) > 0
	for _, done := range [][]reconcile.Outcome{result.Pushed, result.Deleted, result.Removed} {
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
