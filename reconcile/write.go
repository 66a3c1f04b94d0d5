package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile/registry"
)

// How a plan is carried out: every tag is read again before it is written, and after.

// readBackPauses are waited out while a registry does not yet show what it has
// just confirmed.
var readBackPauses = [...]time.Duration{200 * time.Millisecond, time.Second}

// copiesAtOnce bounds the copies under way; each moves several blobs at once.
const copiesAtOnce = 4

// applying is one plan being carried out.
type applying struct {
	plan     Plan
	ctx      context.Context // of this one call to Apply
	w        registry.Writer
	outcome  map[string]error // by tag, of what was tried
	already  map[string]bool  // by tag, of what did not have to be
	copied   map[Copy]error
	attached map[referrerKey]error
	warned   []*config.Finding
	ensured  map[string]error // by digest, of Plan.Required
	back     map[string]bool  // by digest, what was put back
	// undeletable says that the registry deletes no manifest, so that nothing is
	// purged.
	undeletable error
}

// unpurged reports whether a tag keeps its attestations, because they could not be
// deleted.
func (a *applying) unpurged(p Push) bool { return p.Purged > 0 && a.undeletable != nil }

// keep drops the pushes that a test refuses, and notes why.
func (a *applying) keep(batch []Push, test func(Push) error) []Push {
	return slices.DeleteFunc(slices.Clone(batch), func(p Push) bool {
		err := test(p)
		if err != nil {
			a.outcome[p.Tag] = err
		}
		return err != nil
	})
}

// unmoved returns an error if a tag no longer names what the plan saw, "" for
// nothing.
func unmoved(now registry.Answer[registry.Descriptor], planned string) error {
	switch {
	case errors.Is(now.Err, registry.ErrNotFound):
		if planned == "" {
			return nil
		}
	case now.Err != nil:
		return &UnwrittenError{fmt.Errorf("re-read before the write: %w", now.Err)}
	case now.Value.Digest == planned:
		return nil
	}
	return fmt.Errorf("%w: the tag named %s when it was planned, and now names %s; plan again",
		ErrStale, cmp.Or(planned, "nothing"), cmp.Or(now.Value.Digest, "nothing"))
}

// stale returns the error of a write. That of a tag which the writer found moved is an
// [ErrStale], as if it had been found before.
func stale(err error, planned string) error {
	switch moved := (*registry.MovedError)(nil); {
	case errors.As(err, &moved):
		return unmoved(registry.Answer[registry.Descriptor]{Value: registry.Descriptor{Digest: moved.Now}}, planned)
	case errors.Is(err, registry.ErrMoved):
		return fmt.Errorf("%w: the tag no longer names %s: %w; plan again", ErrStale, planned, err)
	}
	return err
}

// readBack asks what tags name now. Want has the digest for each; a tag that
// is not in it should be gone. What does not agree after a while is an error.
// What was written before an interruption is read back all the same.
func (a *applying) readBack(tags []string, want map[string]string) {
	ctx, done := registry.Finishing(a.ctx)
	defer done()
	for try := 0; len(tags) > 0; try++ {
		var again []string
		for i, now := range a.w.Resolve(ctx, tags) {
			tag := tags[i]
			gone := errors.Is(now.Err, registry.ErrNotFound)
			switch {
			case now.Err != nil && !gone:
				a.outcome[tag] = &WrittenError{fmt.Errorf("it was written, but could not be read back: %w", now.Err)}
			case gone != (want[tag] == "") || !gone && now.Value.Digest != want[tag]:
				a.outcome[tag] = &WrittenError{fmt.Errorf("it was written, but the tag now names %s; another job may have moved it", cmp.Or(now.Value.Digest, "nothing"))}
				again = append(again, tag)
			default:
				a.outcome[tag] = nil
			}
		}
		if tags = again; try == len(readBackPauses) {
			return
		}
		if len(tags) > 0 && pause(ctx, readBackPauses[try]) != nil {
			return
		}
	}
}

// pause waits, or returns the error of the context if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
