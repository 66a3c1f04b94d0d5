package report

import (
	"cmp"
	"errors"

	"tagline/config/findings"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// Outcomes, as programs read them.
const (
	Done        = "done"
	Stale       = string(findings.Stale)       // the registry has changed since the plan was made
	Skipped     = string(findings.Skipped)     // not begun, because an action that it relies on was not done
	Unsupported = string(findings.Unsupported) // the registry does not support it
	Failed      = string(findings.Failed)
)

// OutcomeOf returns the outcome of an action that ended with an error, or without one.
func OutcomeOf(err error) string {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, reconcile.ErrStale):
		return Stale
	case errors.Is(err, reconcile.ErrSkipped):
		return Skipped
	case errors.Is(err, registry.ErrUnsupported):
		return Unsupported
	}
	return Failed
}

// Tried returns the error of an action, by its index in the plan. yes is false
// in a dry run.
func Tried(outcomes []reconcile.Outcome, i int) (err error, yes bool) {
	if i < len(outcomes) {
		return outcomes[i].Err, true
	}
	return nil, false
}

// Already reports whether another run had done an action.
func Already(outcomes []reconcile.Outcome, i int) bool {
	return i < len(outcomes) && outcomes[i].Already
}

// isPutBack reports whether a run has put a manifest back, or a dry run would.
// A dry run knows only of manifests that are already missing.
func isPutBack(k reconcile.Required, outcomes []reconcile.Outcome, i int) bool {
	if i < len(outcomes) {
		return outcomes[i].Err == nil && !outcomes[i].Already
	}
	return k.Lost
}

// whyRequired says why a manifest must be there.
func whyRequired(k reconcile.Required) string { return cmp.Or(k.Needed, "an index may list it") }

// notDone counts the actions that this run has not done: they failed, or
// another run had done them.
func notDone(outcomes []reconcile.Outcome) int {
	n := 0
	for _, o := range outcomes {
		if o.Err != nil || o.Already {
			n++
		}
	}
	return n
}

// alike reports whether two actions have the same outcome, and for the same reason.
func alike(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return registry.Line(a) == registry.Line(b)
}
