package report

import (
	"cmp"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// keeps returns the rows of manifests that are put back, and of those that could
// not be. What is still there has none.
func (t *Text) keeps(plan reconcile.Plan, result reconcile.Result) []row {
	var rows []row
	for i, k := range plan.Keeps {
		err, applied := tried(result.Kept, i)
		switch {
		case err != nil:
			rows = append(rows, row{"!", []string{t.digest(k.Digest) + "  error: " + whyKept(k) + ": " + registry.Line(err)}})
		case isPutBack(k, result.Kept, i) && !t.opts.Quiet:
			does := "is put back"
			if applied {
				does = "was put back"
			}
			rows = append(rows, row{"+", []string{t.digest(k.Digest) + "  " + does + ": the registry had dropped it, and " + whyKept(k)}})
		}
	}
	return rows
}

// whyKept says why a manifest has to be there.
func whyKept(k reconcile.Keep) string { return cmp.Or(k.Needed, "an index may list it") }
