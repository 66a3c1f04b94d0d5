package report

import (
	"fmt"
	"slices"

	"tagline/reconcile"
)

// totals counts aliases and actions in all repositories.
type totals struct {
	pushes, deleteTags, deleteManifests, putBack, blocked, failed, inSync, leftAlone, waiting int
}

// add adds the counts of one repository.
func (n *totals) add(plan reconcile.Plan, result reconcile.Result) {
	blocked, failed := map[string]bool{}, map[string]bool{}
	for _, v := range plan.Violations {
		blocked[v.Alias] = true
	}
	for _, e := range plan.Errors {
		failed[e.Alias] = true
	}
	for _, o := range slices.Concat(result.Pushed, result.Deleted, result.Removed, result.Ensured) {
		switch {
		case OutcomeOf(o.Err) == Unsupported:
			blocked[o.Tag] = true
		case o.Err != nil:
			failed[o.Tag] = true
		}
	}
	n.blocked += len(blocked)
	n.failed += len(failed)
	n.inSync += len(plan.InSync)
	n.leftAlone += len(plan.LeftAlone)
	n.waiting += plan.Swept.Waiting
	for _, o := range result.Pushed {
		if o.Already {
			n.inSync++
		}
	}
	n.pushes += len(plan.Pushes) - notDone(result.Pushed)
	n.deleteTags += len(plan.DeleteTags) - notDone(result.Deleted)
	n.deleteManifests += len(plan.DeleteManifests) - notDone(result.Removed)
	for i, k := range plan.Required {
		if isPutBack(k, result.Ensured, i) {
			n.putBack++
		}
	}
}

// sentence says in one line what a run did, or would do.
func (n totals) sentence(dryRun bool) string {
	var line string
	switch {
	case n.pushes+n.deleteTags+n.deleteManifests+n.putBack+n.blocked+n.failed == 0:
		now := ""
		if n.waiting > 0 {
			now = " now"
		}
		return fmt.Sprintf("Nothing to do%s: %s.", now, n.unchanged())
	case dryRun:
		line = fmt.Sprintf("Plan: %d to push, %s and %s to delete, %d blocked", n.pushes, Count(n.deleteTags, "tag"), Count(n.deleteManifests, "manifest"), n.blocked)
	default:
		line = fmt.Sprintf("Applied: %d pushed, %s and %s deleted, %d blocked", n.pushes, Count(n.deleteTags, "tag"), Count(n.deleteManifests, "manifest"), n.blocked)
	}
	switch {
	case n.putBack > 0 && dryRun:
		line += fmt.Sprintf(", %d to put back", n.putBack)
	case n.putBack > 0:
		line += fmt.Sprintf(", %d put back", n.putBack)
	}
	if n.failed > 0 {
		line += fmt.Sprintf(", %d failed", n.failed)
	}
	if n.leftAlone > 0 {
		line += fmt.Sprintf(", %d left alone", n.leftAlone)
	}
	return line + "."
}

// unchanged says how many aliases stay what they are.
func (n totals) unchanged() string {
	text := Count(n.inSync, "alias") + " in sync"
	if n.leftAlone > 0 {
		text += fmt.Sprintf(", %d left alone", n.leftAlone)
	}
	return text
}
