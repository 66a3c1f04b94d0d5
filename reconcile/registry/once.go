package registry

import (
	"context"
	"errors"
	"sync"

	"tagline/config"
)

// Once returns readers that share the answers about tags, manifests and configs if
// several of the images read a repository, such as that of a base image. They are kept
// as long as the readers. The answers of other repositories are not kept.
func Once(readers Readers, images []config.Image) Readers {
	users := map[config.Repository]int{}
	for _, image := range images {
		uses := map[config.Repository]bool{image.Repository: true}
		for _, alias := range image.Aliases {
			for _, s := range alias.Sources {
				uses[s.Repository] = true
			}
		}
		for repository := range uses {
			users[repository]++
		}
	}
	o := &onceReaders{readers: readers, shared: map[config.Repository]*asked{}}
	for repository, n := range users {
		if n > 1 {
			o.shared[repository] = &asked{
				tags: map[string]*question[Descriptor]{}, manifests: map[string]*question[RawManifest]{}, configs: map[string]*question[[]byte]{},
			}
		}
	}
	return o
}

type onceReaders struct {
	readers Readers
	shared  map[config.Repository]*asked
}

func (o *onceReaders) Reader(repository config.Repository) Reader {
	reader := o.readers.Reader(repository)
	if asked := o.shared[repository]; asked != nil {
		return &onceReader{reader, asked}
	}
	return reader
}

// asked are the questions put to one repository.
type asked struct {
	mu        sync.Mutex
	tags      map[string]*question[Descriptor] // by either way of asking what a tag names
	manifests map[string]*question[RawManifest]
	configs   map[string]*question[[]byte]
}

// question is one that has been asked, and the answer once it is there.
type question[T any] struct {
	answered  chan struct{}
	answer    Answer[T]
	abandoned bool // it failed because the context of the asker had ended
}

// conclude answers a question. One that was abandoned is not kept: its error says
// nothing of the registry.
func conclude[T any](ctx context.Context, mu *sync.Mutex, all map[string]*question[T], reference string, q *question[T], a Answer[T]) {
	q.answer, q.abandoned = a, a.Err != nil && ctx.Err() != nil
	if q.abandoned {
		mu.Lock()
		delete(all, reference)
		mu.Unlock()
	}
	close(q.answered)
}

// wait ends with the answer or with the context, and reports whether the
// question has to be asked again, since another asker has abandoned it.
func (q *question[T]) wait(ctx context.Context) (a Answer[T], again bool) {
	if err := ctx.Err(); err != nil { // the answer may be there as well
		return Answer[T]{Err: err}, false
	}
	select {
	case <-q.answered:
		return q.answer, q.abandoned && ctx.Err() == nil
	case <-ctx.Done():
		return Answer[T]{Err: ctx.Err()}, false
	}
}

// put notes a question, and reports whether the caller has to ask it.
func put[T any](all map[string]*question[T], reference string) (q *question[T], first bool) {
	if q, ok := all[reference]; ok {
		return q, false
	}
	q = &question[T]{answered: make(chan struct{})}
	all[reference] = q
	return q, true
}

// onceReader shares the answers of one repository. It asks its own questions
// before it waits for those of others, so no two of them wait for each other.
type onceReader struct {
	Reader
	asked *asked
}

// Resolve implements [Reader].
func (o *onceReader) Resolve(ctx context.Context, tags []string) []Answer[Descriptor] {
	return once(ctx, &o.asked.mu, o.asked.tags, tags, o.Reader.Resolve)
}

// Configs implements [Reader].
func (o *onceReader) Configs(ctx context.Context, digests []string) []Answer[[]byte] {
	return once(ctx, &o.asked.mu, o.asked.configs, digests, o.Reader.Configs)
}

func once[T any](ctx context.Context, mu *sync.Mutex, all map[string]*question[T], references []string,
	ask func(context.Context, []string) []Answer[T],
) []Answer[T] {
	questions := make([]*question[T], len(references))
	var own []*question[T]
	var open []string
	mu.Lock()
	for i, reference := range references {
		var first bool
		if questions[i], first = put(all, reference); first {
			own, open = append(own, questions[i]), append(open, reference)
		}
	}
	mu.Unlock()
	if len(open) > 0 {
		for i, answer := range ask(ctx, open) {
			conclude(ctx, mu, all, open[i], own[i], answer)
		}
	}
	answers := make([]Answer[T], len(references))
	var again []int
	for i, q := range questions {
		var repeat bool
		if answers[i], repeat = q.wait(ctx); repeat {
			again = append(again, i)
		}
	}
	if len(again) > 0 {
		for k, a := range once(ctx, mu, all, Pick(references, again), ask) {
			answers[again[k]] = a
		}
	}
	return answers
}

// Pick returns some of the references of a batch.
func Pick(all []string, at []int) []string {
	some := make([]string, len(at))
	for k, i := range at {
		some[k] = all[i]
	}
	return some
}

// Manifests implements [Reader]. Its answers also settle what the tags name. A
// tag that is known already is asked for by its digest.
func (o *onceReader) Manifests(ctx context.Context, references []string) []Answer[RawManifest] {
	var (
		questions = make([]*question[RawManifest], len(references))
		named     = make([]*question[Descriptor], len(references)) // of tags that are known
		open      []string
		own       []*question[RawManifest]
		tells     []*question[Descriptor] // nil for a digest
	)
	o.asked.mu.Lock()
	for i, reference := range references {
		if questions[i] = o.asked.manifests[reference]; questions[i] != nil {
			continue
		}
		var tag *question[Descriptor]
		if !config.IsDigest(reference) {
			var first bool
			if tag, first = put(o.asked.tags, reference); !first {
				named[i] = tag
				continue
			}
		}
		questions[i], _ = put(o.asked.manifests, reference)
		open, own, tells = append(open, reference), append(own, questions[i]), append(tells, tag)
	}
	o.asked.mu.Unlock()
	if len(open) > 0 {
		for i, a := range o.Reader.Manifests(ctx, open) {
			conclude(ctx, &o.asked.mu, o.asked.manifests, open[i], own[i], a)
			if m := a.Value; tells[i] != nil {
				conclude(ctx, &o.asked.mu, o.asked.tags, open[i], tells[i],
					Answer[Descriptor]{Descriptor{Digest: m.Digest, MediaType: m.MediaType, Size: int64(len(m.Body))}, a.Err})
			}
		}
	}

	answers := make([]Answer[RawManifest], len(references))
	var at, again []int
	var digests []string
	for i := range references {
		var repeat bool
		if questions[i] != nil {
			answers[i], repeat = questions[i].wait(ctx)
		} else {
			var now Answer[Descriptor]
			now, repeat = named[i].wait(ctx)
			if answers[i].Err = now.Err; now.Err == nil {
				at, digests = append(at, i), append(digests, now.Value.Digest)
			}
		}
		if repeat {
			again = append(again, i)
		}
	}
	if len(again) > 0 {
		for k, a := range o.Manifests(ctx, Pick(references, again)) {
			answers[again[k]] = a
		}
	}
	if len(digests) == 0 {
		return answers
	}
	for k, a := range o.Manifests(ctx, digests) {
		if i := at[k]; errors.Is(a.Err, ErrNotFound) { // the tag has just moved
			answers[i] = o.Reader.Manifests(ctx, references[i:i+1])[0]
		} else {
			answers[i] = a
		}
	}
	return answers
}
