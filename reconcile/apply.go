package reconcile

import (
	"context"
	"slices"

	"tagline/reconcile/registry"
)

// Apply carries out a plan, and nothing but it. First it puts back what is missing.
// Then it copies manifests and what refers to them, and pushes tags, those that others
// follow first. Then it deletes tags, and then manifests, unless anything before them
// failed. Each tag is read again just before it is written, and after: as many at a
// time as the writer can write at once, once it is their turn, so that none waits in a
// queue between the two. What a tag leaves is looked for directly after that, if the
// plan says that an index may list it.
func Apply(ctx context.Context, w registry.Writer, plan Plan) Result {
	a := applying{
		plan: plan, ctx: ctx, w: w, outcome: map[string]error{}, already: map[string]bool{}, copied: map[Copy]error{}, attached: map[referrerKey]error{},
		ensured: map[string]error{}, back: map[string]bool{},
	}
	a.putBackLost(plan.Required)
	for _, p := range plan.Pushes {
		a.outcome[p.Tag] = ErrSkipped // until it is tried
	}
	a.undeletable = a.checkDeletes()
	for _, wave := range pushWaves(plan.Pushes) {
		for batch := range slices.Chunk(wave, w.AtOnce()) {
			a.push(batch)
		}
	}
	var r Result
	whole := len(plan.Errors) == 0
	for _, p := range plan.Pushes {
		r.Pushed = append(r.Pushed, Outcome{p.Tag, a.outcome[p.Tag], a.already[p.Tag]})
		whole = whole && (a.outcome[p.Tag] == nil || a.unpurged(p))
	}
	for batch := range slices.Chunk(a.untaggable(plan.DeleteTags), w.AtOnce()) {
		if whole && a.allEnsured() {
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
	r.Removed = a.deleteManifests(plan, whole && a.allEnsured(), r.Deleted)
	for _, k := range plan.Required {
		r.Ensured = append(r.Ensured, Outcome{k.Digest, a.ensured[k.Digest], !a.back[k.Digest]})
	}
	r.Warned = a.warned
	return r
}
