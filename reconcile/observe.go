// Package reconcile makes a repository's alias tags what images.yaml says, in
// three steps: [Observe] is the only one that reads, [Diff] plans without
// touching anything, [Apply] is the only one that writes. Registries are
// behind [Reader] and [Writer]; what they hold is in a [State], what should be
// done in a [Plan], both plain data.
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

// State is what a registry holds, as far as one image needs to know it: the
// answers to the questions that the planner asked, each asked once. A tag or
// digest that certainly does not exist is an answer that wraps [ErrNotFound];
// every other error means that nobody knows.
type State struct {
	tags      map[place]registry.Answer[registry.Descriptor] // what tags of aliases name now, and by digest what is there
	manifests map[place]registry.Answer[*registry.Manifest]  // by tag or by digest
	platforms map[place]registry.Answer[config.Platform]     // by digest of the config blob
	facts     map[config.Repository]registry.Answer[registry.Facts]
	lists     map[config.Repository]registry.Answer[[]listed]
	cheap     map[config.Repository]bool // those of a [Reader] that is Listed
	deep      bool                       // what aliases list is asked for, too
	// For deletions, of the image's own repository:
	inventories map[config.Repository]registry.Answer[stock]
	referrers   map[place]registry.Answer[[]registry.Descriptor] // by digest of the subject
}

// stock is an inventory, and when it came by our own clock.
type stock struct {
	registry.Inventory
	seen time.Time
}

// place is a tag or a digest in a repository.
type place struct {
	repository config.Repository
	reference  string
}

// errUnknown is the answer to a question that nobody has put to a registry.
var errUnknown = errors.New("not observed")

// Observe reads what [Diff] needs to know to plan the image, and no more. It
// plans in rounds: whatever the planner still asks is read in one batch a
// repository, until it asks nothing.
//
// Failures to read are part of the state; they fail the aliases they concern.
func Observe(ctx context.Context, readers registry.Readers, image config.Image) *State {
	state := newState()
	state.settle(ctx, readers, image, func(p *planner) { p.plan() })
	return state
}

func newState() *State {
	return &State{
		tags:      map[place]registry.Answer[registry.Descriptor]{},
		manifests: map[place]registry.Answer[*registry.Manifest]{},
		platforms: map[place]registry.Answer[config.Platform]{},
		facts:     map[config.Repository]registry.Answer[registry.Facts]{},
		lists:     map[config.Repository]registry.Answer[[]listed]{},
		cheap:     map[config.Repository]bool{},

		inventories: map[config.Repository]registry.Answer[stock]{},
		referrers:   map[place]registry.Answer[[]registry.Descriptor]{},
	}
}

// settle reads whatever a planner asks for, until it asks for nothing new.
func (s *State) settle(ctx context.Context, readers registry.Readers, image config.Image, ask func(*planner)) {
	for _, alias := range image.Aliases {
		for _, source := range alias.Sources {
			s.cheap[source.Repository] = readers.Reader(source.Repository).Listed()
		}
	}
	for {
		p := newPlanner(image, s)
		ask(p)
		p.weigh()
		if p.open.empty() {
			remember(readers, p.told)
			return
		}
		s.read(ctx, readers, p.open)
	}
}

// remember spares the next run what aliases have told.
func remember(readers registry.Readers, told map[place]config.Platform) {
	platforms := map[config.Repository]map[string]config.Platform{}
	for of, platform := range told {
		if platforms[of.repository] == nil {
			platforms[of.repository] = map[string]config.Platform{}
		}
		platforms[of.repository][of.reference] = platform
	}
	for repository, of := range platforms {
		readers.Reader(repository).Remember(of)
	}
}

// questions are the places whose answers a planner misses.
type questions struct {
	tags, manifests, configs, referrers map[place]bool
	facts, lists, inventories           map[config.Repository]bool
}

func (q questions) empty() bool {
	return len(q.tags)+len(q.manifests)+len(q.configs)+len(q.referrers)+len(q.facts)+len(q.lists)+len(q.inventories) == 0
}

// read answers the questions, all at once.
func (s *State) read(ctx context.Context, readers registry.Readers, q questions) {
	r := reading{ctx: ctx, readers: readers}
	if len(q.inventories) > 0 { // they answer most of the rest, where there are any
		q = questions{inventories: q.inventories}
	}
	read(&r, q.tags, s.tags, registry.Reader.Resolve, func(_ registry.Reader, _ place, d registry.Descriptor) (registry.Descriptor, error) { return d, nil })
	read(&r, q.manifests, s.manifests, registry.Reader.Manifests, s.parseManifest)
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
	for repository := range q.lists {
		r.wg.Go(func() {
			tags, err := readers.Reader(repository).Tags(ctx)
			r.mu.Lock()
			defer r.mu.Unlock()
			s.lists[repository] = registry.Answer[[]listed]{Value: parseTags(tags), Err: err}
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
}

// reading is one round of questions under way.
type reading struct {
	ctx     context.Context // of this one call to State.read
	readers registry.Readers
	mu      sync.Mutex // guards the maps of the State
	wg      sync.WaitGroup
}

// read puts the questions of one kind, a batch a repository, and keeps what
// parse makes of the answers.
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

// referrersAtOnce bounds the requests for referrers, one a digest; a host has a
// bound of its own.
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

// parseManifest looks into a manifest, and notes the platform of an image where
// that costs nothing.
func (s *State) parseManifest(from registry.Reader, at place, raw registry.RawManifest) (*registry.Manifest, error) {
	m, err := registry.ParseManifest(raw)
	if err != nil || !m.IsImage() {
		return m, err
	}
	image := place{at.repository, m.Config.Digest.String()}
	if blob, ok := from.Remembered(image.reference); ok {
		platform, err := parseConfig(from, image, blob)
		s.platforms[image] = registry.Answer[config.Platform]{Value: platform, Err: err}
	}
	return m, nil
}

// parseConfig reads the platform out of an image's config blob (OCI
// image-spec 1.1, config.md: architecture and os are required). It is zero if
// there is none, as some builders leave it.
func parseConfig(_ registry.Reader, at place, blob []byte) (config.Platform, error) {
	var c ocispec.Platform
	if err := json.Unmarshal(blob, &c); err != nil {
		return config.Platform{}, fmt.Errorf("image config %s: %w", at.reference, err)
	}
	return registry.PlatformOf(&c), nil
}

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
