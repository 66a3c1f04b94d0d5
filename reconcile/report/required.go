package report

import (
	"cmp"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// putBack returns the rows of the required manifests that are put back, or
// could not be. A manifest that the registry still has gets no row.
func (t *Text) putBack(plan reconcile.Plan, result reconcile.Result) []row {
	var rows []row
	for i, k := range plan.Required {
		err, applied := tried(result.Ensured, i)
		switch {
		case err != nil:
			rows = append(rows, problem(causeOfError(plan.Repository, err), 1, t.digest(k.Digest)+"  error: "+whyRequired(k)+": "+registry.Line(err)))
		case isPutBack(k, result.Ensured, i) && !t.opts.Quiet:
			does := "is put back"
			if applied {
				does = "was put back"
			}
			rows = append(rows, row{mark: "+", cells: []string{t.digest(k.Digest) + "  " + does + ": the registry had dropped it, and " + whyRequired(k)}})
		}
	}
	return rows
}

// whyRequired says why a manifest must be there.
func whyRequired(k reconcile.Required) string { return cmp.Or(k.Needed, "an index may list it") }
