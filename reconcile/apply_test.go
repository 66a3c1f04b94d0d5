package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// errOf is what became of a tag.
func errOf(t *testing.T, outcomes []reconcile.Outcome, tag string) error {
	t.Helper()
	i := slices.IndexFunc(outcomes, func(o reconcile.Outcome) bool { return o.Tag == tag })
	if i < 0 {
		t.Fatalf("nothing became of tag %s: %+v", tag, outcomes)
	}
	return outcomes[i].Err
}

func TestApplyRefusesWhatMoved(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12, plain40, both50)
	image := aliases(t, "1: 10.12\n2: 10.12\n3: 10.12\n4: absent\n5: absent")
	for _, tag := range []string{"2", "3", "4", "5"} {
		m.Tags["r.test/app:"+tag] = m.Tags["r.test/app:10.50"]
	}
	p := plan(t, m, image)
	moved := m.Tags["r.test/app:10.40"]
	m.Tags["r.test/app:1"] = moved                      // made by another client
	m.Tags["r.test/app:2"] = moved                      // moved by another client
	m.Tags["r.test/app:3"] = m.Tags["r.test/app:10.12"] // done by another run
	m.Tags["r.test/app:4"] = moved                      // moved by another client
	delete(m.Tags, "r.test/app:5")                      // done by another run
	before := maps.Clone(m.Tags)

	r := reconcile.Apply(t.Context(), m.Writer(image.Repository), p)
	for _, tag := range []string{"1", "2"} {
		if err := errOf(t, r.Pushed, tag); !errors.Is(err, reconcile.ErrStale) || !strings.Contains(err.Error(), moved) {
			t.Errorf("tag %s: %v, want stale and where it moved", tag, err)
		}
	}
	if err := errOf(t, r.Pushed, "3"); err != nil {
		t.Errorf("tag 3 is what it should be, but: %v", err)
	}
	if err := errOf(t, r.Deleted, "4"); !errors.Is(err, reconcile.ErrSkipped) {
		t.Errorf("tag 4: %v, want no deletion after a stale push", err)
	}
	if !maps.Equal(m.Tags, before) || len(m.Puts) > 0 {
		t.Errorf("tags are %v, were %v", m.Tags, before)
	}

	// Without the pushes it is the deletion itself that is stale.
	p.Pushes = nil
	r = reconcile.Apply(t.Context(), m.Writer(image.Repository), p)
	if err := errOf(t, r.Deleted, "4"); !errors.Is(err, reconcile.ErrStale) {
		t.Errorf("tag 4: %v, want stale", err)
	}
	if err := errOf(t, r.Deleted, "5"); err != nil {
		t.Errorf("tag 5 is gone, but: %v", err)
	}
	if !maps.Equal(m.Tags, before) {
		t.Errorf("tags are %v, were %v", m.Tags, before)
	}
}

func TestAFailedPushStopsWhatReliesOnIt(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12, both50)
	m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.50"]
	m.Broken["PUT 10"] = errors.New("503 Service Unavailable")
	image := aliases(t, "9: absent\n10: 10.12\nlatest: 10\nnewest: latest\nother: 10.50")
	r := reconcile.Apply(t.Context(), m.Writer(image.Repository), plan(t, m, image))
	if err := errOf(t, r.Pushed, "10"); !errors.Is(err, m.Broken["PUT 10"]) {
		t.Errorf("tag 10: %v", err)
	}
	for _, tag := range []string{"latest", "newest"} {
		if err := errOf(t, r.Pushed, tag); !errors.Is(err, reconcile.ErrSkipped) {
			t.Errorf("tag %s: %v, want it not done", tag, err)
		}
	}
	if err := errOf(t, r.Deleted, "9"); !errors.Is(err, reconcile.ErrSkipped) || m.Tags["r.test/app:9"] == "" {
		t.Errorf("tag 9: %v, want no deletion after a failed push", err)
	}
	if err := errOf(t, r.Pushed, "other"); err != nil || len(m.Puts) != 1 {
		t.Errorf("tag other: %v, pushed: %q", err, m.Puts)
	}

	m.Broken = nil
	applyAndSettle(t, m, image)
}

func TestAnIncompleteReadDeletesNothing(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12)
	m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.12"]
	m.Broken["10.40"] = errors.New("truncated")
	image := aliases(t, "9: absent\n10: 10.40")
	r := reconcile.Apply(t.Context(), m.Writer(image.Repository), plan(t, m, image))
	if err := errOf(t, r.Deleted, "9"); !errors.Is(err, reconcile.ErrSkipped) || m.Tags["r.test/app:9"] == "" {
		t.Errorf("tag 9: %v, tags %v", err, m.Tags)
	}
}

// forgetful confirms every write and keeps none of them.
type forgetful struct{ registry.Writer }

func (forgetful) Put(_ context.Context, p []registry.TaggedManifest) []error {
	return make([]error, len(p))
}
func (forgetful) DeleteTags(_ context.Context, tags []registry.TagDigest) []error {
	return make([]error, len(tags))
}

func TestWritesAreReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // for the pauses between the reads
		m := registrytest.NewMemory()
		m.Push(t, "app", plain12)
		m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.12"]
		image := aliases(t, "10: 10.12")
		r := reconcile.Apply(t.Context(), forgetful{m.Writer(image.Repository)}, plan(t, m, image))
		if err := errOf(t, r.Pushed, "10"); err == nil || !strings.Contains(err.Error(), "now names nothing") {
			t.Errorf("tag 10: %v", err)
		}
		image = aliases(t, "9: absent")
		r = reconcile.Apply(t.Context(), forgetful{m.Writer(image.Repository)}, plan(t, m, image))
		if err := errOf(t, r.Deleted, "9"); err == nil || !strings.Contains(err.Error(), "now names sha256:") {
			t.Errorf("tag 9: %v", err)
		}
	})
}

func TestUnsupportedDeletion(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12)
	m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.12"]
	m.Broken["DELETE 9"] = fmt.Errorf("DELETE: 405: %w", registry.ErrUnsupported)
	image := aliases(t, "9: absent")
	r := reconcile.Apply(t.Context(), m.Writer(image.Repository), plan(t, m, image))
	if err := errOf(t, r.Deleted, "9"); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("tag 9: %v", err)
	}
}

func TestACancelledRunBeginsNothing(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12)
	image := aliases(t, "10: 10.12")
	p := plan(t, m, image)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := reconcile.Apply(ctx, m.Writer(image.Repository), p)
	if err := errOf(t, r.Pushed, "10"); !errors.Is(err, context.Canceled) || !errors.Is(err, reconcile.ErrSkipped) || len(m.Puts) > 0 {
		t.Errorf("tag 10: %v, pushed %q", err, m.Puts)
	}
}

// queue notes how many tags are between their re-read and their write, and whether a
// batch has its turn then.
type queue struct {
	registry.Writer
	longest *int
	calls   *[]string
}

func (q queue) AtOnce() int { return 3 }

func (q queue) Turn(context.Context) (func(), error) {
	*q.calls = append(*q.calls, "turn")
	return func() { *q.calls = append(*q.calls, "end") }, nil
}

func (q queue) Resolve(ctx context.Context, references []string) []registry.Answer[registry.Descriptor] {
	if len(references) > 0 {
		*q.calls = append(*q.calls, "read")
	}
	return q.Writer.Resolve(ctx, references)
}

func (q queue) Put(ctx context.Context, p []registry.TaggedManifest) []error {
	*q.longest = max(*q.longest, len(p))
	*q.calls = append(*q.calls, "put")
	return q.Writer.Put(ctx, p)
}

func TestNoTagWaitsBetweenItsReReadAndItsWrite(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12)
	image := aliases(t, "1: 10.12\n2: 10.12\n3: 10.12\n4: 10.12\n5: 10.12\n6: 10.12\n7: 10.12")
	longest, calls := 0, []string{}
	reconcile.Apply(t.Context(), queue{m.Writer(image.Repository), &longest, &calls}, plan(t, m, image))
	for batch := range slices.Chunk(calls, 5) {
		if !slices.Equal(batch, []string{"turn", "read", "put", "end", "read"}) {
			t.Errorf("a batch does %q", batch)
		}
	}
	if longest != 3 || len(m.Puts) != 7 {
		t.Errorf("%d tags were written, %d of them together, want 7 and 3", len(m.Puts), longest)
	}
}

func TestManyAliasesInBatches(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12)
	var lines strings.Builder
	for i := range 250 {
		fmt.Fprintf(&lines, "a%d: 10.12\nb%d: a%d\n", i, i, i)
	}
	image := aliases(t, lines.String())
	applyAndSettle(t, m, image)
	if len(m.Puts) != 500 {
		t.Errorf("%d pushes, want 500", len(m.Puts))
	}
	if after := slices.IndexFunc(m.Puts, func(p string) bool { return p[0] == 'b' }); after != 250 {
		t.Errorf("a follower was pushed as number %d, before all that are followed", after)
	}
}

// failingCopies counts the copies of each manifest, and fails them.
type failingCopies struct {
	registry.Writer
	mu    sync.Mutex
	tried map[string]int
}

func (f *failingCopies) Copy(_ context.Context, from config.Repository, digest string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried[digest]++
	return fmt.Errorf("copy %s@%s: 503", from, digest)
}

// AtOnce is small, so that a run has several batches.
func (f *failingCopies) AtOnce() int { return 2 }

// However many aliases need a copy, it is tried once, and no alias is pushed
// without it.
func TestCopyThatFailsIsTriedOnce(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", both50)
	m.Push(t, "base", both30)
	image := aliases(t, "a: base:10.30\nb: base:10.30\nc: {amd64: base:10.30}\nd: {amd64: base:10.30, arm64: base:10.30}\ne: {arm64: base:10.30}\nf: c\nok: 10.50")
	p := plan(t, m, image)
	w := &failingCopies{Writer: m.Writer(image.Repository), tried: map[string]int{}}
	r := reconcile.Apply(t.Context(), w, p)
	if len(w.tried) != 5 { // the index, two images and two attestations
		t.Errorf("copies of %v", w.tried)
	}
	for digest, times := range w.tried {
		if times != 1 {
			t.Errorf("%s was tried %d times", digest, times)
		}
	}
	for _, tag := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := errOf(t, r.Pushed, tag); err == nil || m.Tags["r.test/app:"+tag] != "" {
			t.Errorf("tag %s names %q, error %v", tag, m.Tags["r.test/app:"+tag], err)
		}
	}
	if err := errOf(t, r.Pushed, "ok"); err != nil || m.Tags["r.test/app:ok"] == "" {
		t.Errorf("tag ok: %v", err)
	}
}
