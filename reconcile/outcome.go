package reconcile

import (
	"context"
	"errors"

	"tagline/config"
)

// What became of the actions of a plan.

// Outcomes of an action that was not done.
var (
	// ErrStale means that a tag is not what the plan saw: somebody else moved
	// it. The next run plans anew.
	ErrStale = errors.New("stale")
	// ErrSkipped means that an action was not begun, because another one that
	// it relies on was not done.
	ErrSkipped = errors.New("not done")
)

// Result is what became of a plan.
type Result struct {
	Pushed  []Outcome // as Plan.Pushes
	Deleted []Outcome // as Plan.DeleteTags
	Removed []Outcome // as Plan.DeleteManifests
	Kept    []Outcome // as Plan.Keeps; Already if the manifest was there
	// Warned says what could not be done and fails nothing.
	Warned []*config.Finding
}

// Outcome is what became of one action. A nil Err means that the registry was
// asked afterwards and confirmed it, or of a manifest, that it is gone.
type Outcome struct {
	Tag     string // or the digest of a manifest
	Err     error
	Already bool // it was so before anything was sent: another run has done it
}

// interrupted says so of an action that a cancelled run did not get to.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return &interruption{err}
	}
	return err
}

type interruption struct{ cause error }

func (*interruption) Error() string     { return ErrSkipped.Error() + ": the run was interrupted" }
func (i *interruption) Unwrap() []error { return []error{ErrSkipped, i.cause} }
