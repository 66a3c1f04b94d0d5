package main

import (
	"context"
	"errors"
	"slices"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/registry"
)

// job is a run and where its report goes.
type job struct {
	reconcile.Job
	images []config.Image
	out    *outputs
	client asked
	record *recording
}

// reconcile does a job, and reports in the order of images.
func (a *app) reconcile(ctx context.Context, j job) (outcome, error) {
	progress := a.startProgress(len(j.images), j.client)
	defer progress.stop()
	j.Limit = a.deletions
	j.Deep = a.deepness()
	j.Begun = progress.begin
	if j.record != nil {
		j.Applied = func(plan reconcile.Plan, result reconcile.Result) { j.record.add(journal.Moves(plan, result)) }
	}

	var all outcome
	reconcile.RunAll(ctx, j.Job, j.images, func(plan reconcile.Plan, result reconcile.Result) {
		progress.done()
		progress.pause(func() { j.out.Repository(plan, result) })
		if warnings := a.warnings(plan); len(warnings) > 0 {
			progress.pause(func() { a.tell(warnings) })
		}
		all.add(plan, result)
	})
	progress.stop()
	return all, j.out.text.Summary()
}

// deepness is what --deep says, or leaves open.
func (a *app) deepness() reconcile.Deepness {
	switch {
	case a.deep:
		return reconcile.DeepAlways
	case a.shallow:
		return reconcile.DeepNever
	}
	return reconcile.DeepForDeletions
}

// warnings returns the warnings to print: none with -q.
func (a *app) warnings(plan reconcile.Plan) []*config.Finding {
	if a.quiet {
		return nil
	}
	return plan.Warnings
}

// outcome is what becomes of a run. It decides the exit code.
type outcome struct {
	changes, failed, blocked bool
	deletes                  bool // the plans delete something, or purge a tag
	stale                    bool // the registry is not what a plan saw
}

func (o *outcome) add(plan reconcile.Plan, result reconcile.Result) {
	dry := result.Pushed == nil && result.Deleted == nil && result.Removed == nil && result.Ensured == nil
	o.changes = o.changes || dry && !plan.Empty()
	o.deletes = o.deletes || len(plan.DeleteTags)+len(plan.DeleteManifests) > 0 ||
		slices.ContainsFunc(plan.Pushes, func(p reconcile.Push) bool { return p.Purged > 0 })
	o.failed = o.failed || len(plan.Errors) > 0
	o.blocked = o.blocked || len(plan.Violations) > 0
	for _, done := range [][]reconcile.Outcome{result.Pushed, result.Deleted, result.Removed, result.Ensured} {
		for _, action := range done {
			o.changes = o.changes || !action.Already
			o.stale = o.stale || errors.Is(action.Err, reconcile.ErrStale)
			switch {
			case errors.Is(action.Err, registry.ErrUnsupported):
				o.blocked = true
			case action.Err != nil:
				o.failed = true
			}
		}
	}
}

// exit returns nil or an exitCode.
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
