package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// Tags that can't be deleted. Where the registry deletes a manifest with its last
// tag, as Amazon ECR does, it refuses that for a manifest that an index lists
// (ImageReferencedByManifestList). The index may be about to go: as long as it is
// there, the tag has to stay. GitHub deletes such a manifest, and the index lacks
// it then, so the tag stays there as well.
//
// GitHub also deletes a tag only with its manifest: a tag whose manifest has another
// tag stays, and so does the last manifest that has any.

// heldTag is a deletion of a tag that the registry would refuse.
type heldTag struct {
	DeleteTag
	by     []string // digests of the indexes that list what it names
	shared bool     // what it names has another tag that stays
	last   bool     // no other manifest would have a tag
}

// heldTags returns those of the deletions that the registry would refuse, or that
// would break an index. after is what the tags name once the plan is done, children
// what each index lists at any time until then.
func heldTags(facts registry.Facts, deletes []DeleteTag, after map[string]string, children map[string][]string) []heldTag {
	named, parents := map[string]bool{}, map[string][]string{}
	for _, digest := range after {
		named[digest] = true
	}
	for _, index := range slices.Sorted(maps.Keys(children)) {
		for _, child := range children[index] {
			parents[child] = append(parents[child], index)
		}
	}
	var all []heldTag
	for _, d := range deletes {
		switch by := parents[d.Old]; {
		case named[d.Old] && facts.NoUntag:
			all = append(all, heldTag{DeleteTag: d, shared: true})
		case len(by) > 0 && !named[d.Old]:
			all = append(all, heldTag{DeleteTag: d, by: by})
		}
	}
	if len(after) > 0 || len(all) > 0 || !facts.NoUntag || len(deletes) == 0 {
		return all
	}
	keep := slices.MaxFunc(deletes, func(a, b DeleteTag) int { return config.CompareTags(a.Tag, b.Tag) }).Old
	for _, d := range deletes {
		if d.Old == keep {
			all = append(all, heldTag{DeleteTag: d, last: true})
		}
	}
	return all
}

// holds reports whether a tag is among the held ones.
func holds(held []heldTag, tag string) bool {
	return slices.ContainsFunc(held, func(h heldTag) bool { return h.Tag == tag })
}

// without leaves the held ones out.
func without(deletes []DeleteTag, held []heldTag) []DeleteTag {
	return slices.DeleteFunc(slices.Clone(deletes), func(d DeleteTag) bool { return holds(held, d.Tag) })
}

// whyHeld says why a tag stays. tags are those of the repository now. What only
// an index holds that goes in this run can go in the next one.
func (s scope) whyHeld(facts registry.Facts, h heldTag, tags map[string]string, goes func(digest string) bool) *config.Finding {
	f := &config.Finding{ID: findings.ListedImage, Pos: s.image.Pos, Alias: h.Tag}
	if alias, listed := s.aliases[h.Tag]; listed {
		f.Pos = alias.Pos
	} else if pos := policies.Prune.Pos(s.rules); pos.Line > 0 && !h.Emptied {
		f.Pos = pos
	}
	switch {
	case h.shared:
		f.ID, f.Message = findings.KeptTag, fmt.Sprintf("tag %q can't be deleted: %s deletes a tag only with its image, %s, which other tags name; delete them, too, or keep this one",
			h.Tag, s.home.Host, h.Old)
		return f
	case h.last:
		f.ID, f.Message = findings.KeptTag, fmt.Sprintf("tag %q can't be deleted: it is of the last image of %s that has a tag, which %s keeps; delete the repository by hand",
			h.Tag, s.home, s.home.Host)
		return f
	}
	names := map[string]string{}
	for _, tag := range slices.Backward(slices.SortedFunc(maps.Keys(tags), config.CompareTags)) {
		names[tags[tag]] = fmt.Sprintf("tag %q", tag)
	}
	var by []string
	f.Warning = true
	for _, digest := range h.by {
		by = append(by, cmp.Or(names[digest], "untagged index "+digest))
		f.Warning = f.Warning && goes(digest)
	}
	how := "but not as long as an index lists it"
	if !facts.KeepsChildren {
		how = "even if an index lists it"
	}
	f.Message = fmt.Sprintf("tag %q is the last one of %s, which %s lists, and %s deletes an image with its last tag, %s; ", h.Tag, h.Old, few(by), s.home.Host, how)
	if f.Warning {
		f.Message += "that goes in this run, and the tag in the next one"
	} else {
		f.Message += "give the image another tag, or delete that index first"
	}
	return f
}

// holdLastTags takes deletions of tags out of a plan that the registry would
// refuse, where the repository is not swept.
func (s scope) holdLastTags(plan *Plan) error {
	if len(plan.DeleteTags) == 0 || len(plan.Errors) > 0 { // after an error nothing is deleted
		return nil
	}
	facts, err := s.settings()
	if err != nil || !facts.LastTag {
		return err
	}
	all, err := s.inventory()
	if err != nil || all == nil {
		return err
	}
	tags, names := map[string]string{}, map[string]bool{}
	for _, line := range all.Manifests {
		for _, tag := range line.Tags {
			tags[tag] = line.Digest
		}
	}
	after := afterwards(tags, *plan)
	for _, digest := range after {
		names[digest] = true
	}
	if !facts.NoUntag && !slices.ContainsFunc(plan.DeleteTags, func(d DeleteTag) bool { return !names[d.Old] }) {
		return nil // each has another tag
	}
	children := map[string][]string{}
	var errs []error
	for _, line := range all.Manifests {
		if line.MediaType != "" && !registry.IsIndex(line.MediaType) {
			continue
		}
		m, err := s.stored(line)
		if errs = append(errs, err); m != nil && m.Index {
			children[m.Digest] = holdingOf(m).children
		}
	}
	for _, p := range plan.Pushes {
		m, err := p.manifest()
		if errs = append(errs, err); m != nil {
			children[m.Digest] = holdingOf(m).children
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	held := heldTags(facts, plan.DeleteTags, after, children)
	plan.DeleteTags = without(plan.DeleteTags, held)
	markLast(plan.DeleteTags, names)
	for _, h := range held {
		plan.Violations = append(plan.Violations, s.whyHeld(facts, h, tags, func(string) bool { return false }))
	}
	return nil
}

// markLast notes which tags take what they name with them. named are the digests
// that other tags name.
func markLast(deletes []DeleteTag, named map[string]bool) {
	for i := range deletes {
		deletes[i].Last = !named[deletes[i].Old]
	}
}

// afterwards returns what tags name once a plan is done.
func afterwards(tags map[string]string, plan Plan) map[string]string {
	after := maps.Clone(tags)
	for _, p := range plan.Pushes {
		after[p.Tag] = p.New
	}
	for _, d := range plan.DeleteTags {
		delete(after, d.Tag)
	}
	return after
}
