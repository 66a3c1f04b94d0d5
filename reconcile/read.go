package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/reconcile/registry"
)

// settle reads what a function asks of its view, and calls it again with the
// answers, until it asks for nothing new.
func (s *State) settle(ctx context.Context, readers registry.Readers, home config.Repository, decide func(*view)) {
	for {
		v := newView(s, home)
		decide(v)
		if v.open.empty() {
			return
		}
		s.read(ctx, readers, v.open)
	}
}

// read answers the questions, all at once.
func (s *State) read(ctx context.Context, readers registry.Readers, q questions) {
	r := reading{ctx: ctx, readers: readers}
	if len(q.inventories) > 0 { // an inventory answers most of the rest
		q = questions{inventories: q.inventories}
	}
	first := false // where a list answers for tags, it is read before them
	for repository := range q.lists {
		first = first || s.cheap[repository]
		r.wg.Go(func() {
			tags, err := readers.Reader(repository).Tags(ctx)
			r.mu.Lock()
			defer r.mu.Unlock()
			s.lists[repository] = registry.Answer[[]listed]{Value: parseTags(tags, config.ParseVersion), Err: err}
		})
	}
	if first {
		r.wg.Wait()
	}
	read(&r, q.tags, s.tags, registry.Reader.Resolve, func(_ registry.Reader, _ place, d registry.Descriptor) (registry.Descriptor, error) { return d, nil })
	read(&r, q.manifests, s.manifests, registry.Reader.Manifests, s.parseManifest)
	read(&r, q.recalled, s.recalled, func(of registry.Reader, _ context.Context, digests []string) []registry.Answer[registry.RawManifest] {
		return recall(of, digests)
	}, func(_ registry.Reader, _ place, raw registry.RawManifest) (registry.RawManifest, error) {
		return raw, nil
	})
	read(&r, q.configs, s.platforms, registry.Reader.Configs, parseConfig)
	read(&r, q.referrers, s.referrers, func(of registry.Reader, ctx context.Context, digests []string) []registry.Answer[[]registry.Descriptor] {
		return referrers(ctx, of, digests)
	}, func(_ registry.Reader, _ place, found []registry.Descriptor) ([]registry.Descriptor, error) {
		return found, nil
	})
	for repository := range q.facts {
		r.wg.Go(func() {
			facts, err := readers.Reader(repository).Facts(ctx)
			r.mu.Lock()
			defer r.mu.Unlock()
			s.facts[repository] = registry.Answer[registry.Facts]{Value: facts, Err: err}
		})
	}
	for repository := range q.inventories {
		r.wg.Go(func() {
			all, err := readers.Reader(repository).Inventory(ctx)
			r.mu.Lock()
			defer r.mu.Unlock()
			s.inventories[repository] = registry.Answer[stock]{Value: stock{all, time.Now()}, Err: err}
		})
	}
	r.wg.Wait()
	s.doubtLists()
}

// doubtLists takes a list of tags that does not exist for one that could not be
// read where the repository has answered for a tag or a digest: then it exists,
// and its list is not empty.
func (s *State) doubtLists() {
	doubt := func(at place, err error) {
		list := s.lists[at.repository]
		if err == nil && errors.Is(list.Err, registry.ErrNotFound) {
			list.Err = fmt.Errorf("list of tags of %s: the registry says that there is no such repository, and answers for what is in it", at.repository)
			s.lists[at.repository] = list
		}
	}
	for at, answer := range s.tags {
		doubt(at, answer.Err)
	}
	for at, answer := range s.manifests {
		doubt(at, answer.Err)
	}
}

// reading is one round of questions under way.
type reading struct {
	ctx     context.Context // of this one call to State.read
	readers registry.Readers
	mu      sync.Mutex // guards the maps of the State
	wg      sync.WaitGroup
}

// read asks the questions of one kind, a batch a repository, and keeps the parsed
// answers.
func read[A, T any](r *reading, open map[place]bool, answers map[place]registry.Answer[T],
	ask func(registry.Reader, context.Context, []string) []registry.Answer[A], parse func(from registry.Reader, at place, a A) (T, error),
) {
	for repository, references := range byRepository(open) {
		r.wg.Go(func() {
			reader := r.readers.Reader(repository)
			got := ask(reader, r.ctx, references)
			r.mu.Lock()
			defer r.mu.Unlock()
			for i, reference := range references {
				at, parsed := place{repository, reference}, registry.Answer[T]{Err: got[i].Err}
				if parsed.Err == nil {
					parsed.Value, parsed.Err = parse(reader, at, got[i].Value)
				}
				answers[at] = parsed
			}
		})
	}
}

// recall asks a cache alone.
func recall(of registry.Reader, digests []string) []registry.Answer[registry.RawManifest] {
	answers := make([]registry.Answer[registry.RawManifest], len(digests))
	for i, digest := range digests {
		var ok bool
		if answers[i].Value, ok = of.Memory().Recall(digest); !ok {
			answers[i].Err = registry.ErrNotFound
		}
	}
	return answers
}

// referrersAtOnce bounds the requests for referrers, one a digest. Each host has
// its own bound as well.
const referrersAtOnce = 16

func referrers(ctx context.Context, of registry.Reader, digests []string) []registry.Answer[[]registry.Descriptor] {
	answers := make([]registry.Answer[[]registry.Descriptor], len(digests))
	var g errgroup.Group
	g.SetLimit(referrersAtOnce)
	for i, digest := range digests {
		g.Go(func() error {
			answers[i].Value, answers[i].Err = of.Referrers(ctx, digest)
			return nil
		})
	}
	_ = g.Wait() // every error is in its place
	return answers
}

// parseManifest parses a manifest. It notes the platform of an image if that
// costs no request.
func (s *State) parseManifest(from registry.Reader, at place, raw registry.RawManifest) (*registry.Manifest, error) {
	m, err := registry.ParseManifest(raw)
	if err != nil || !m.IsImage() {
		return m, err
	}
	image := place{at.repository, m.Config.Digest.String()}
	if blob, ok := from.Memory().Remembered(image.reference); ok {
		platform, err := parseConfig(from, image, blob)
		s.platforms[image] = registry.Answer[config.Platform]{Value: platform, Err: err}
	}
	return m, nil
}

// parseConfig reads the platform from an image's config blob (OCI image-spec 1.1,
// config.md: architecture and os are required). It is zero if there is none, as
// with some builders.
func parseConfig(_ registry.Reader, at place, blob []byte) (config.Platform, error) {
	var c ocispec.Platform
	if err := json.Unmarshal(blob, &c); err != nil {
		return config.Platform{}, fmt.Errorf("image config %s: %w", at.reference, &unreadConfig{err})
	}
	return registry.PlatformOf(&c), nil
}

// unreadConfig is the error of a blob that is no image's config.
type unreadConfig struct{ error }

func (e *unreadConfig) Unwrap() error { return e.error }

func byRepository(places map[place]bool) map[config.Repository][]string {
	batches := map[config.Repository][]string{}
	for p := range places {
		batches[p.repository] = append(batches[p.repository], p.reference)
	}
	for _, references := range batches {
		slices.Sort(references)
	}
	return batches
}
