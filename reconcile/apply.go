package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tagline/reconcile/registry"
)

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
}

// Outcome is what became of one action. A nil Err means that the registry was
// asked afterwards and confirmed it, or of a manifest, that it is gone.
type Outcome struct {
	Tag     string // or the digest of a manifest
	Err     error
	Already bool // it was so before anything was sent: another run has done it
}

// readBackPauses are waited out while a registry does not yet show what it has
// just confirmed.
var readBackPauses = [...]time.Duration{200 * time.Millisecond, time.Second}

// Apply carries out a plan, and nothing but it: copies, then pushes, those
// that others follow first, then deletions of tags, then of manifests, unless
// anything before them failed. Each tag is read again just before it is written, and after: as many
// at a time as the writer can write at once, so that none waits in a queue
// between the two.
func Apply(ctx context.Context, w registry.Writer, plan Plan) Result {
	a := applying{ctx: ctx, w: w, outcome: map[string]error{}, already: map[string]bool{}, copied: map[Copy]error{}}
	for _, p := range plan.Pushes {
		a.outcome[p.Tag] = ErrSkipped // until it is tried
	}
	for _, wave := range waves(plan.Pushes) {
		for batch := range slices.Chunk(wave, w.AtOnce()) {
			a.push(batch)
		}
	}
	var r Result
	whole := len(plan.Errors) == 0
	for _, p := range plan.Pushes {
		r.Pushed = append(r.Pushed, Outcome{p.Tag, a.outcome[p.Tag], a.already[p.Tag]})
		whole = whole && a.outcome[p.Tag] == nil
	}
	for batch := range slices.Chunk(plan.DeleteTags, w.AtOnce()) {
		if whole {
			a.deleteTags(batch)
			continue
		}
		for _, d := range batch {
			a.outcome[d.Tag] = errNothingDeleted
		}
	}
	for _, d := range plan.DeleteTags {
		r.Deleted = append(r.Deleted, Outcome{d.Tag, a.outcome[d.Tag], a.already[d.Tag]})
	}
	r.Removed = a.deleteManifests(plan, whole, r.Deleted)
	return r
}

// waves orders pushes so that each comes after those it follows.
func waves(pushes []Push) [][]Push {
	var all [][]Push
	for rest := pushes; len(rest) > 0; {
		pending := map[string]bool{}
		for _, p := range rest {
			pending[p.Tag] = true
		}
		var wave, later []Push
		for _, p := range rest {
			if slices.ContainsFunc(p.Follows, func(tag string) bool { return pending[tag] }) {
				later = append(later, p)
			} else {
				wave = append(wave, p)
			}
		}
		if len(wave) == 0 { // a cycle, which no valid images.yaml has
			return append(all, later)
		}
		all, rest = append(all, wave), later
	}
	return all
}

// applying is one plan being carried out.
type applying struct {
	ctx     context.Context // of this one call to Apply
	w       registry.Writer
	outcome map[string]error // by tag, of what was tried
	already map[string]bool  // by tag, of what did not have to be
	copied  map[Copy]error
}

// push does one batch: copies, re-read, put, read back.
func (a *applying) push(batch []Push) {
	batch = a.keep(batch, a.mayBegin)
	a.copy(batch)
	batch = a.keep(batch, a.hasCopies)
	tags := make([]string, len(batch))
	for i, p := range batch {
		tags[i] = p.Tag
	}
	before := a.w.Resolve(a.ctx, tags)
	at := map[string]registry.Answer[registry.Descriptor]{}
	for i, tag := range tags {
		at[tag] = before[i]
	}
	batch = slices.DeleteFunc(batch, func(p Push) bool {
		if at[p.Tag].Err == nil && at[p.Tag].Value.Digest == p.New { // another run has just done it
			a.outcome[p.Tag], a.already[p.Tag] = nil, p.Old != p.New // or else only its copies were due
			return true
		}
		return false
	})
	batch = a.keep(batch, func(p Push) error { return unmoved(at[p.Tag], p.Old) })
	if len(batch) == 0 {
		return
	}

	puts := make([]registry.TaggedManifest, len(batch))
	for i, p := range batch {
		puts[i] = registry.TaggedManifest{Tag: p.Tag, Manifest: registry.RawManifest{Digest: p.New, MediaType: p.MediaType, Body: p.Manifest}}
	}
	errs := a.w.Put(a.ctx, puts)
	var check []string
	want := map[string]string{}
	for i, p := range batch {
		a.outcome[p.Tag] = interrupted(errs[i])
		if errs[i] == nil {
			check, want[p.Tag] = append(check, p.Tag), p.New
		}
	}
	a.readBack(check, want)
}

// mayBegin tells what stands in the way of a push before anything is sent.
func (a *applying) mayBegin(p Push) error {
	if err := a.ctx.Err(); err != nil {
		return interrupted(err)
	}
	for _, tag := range p.Follows {
		if a.outcome[tag] != nil {
			return fmt.Errorf("%w: it follows %q, which was not pushed", ErrSkipped, tag)
		}
	}
	return nil
}

// copiesAtOnce bounds the copies under way; each moves several blobs at once.
const copiesAtOnce = 4

// copy brings what the pushes need from elsewhere, each manifest once a run.
func (a *applying) copy(batch []Push) {
	var due []Copy
	for _, p := range batch {
		for _, c := range p.Copies {
			if _, tried := a.copied[c]; !tried {
				a.copied[c] = ErrSkipped
				due = append(due, c)
			}
		}
	}
	errs := make([]error, len(due))
	var g errgroup.Group
	g.SetLimit(copiesAtOnce)
	for i, c := range due {
		g.Go(func() error {
			errs[i] = a.w.Copy(a.ctx, c.From, c.Digest)
			return nil
		})
	}
	_ = g.Wait()
	for i, c := range due {
		a.copied[c] = errs[i]
	}
}

func (a *applying) hasCopies(p Push) error {
	for _, c := range p.Copies {
		if err := a.copied[c]; err != nil {
			return fmt.Errorf("copy of %s from %s: %w", c.Digest, c.From, err)
		}
	}
	return nil
}

// deleteTags does one batch: re-read, delete, see that they are gone.
func (a *applying) deleteTags(batch []DeleteTag) {
	tags := make([]string, len(batch))
	for i, d := range batch {
		tags[i] = d.Tag
	}
	at := a.w.Resolve(a.ctx, tags)
	var due []string
	for i, d := range batch {
		if errors.Is(at[i].Err, registry.ErrNotFound) {
			a.outcome[d.Tag], a.already[d.Tag] = nil, true
			continue
		}
		if a.outcome[d.Tag] = unmoved(at[i], d.Old); a.outcome[d.Tag] == nil {
			due = append(due, d.Tag)
		}
	}
	if len(due) == 0 {
		return
	}
	errs := a.w.DeleteTags(a.ctx, due)
	var check []string
	for i, tag := range due {
		a.outcome[tag] = interrupted(errs[i])
		if errs[i] == nil {
			check = append(check, tag)
		}
	}
	a.readBack(check, nil)
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
				a.outcome[tag] = fmt.Errorf("it was written, but could not be read back: %w", now.Err)
			case gone != (want[tag] == "") || !gone && now.Value.Digest != want[tag]:
				a.outcome[tag] = fmt.Errorf("it was written, but the tag now names %s; another job may have moved it", cmp.Or(now.Value.Digest, "nothing"))
				again = append(again, tag)
			default:
				a.outcome[tag] = nil
			}
		}
		if tags = again; try == len(readBackPauses) {
			return
		}
		if len(tags) > 0 {
			select {
			case <-time.After(readBackPauses[try]):
			case <-ctx.Done():
				return
			}
		}
	}
}

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

// unmoved tells whether a tag still names what the plan saw, "" for nothing.
func unmoved(now registry.Answer[registry.Descriptor], planned string) error {
	switch {
	case errors.Is(now.Err, registry.ErrNotFound):
		if planned == "" {
			return nil
		}
	case now.Err != nil:
		return fmt.Errorf("re-read before the write: %w", now.Err)
	case now.Value.Digest == planned:
		return nil
	}
	return fmt.Errorf("%w: the tag named %s when it was planned, and now names %s; run again",
		ErrStale, cmp.Or(planned, "nothing"), cmp.Or(now.Value.Digest, "nothing"))
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
