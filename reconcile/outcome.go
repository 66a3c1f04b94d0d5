package reconcile

import (
	"context"
	"errors"

	"tagline/config"
)

// The results of a plan's actions.

// Outcomes of an action that was not done.
var (
	// ErrStale means that a tag is not what the plan saw: another client moved
	// it. The next run makes a new plan.
	ErrStale = errors.New("stale")
	// ErrSkipped means that an action was not begun, because another one that
	// it relies on was not done.
	ErrSkipped = errors.New("not done")
)

// Result is the result of a plan.
type Result struct {
	Pushed  []Outcome // as Plan.Pushes
	Deleted []Outcome // as Plan.DeleteTags
	Removed []Outcome // as Plan.DeleteManifests
	Ensured []Outcome // as Plan.Required; Already if the manifest was there
	// Warned says what could not be done and fails nothing.
	Warned []*config.Finding
}

// Outcome is the result of one action. A nil Err means that the registry was asked
// afterwards and confirmed it. For a deleted manifest, nil means that the registry says
// so; if it is there afterwards, Result.Warned has an undeleted-manifest.
type Outcome struct {
	Tag     string // or the digest of a manifest
	Err     error
	Already bool // nothing was sent, because another run had done it
}

// WrittenError is the failure of an action that the registry said it had done.
type WrittenError struct{ error }

func (e *WrittenError) Unwrap() error { return e.error }

// UnwrittenError is the failure of an action that the registry was not asked to do.
type UnwrittenError struct{ error }

func (e *UnwrittenError) Unwrap() error { return e.error }

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
