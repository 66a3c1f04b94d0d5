package reconcile

import (
	"errors"
	"maps"
	"slices"

	"tagline/policies"
	"tagline/reconcile/registry"
)

// sweep adds to a plan what concerns the repository as a whole. If the repository
// can't be read, the plan gets an error and nothing else from the sweep. A plan that
// already has errors gets nothing either. sweep returns the repository as it will be,
// or nil if it did not read all of it.
func (s scope) sweep(plan *Plan) (after *holding) {
	prune, untagged := policies.Prune.Of(s.rules), policies.Untagged.Of(s.rules)
	if !prune && !untagged && !s.purging() {
		if err := s.holdLastTags(plan); err != nil {
			plan.Errors = append(plan.Errors, Failure{Message: "no tag is deleted: " + few(registry.Lines(err.Error())), Cause: registry.Cause(err)})
		}
		return nil
	}
	w := &sweep{
		scope: s, untagged: untagged, before: map[string]string{}, bodies: map[string]*registry.Manifest{},
		after:   holding{tags: map[string]string{}, pinned: s.image.Pinned, manifests: map[string]held{}, purge: s.purging()},
		reached: map[string]bool{}, replaced: map[string]bool{}, left: map[string]bool{}, became: map[string]string{}, attests: map[string]string{}, along: map[string][]string{},
	}
	if err := w.run(plan, prune); err != nil {
		plan.Errors = append(plan.Errors, Failure{Message: "nothing is purged or deleted: " + few(registry.Lines(err.Error())), Cause: registry.Cause(err)})
		return nil
	}
	if len(plan.Errors) > 0 {
		return nil
	}
	return &w.after
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
	held, err := s.hold(plan)
	if err != nil {
		return err
	}
	due, err := s.due()
	if err != nil || len(plan.Errors) > 0 {
		return err
	}
	plan.DeleteTags, s.deletes = without(plan.DeleteTags, held), without(s.deletes, held)
	if err := s.tellHeld(held, due); err != nil {
		return err
	}
	swept.Held = s.heldAttestations()
	switch waiting := s.waitingNow(); {
	case s.stock != nil:
		plan.Waiting, swept.Waiting, swept.Listed = waiting, len(waiting), s.listedUntagged()
	case len(waiting) > 0:
		s.warnUnlisted(len(waiting))
	}
	if s.stock != nil && policies.HoldsReplaced(s.rules) {
		s.waits, plan.Stranded = s.remember(), s.strandedNow()
	}
	plan.Swept = swept
	plan.Pushes = append(plan.Pushes, s.pushes...)
	plan.DeleteTags = append(plan.DeleteTags, s.deletes...)
	plan.Violations = append(plan.Violations, s.found...)
	plan.Warnings = append(plan.Warnings, s.warnings...)
	plan.DeleteManifests = due
	plan.Former = s.formers
	if len(plan.DeleteTags) > 0 {
		if last, err := s.deletesWithLastTag(); err != nil {
			return err
		} else if last {
			markLast(plan.DeleteTags, namedBy(s.after.tags))
		}
	}
	if len(due) > 0 {
		for _, tag := range slices.Sorted(maps.Keys(s.after.tags)) {
			plan.Tags = append(plan.Tags, TagDigest{Tag: tag, Digest: s.after.tags[tag]})
		}
	}
	return nil
}

// tellHeld reports why the held tags are not deleted. due are the manifests that go.
func (s *sweep) tellHeld(held []heldTag, due []DeleteManifest) error {
	for _, h := range held {
		facts, err := s.settings()
		if err != nil {
			return err
		}
		f := s.whyHeld(facts, h, s.before, func(digest string) bool {
			return slices.ContainsFunc(due, func(d DeleteManifest) bool { return d.Digest == digest })
		})
		if f.Warning {
			s.warnings = append(s.warnings, f)
		} else {
			s.found = append(s.found, f)
		}
	}
	return nil
}

// hold finds the tags that the registry would refuse to delete, and keeps them in the
// repository as it will be.
func (s *sweep) hold(plan *Plan) ([]heldTag, error) {
	deletes := slices.Concat(plan.DeleteTags, s.deletes)
	if len(deletes) == 0 {
		return nil, nil
	}
	facts, err := s.settings()
	if err != nil || !facts.LastTag {
		return nil, err
	}
	children := map[string][]string{}
	for digest, m := range s.after.manifests {
		if !m.unknown { // what it mentions is not listed
			children[digest] = m.children
		}
	}
	held := heldTags(facts, deletes, s.after.tags, children)
	for _, h := range held {
		s.after.tags[h.Tag] = h.Old
	}
	return held, nil
}
