package reconcile

import (
	"fmt"
	"slices"

	"tagline/config"
	"tagline/config/findings"
)

// Limit bounds what one run may delete from a repository. The zero Limit is
// that of a run for which nobody has set one.
type Limit struct {
	Max int  // deletions that count
	Set bool // by hand: then it is the only limit
}

// DefaultMaxDeletions is the limit where nobody sets one.
const DefaultMaxDeletions = 25

// fewManifests is how many a repository has at most whose quarter says little.
const fewManifests = 8

// Guard takes the deletions out of a plan that has more of them than anyone is
// likely to mean, and says so in a violation with the numbers and the flag that
// would allow them. Pushes stay.
//
// A tag counts, and so does a manifest that was not the tag's. What a purge
// deletes does not: it is known by what it is.
func Guard(plan Plan, limit Limit) Plan {
	due := plan.deletions()
	most := DefaultMaxDeletions
	if limit.Set {
		most = limit.Max
	}
	known := plan.Swept.Manifests
	var reason string
	switch {
	case due > most:
		reason = fmt.Sprintf("%d deletions are due in this repository, more than the %d that one run may do", due, most)
	case limit.Set:
	case due > 0 && plan.Swept.Manifests > 0 && plan.Swept.Tags == 0:
		reason = fmt.Sprintf("%d deletions are due, but the registry lists no tag at all beside %d manifests", due, known)
	case known > fewManifests && due*4 > known:
		reason = fmt.Sprintf("%d deletions are due, more than a quarter of the repository's %d manifests", due, known)
	}
	if reason == "" {
		return plan
	}
	advice := fmt.Sprintf("--max-deletions %d would allow it", due)
	if plan.Swept.Unlisted && len(plan.Pushes) > 0 {
		advice += " in this run; no later one finds what it replaces, since the registry lists no untagged manifests"
	}
	plan.DeleteTags, plan.DeleteManifests, plan.Tags = nil, nil, nil
	plan.trimRequired()
	plan.Violations = append(slices.Clone(plan.Violations), &config.Finding{ID: findings.MaxDeletions, Message: fmt.Sprintf(
		"%s; nothing is deleted; %s", reason, advice)})
	return plan
}

// deletions counts those that are not a purge's own.
func (p Plan) deletions() int {
	n := 0
	was := map[string]bool{}
	for _, d := range p.DeleteTags {
		if !d.Emptied {
			was[d.Old] = true
			n++
		}
	}
	for _, d := range p.DeleteManifests {
		if d.Kind == KindUntagged && !was[d.Digest] {
			n++
		}
	}
	return n
}
