package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/semaphore"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/cache"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

// What a run holds in memory is bounded, however much images.yaml has: the
// repositories that are under way, and those whose report waits for an earlier
// one. Requests have a bound of their own, per host.
const (
	imagesAtOnce    = 16 // small repositories have one request at a time
	imagesUnwritten = 4 * imagesAtOnce
	aliasesAtOnce   = 5000 // of all of these; a repository with more goes alone
)

// job is what one run does, with what.
type job struct {
	images  []config.Image
	readers registry.Readers
	writers registry.Writers // nil of a dry run
	saved   savedPlans       // to be applied as they are, nil to make new ones
	out     *outputs
	stats   func() oci.Stats
	store   *cache.Cache
}

// reconciled is what became of one image.
type reconciled struct {
	plan   reconcile.Plan
	result reconcile.Result
}

// reconcile does a job image by image, and reports in the order of images.
func (a *app) reconcile(ctx context.Context, j job) (outcome, error) {
	j.readers = registry.Once(j.readers, j.images)
	progress := a.startProgress(len(j.images), j.stats)
	defer progress.stop()

	slots, window := make(chan struct{}, imagesAtOnce), make(chan chan reconciled, imagesUnwritten)
	held := semaphore.NewWeighted(aliasesAtOnce) // in the order of images, until they are written
	go func() {
		defer close(window)
		for _, image := range j.images {
			_ = held.Acquire(context.WithoutCancel(ctx), weight(image)) // an interrupted run reports every image
			result := make(chan reconciled, 1)
			window <- result
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				result <- a.image(ctx, j, image)
			}()
		}
	}()

	var all outcome
	i := 0
	for result := range window {
		r := <-result
		progress.done()
		progress.pause(func() { j.out.Repository(r.plan, r.result) })
		for _, w := range a.warnings(r.plan) {
			progress.pause(func() { _, _ = fmt.Fprintln(a.stderr, report.Printable(w.Error())) })
		}
		all.add(r.plan, r.result)
		held.Release(weight(j.images[i]))
		i++
	}
	progress.stop()
	return all, j.out.text.Summary()
}

// warnings are those to print; none with -q, since they stand in nobody's way.
func (a *app) warnings(plan reconcile.Plan) []*config.Finding {
	if a.quiet {
		return nil
	}
	return plan.Warnings
}

// image is the whole story of one image: observe, diff, apply. Without writers
// it ends at the plan.
func (a *app) image(ctx context.Context, j job, image config.Image) (r reconciled) {
	if j.saved != nil {
		r.plan = reconcile.Guard(j.saved[image.Repository], a.deletions)
		r.result = reconcile.ApplySaved(ctx, j.readers, j.writers.Writer(image.Repository), image, r.plan)
		return r
	}
	observe := reconcile.Observe
	if a.deep || !a.shallow && reconcile.Deletes(image) {
		observe = reconcile.ObserveDeep
	}
	r.plan = reconcile.Guard(reconcile.Diff(image, observe(ctx, j.readers, image)), a.deletions)
	j.store.Release(image)
	if j.writers != nil {
		r.result = reconcile.Apply(ctx, j.writers.Writer(image.Repository), r.plan)
	}
	return r
}

// weight is what an image takes up of aliasesAtOnce.
func weight(image config.Image) int64 { return int64(min(len(image.Aliases), aliasesAtOnce)) }

// outcome is a run as exit codes see it.
type outcome struct {
	changes, failed, blocked bool
}

func (o *outcome) add(plan reconcile.Plan, result reconcile.Result) {
	dry := result.Pushed == nil && result.Deleted == nil && result.Removed == nil
	o.changes = o.changes || dry && !plan.Empty()
	o.failed = o.failed || len(plan.Errors) > 0
	o.blocked = o.blocked || len(plan.Violations) > 0
	for _, done := range [][]reconcile.Outcome{result.Pushed, result.Deleted, result.Removed} {
		for _, action := range done {
			o.changes = o.changes || !action.Already
			switch {
			case errors.Is(action.Err, registry.ErrUnsupported):
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
