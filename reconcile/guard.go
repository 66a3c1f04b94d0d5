package reconcile

import (
	"fmt"
	"slices"

	"tagline/config"
	"tagline/config/findings"
)

// Limit is how much one run may delete from a repository. The zero Limit means that
// none was set.
type Limit struct {
	Max int  // deletions that count
	Set bool // by a flag; then it is the only limit
}

// DefaultMaxDeletions is the limit if none is set.
const DefaultMaxDeletions = 25

// fewManifests is the size up to which a quarter of a repository says little.
const fewManifests = 8

// Guard removes the deletions from a plan that has more of them than can be
// intended. It adds a violation with the numbers and the flag that would allow them.
// Pushes stay.
//
// Each tag counts, and each manifest that no deleted tag names. What a purge deletes
// does not count: the purge itself asks for it.
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
		reason = fmt.Sprintf("%s due in this repository, more than the %d that one run may do", deletionsAre(due), most)
	case limit.Set:
	case due > 0 && plan.Swept.Manifests > 0 && plan.Swept.Tags == 0:
		reason = fmt.Sprintf("%s due, but the registry lists no tag at all beside %d manifests", deletionsAre(due), known)
	case known > fewManifests && due*4 > known:
		reason = fmt.Sprintf("%s due, more than a quarter of the repository's %d manifests", deletionsAre(due), known)
	}
	if reason == "" {
		return plan
	}
	advice := fmt.Sprintf("--max-deletions %d would allow it", due)
	if plan.Swept.Unlisted && len(plan.Pushes) > 0 {
		advice += " in this run; no later one finds what it replaces, since the registry lists no untagged manifests"
	}
	plan.DeleteTags, plan.DeleteManifests, plan.Tags, plan.Stranded = nil, nil, nil, nil
	plan.trimRequired()
	plan.Violations = append(slices.Clone(plan.Violations), &config.Finding{ID: findings.MaxDeletions, Message: fmt.Sprintf(
		"%s; nothing is deleted; %s", reason, advice)})
	return plan
}

// deletionsAre is the subject and verb of a message about n deletions.
func deletionsAre(n int) string {
	if n == 1 {
		return "1 deletion is"
	}
	return fmt.Sprintf("%d deletions are", n)
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
		if !d.Purges() && !was[d.Digest] {
			n++
		}
	}
	return n
}
