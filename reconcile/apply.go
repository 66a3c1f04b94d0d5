package reconcile

import (
	"context"
	"slices"

	"tagline/reconcile/registry"
)

// Apply carries out a plan, and nothing but it: copies, then pushes, those
// that others follow first, then deletions of tags, then of manifests, unless
// anything before them failed. Each tag is read again just before it is written, and after: as many
// at a time as the writer can write at once, so that none waits in a queue
// between the two.
func Apply(ctx context.Context, w registry.Writer, plan Plan) Result {
	a := applying{ctx: ctx, w: w, outcome: map[string]error{}, already: map[string]bool{}, copied: map[Copy]error{}}
	for _, p := range plan.Pushes {
		a.outcome[p.Tag] = ErrSkipped // until it is tried
	}
	for _, wave := range pushWaves(plan.Pushes) {
		for batch := range slices.Chunk(wave, w.AtOnce()) {
			a.push(batch)
		}
	}
	var r Result
	whole := len(plan.Errors) == 0
	for _, p := range plan.Pushes {
		r.Pushed = append(r.Pushed, Outcome{p.Tag, a.outcome[p.Tag], a.already[p.Tag]})
		whole = whole && a.outcome[p.Tag] == nil
	}
	for batch := range slices.Chunk(plan.DeleteTags, w.AtOnce()) {
		if whole {
			a.deleteTags(batch)
			continue
		}
		for _, d := range batch {
			a.outcome[d.Tag] = errNothingDeleted
		}
	}
	for _, d := range plan.DeleteTags {
		r.Deleted = append(r.Deleted, Outcome{d.Tag, a.outcome[d.Tag], a.already[d.Tag]})
	}
	r.Removed = a.deleteManifests(plan, whole, r.Deleted)
	return r
}
