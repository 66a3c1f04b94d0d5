package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"tagline/reconcile/registry"
)

// push does one batch: copies, re-read, put, read back.
func (a *applying) push(batch []Push) {
	batch = a.keep(batch, a.mayBegin)
	a.copy(batch)
	batch = a.keep(batch, a.hasCopies)
	a.attach(batch)
	var sent, check []string
	want := map[string]string{}
	for _, p := range a.put(batch) {
		sent = append(sent, p.Tag) // it may be written where there is an error
		if a.outcome[p.Tag] == nil {
			check, want[p.Tag] = append(check, p.Tag), p.New
		}
	}
	a.readBack(check, want)
	a.ensure(sent)
}

// preparing is a writer that does slow work for pushes, before their tags are read for
// the last time.
type preparing interface {
	prepare(ctx context.Context, batch []Push)
}

// put reads the tags of a batch again and pushes those that have not moved. It returns
// what it has sent.
func (a *applying) put(batch []Push) []Push {
	if len(batch) == 0 {
		return nil
	}
	if w, is := a.w.(preparing); is {
		w.prepare(a.ctx, batch)
	}
	end, err := a.w.Turn(a.ctx)
	if err != nil {
		return a.keep(batch, func(Push) error { return interrupted(err) })
	}
	defer end()
	tags := make([]string, len(batch))
	for i, p := range batch {
		tags[i] = p.Tag
	}
	at := map[string]registry.Answer[registry.Descriptor]{}
	for i, now := range a.w.Resolve(a.ctx, tags) {
		at[tags[i]] = now
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
		return nil
	}
	puts := make([]registry.TaggedManifest, len(batch))
	for i, p := range batch {
		puts[i] = registry.TaggedManifest{Tag: p.Tag, Was: p.Old, Manifest: registry.RawManifest{Digest: p.New, MediaType: p.MediaType, Body: p.Manifest}}
	}
	for i, err := range a.w.Put(a.ctx, puts) {
		a.outcome[batch[i].Tag] = interrupted(stale(err, batch[i].Old))
	}
	return batch
}

// mayBegin returns why a push must not begin, nil if it may.
func (a *applying) mayBegin(p Push) error {
	if err := a.ctx.Err(); err != nil {
		return interrupted(err)
	}
	if a.unpurged(p) {
		return fmt.Errorf("the tag is not purged, since nothing could be deleted then: %w", a.undeletable)
	}
	if digest := a.lists(p); digest != "" {
		return fmt.Errorf("%w: it lists %s, which is missing", ErrSkipped, digest)
	}
	for _, tag := range p.Follows {
		if a.outcome[tag] != nil {
			return fmt.Errorf("%w: it follows %q, which was not pushed", ErrSkipped, tag)
		}
	}
	return nil
}

// copy copies what the pushes need from other repositories, each manifest once per run.
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
		switch err := a.copied[c]; {
		case errors.Is(err, ErrSkipped):
			return fmt.Errorf("copy of %s from %s: %w", c.Digest, c.From, err)
		case err != nil:
			return err // it says what was copied
		}
	}
	return nil
}
