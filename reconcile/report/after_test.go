package report

import (
	"errors"
	"fmt"
	"testing"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// What a run says about tags whose push failed, by why it did.
func TestAfter(t *testing.T) {
	const none, unknown = "This run left every tag as it was.", "It is not known whether my-image:10 changed; the next run finds out. This run left every other tag as it was."
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"refused", fmt.Errorf("push: %w", registry.ErrRefused), none},
		{"the host is down", &registry.HostError{Host: "r.test", Reason: "connection refused"}, none},
		{"stale", reconcile.ErrStale, none},
		{"skipped", reconcile.ErrSkipped, none},
		{"unsupported", registry.ErrUnsupported, none},
		{"the connection broke", errors.New("EOF"), unknown},
		{"it was not sent", &reconcile.UnwrittenError{}, none},
	} {
		t.Run(test.name, func(t *testing.T) {
			var a after
			a.add(reconcile.Plan{Image: "my-image"}, reconcile.Result{Pushed: []reconcile.Outcome{{Tag: "10", Err: test.err}}})
			if got := a.sentence(0); got != test.want+" Run again once the cause is gone: a run does what is left." {
				t.Errorf("%s", got)
			}
		})
	}
}
