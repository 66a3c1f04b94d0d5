package reconcile

import (
	"errors"
	"maps"
	"slices"

	"tagline/policies"
	"tagline/reconcile/registry"
)

// sweep adds to a plan what concerns the repository as a whole. If it can't be
// known, the plan gets an error, and nothing of the sweep. Nor does a plan that
// has errors already.
func (s scope) sweep(plan *Plan) {
	prune, untagged := policies.Prune.Of(s.rules), policies.Untagged.Of(s.rules)
	if !prune && !untagged && !s.purging() {
		return
	}
	w := &sweep{
		scope: s, untagged: untagged, before: map[string]string{}, bodies: map[string]*registry.Manifest{},
		after:   holding{tags: map[string]string{}, pinned: s.image.Pinned, manifests: map[string]held{}, purge: s.purging()},
		reached: map[string]bool{}, replaced: map[string]bool{}, left: map[string]bool{}, attests: map[string]string{},
	}
	if err := w.run(plan, prune); err != nil {
		plan.Errors = append(plan.Errors, Failure{Message: "nothing is purged or deleted: " + few(registry.Lines(err))})
	}
}

func (s *sweep) run(plan *Plan, prune bool) error {
	if err := s.look(); err != nil {
		return err
	}
	swept := Swept{Tags: len(s.before), Manifests: len(s.after.manifests), Unlisted: s.untagged && s.stock == nil}
	err := s.retag(plan, prune)
	if s.purging() {
		err = errors.Join(err, s.purgeTags())
	}
	if err != nil {
		return err
	}
	if s.purging() {
		if err := s.finishPurge(); err != nil {
			return err
		}
	}
	s.judge()
	if s.purging() {
		if err := s.emptyFallbacks(); err != nil {
			return err
		}
	}
	due, err := s.due()
	if err != nil || len(plan.Errors) > 0 {
		return err
	}
	swept.Held = s.heldAttestations()
	plan.Swept = swept
	plan.Pushes = append(plan.Pushes, s.pushes...)
	plan.DeleteTags = append(plan.DeleteTags, s.deletes...)
	plan.Violations = append(plan.Violations, s.found...)
	plan.Warnings = append(plan.Warnings, s.warnings...)
	plan.DeleteManifests = due
	if len(due) > 0 {
		for _, tag := range slices.Sorted(maps.Keys(s.after.tags)) {
			plan.Tags = append(plan.Tags, TagDigest{tag, s.after.tags[tag]})
		}
	}
	return nil
}
