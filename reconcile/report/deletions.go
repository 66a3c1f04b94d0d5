package report

import (
	"fmt"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// manyManifests is the highest number of deleted manifests that are listed one
// by one. A verbose report lists all.
const manyManifests = 10

// deletions returns the rows of manifests to delete: one per manifest, or one
// per reason. Each row is one cell, since digests are too long for the column
// of tags.
func (o TextOptions) deletions(plan reconcile.Plan, result reconcile.Result) []row {
	var rows []row
	many := len(plan.DeleteManifests) > manyManifests && !o.Verbose
	for i, d := range plan.DeleteManifests {
		switch err, _ := Tried(result.Removed, i); {
		case err != nil && (i == 0 || !many || !alike(err, result.Removed[i-1].Err)):
			rows = append(rows, problem(causeOfError(plan.Repository, err), 1, o.digest(d.Digest)+"  error: "+registry.Line(err)))
		case err == nil && !many && !o.Quiet:
			rows = append(rows, row{mark: "-", cells: []string{fmt.Sprintf("%s  %s (%s)", o.digest(d.Digest), d.Reason, Bytes(d.Bytes))}})
		}
	}
	if !many || o.Quiet {
		return rows
	}
	var n notes
	n.add(plan, result)
	for _, k := range kinds {
		if got := n.reclaimed[k.kind]; got.n > 0 {
			rows = append(rows, row{mark: "-", cells: []string{fmt.Sprintf("%s  that nothing needs (%s)", Count(got.n, k.what), Bytes(got.bytes))}})
		}
	}
	return rows
}

// putBack returns the rows of the required manifests that are put back, or
// could not be. A manifest that the registry still has gets no row.
func (o TextOptions) putBack(plan reconcile.Plan, result reconcile.Result) []row {
	var rows []row
	for i, k := range plan.Required {
		err, applied := Tried(result.Ensured, i)
		switch {
		case err != nil:
			rows = append(rows, problem(causeOfError(plan.Repository, err), 1, o.digest(k.Digest)+"  error: "+whyRequired(k)+": "+registry.Line(err)))
		case isPutBack(k, result.Ensured, i) && !o.Quiet:
			does := "is put back"
			if applied {
				does = "was put back"
			}
			rows = append(rows, row{mark: "+", cells: []string{o.digest(k.Digest) + "  " + does + ": the registry had dropped it, and " + whyRequired(k)}})
		}
	}
	return rows
}
