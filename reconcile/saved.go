package reconcile

import (
	"context"
	"slices"

	"tagline/config"
	"tagline/reconcile/registry"
)

// ApplySaved carries out a saved plan, each action by itself. If a tag or one of
// its sources is no longer what the plan saw, the action is stale and is not
// done, nor is any that relies on it. All other pushes are done. As in [Apply],
// nothing is deleted then, and neither if a plan of now would be over the limit. It
// pushes exactly the bytes of the plan. The plan has passed [CheckSaved].
func ApplySaved(ctx context.Context, readers registry.Readers, w registry.Writer, image config.Image, plan Plan, limit Limit) Result {
	settled := recheck(ctx, readers, image, plan, limit)
	is := func(tag string) bool { _, ok := settled[tag]; return ok }
	due := plan
	due.Pushes = slices.DeleteFunc(slices.Clone(plan.Pushes), func(p Push) bool { return is(p.Tag) })
	due.DeleteTags = slices.DeleteFunc(slices.Clone(plan.DeleteTags), func(d DeleteTag) bool { return is(d.Tag) })
	due.DeleteManifests = slices.DeleteFunc(slices.Clone(plan.DeleteManifests), func(d DeleteManifest) bool { return is(d.Digest) })
	due.Tags = slices.DeleteFunc(slices.Clone(plan.Tags), func(t TagDigest) bool { // a tag is gone with its manifest
		err, ok := settled[t.Digest]
		return ok && err == nil
	})
	due.Required = slices.DeleteFunc(slices.Clone(plan.Required), func(k Required) bool { return is(k.Digest) })
	due.Errors = slices.Clone(plan.Errors)
	for tag, err := range settled {
		if err != nil { // so that nothing is deleted
			due.Errors = append(due.Errors, Failure{Alias: tag, Message: registry.Line(err)})
		}
	}
	already := map[string]bool{}
	for tag, err := range settled {
		already[tag] = err == nil
	}
	r := Apply(ctx, w, due)
	for _, o := range slices.Concat(r.Pushed, r.Deleted, r.Removed, r.Ensured) {
		settled[o.Tag], already[o.Tag] = o.Err, o.Already
	}
	whole := Result{Warned: r.Warned}
	for _, p := range plan.Pushes {
		whole.Pushed = append(whole.Pushed, Outcome{p.Tag, settled[p.Tag], already[p.Tag]})
	}
	for _, d := range plan.DeleteTags {
		whole.Deleted = append(whole.Deleted, Outcome{d.Tag, settled[d.Tag], already[d.Tag]})
	}
	for _, k := range plan.Required {
		whole.Ensured = append(whole.Ensured, Outcome{k.Digest, settled[k.Digest], already[k.Digest]})
	}
	for _, d := range plan.DeleteManifests {
		whole.Removed = append(whole.Removed, Outcome{d.Digest, settled[d.Digest], already[d.Digest]})
	}
	return whole
}
