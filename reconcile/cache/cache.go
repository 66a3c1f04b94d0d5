// Package cache remembers between runs what a registry can't change: manifests
// by digest, and the platforms in image configs. It always asks what a tag names
// now, but with the digest that the tag named last, a HEAD is enough where a GET
// would be needed. It also keeps what runs note for later ones, such as since when
// a manifest has been waiting for its deletion.
//
// A cache is a folder that concurrent runs may share. All that is read from it
// is verified, and all that is written to it appears in one step. A broken cache
// costs a warning, requests and what runs noted, never a run. Without what they
// noted, grace counts from the push of a manifest, and what a killed run has left
// missing stays missing.
package cache

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Cache is one run's use of a folder. A nil Cache keeps nothing.
type Cache struct {
	disk         *disk
	shelves      sync.Map // config.Repository -> *shelf
	hits, misses atomic.Int64
}

// DefaultLimit is how large a cache may grow on disk, in bytes: enough for half a
// million manifests.
const DefaultLimit = 512 << 20

// Open uses the folder dir, which the first entry creates. limit bounds its size
// on disk, in bytes. warn gets the first problem and no other. Close the cache at
// the end of the run.
func Open(dir string, limit int64, warn func(error)) *Cache {
	return &Cache{disk: &disk{dir: dir, limit: limit, warn: warn}}
}

// Release writes what was learned of an image's repositories, and frees their
// content. Call it once the image has been observed. Another image that shares a
// repository reads the file again.
func (c *Cache) Release(image config.Image) {
	if c == nil {
		return
	}
	c.shelf(image.Repository).release()
	for _, alias := range image.Aliases {
		for _, s := range alias.Sources {
			if s.Repository != image.Repository {
				c.shelf(s.Repository).release()
			}
		}
	}
}

// Close releases everything and keeps the folder within its limit.
func (c *Cache) Close() {
	if c == nil {
		return
	}
	c.shelves.Range(func(_, s any) bool {
		s.(*shelf).release()
		return true
	})
	c.disk.close()
}

func (c *Cache) shelf(repository config.Repository) *shelf {
	s, ok := c.shelves.Load(repository)
	if !ok {
		s, _ = c.shelves.LoadOrStore(repository, &shelf{disk: c.disk, name: fileName(repository.String())})
	}
	return s.(*shelf)
}

// Stats count manifests and platforms since [Open].
type Stats struct {
	Hits   int64 // found in the folder
	Misses int64 // asked of a registry
}

// Stats returns the counts so far.
func (c *Cache) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	return Stats{c.hits.Load(), c.misses.Load()}
}

// Readers reads through the cache, for a run of the given images. A digest that
// images.yaml names is always asked for, since that manifest may be gone. Every
// other digest comes from a tag or an index of the same repository. What is
// cached for one repository is never served for another, so a run sees nothing
// that its credentials would not show.
func (c *Cache) Readers(readers registry.Readers, images []config.Image) registry.Readers {
	if c == nil {
		return readers
	}
	named := map[config.Repository]map[string]bool{}
	for _, image := range images {
		for _, alias := range image.Aliases {
			for _, s := range alias.Sources {
				if s.Digest == "" {
					continue
				}
				if named[s.Repository] == nil {
					named[s.Repository] = map[string]bool{}
				}
				named[s.Repository][s.Digest] = true
			}
		}
	}
	return &cachedReaders{c, readers, named}
}

type cachedReaders struct {
	cache   *Cache
	readers registry.Readers
	named   map[config.Repository]map[string]bool
}

func (c *cachedReaders) Reader(repository config.Repository) registry.Reader {
	return &reader{
		Reader: c.readers.Reader(repository), cache: c.cache,
		shelf: c.cache.shelf(repository), named: c.named[repository],
	}
}

// reader asks for manifests and configs only if the cache lacks them. It is its own
// memory.
type reader struct {
	registry.Reader
	cache *Cache
	shelf *shelf
	named map[string]bool // digests of this repository
}

// Memory implements [registry.Reader].
func (r *reader) Memory() registry.Memory { return r }

// Manifests asks for a tag by GET, or by Resolve if the cache knows which digest
// it named last.
func (r *reader) Manifests(ctx context.Context, references []string) []registry.Answer[registry.RawManifest] {
	answers := make([]registry.Answer[registry.RawManifest], len(references))
	if interrupted(ctx, answers) {
		return answers
	}
	hints := make([]string, len(references))
	var fetch, resolve []int
	for i, reference := range references {
		var hinted bool
		switch hints[i], hinted = r.shelf.tag(reference); {
		case hinted:
			resolve = append(resolve, i)
		case config.IsDigest(reference) && !r.named[reference] && r.recall(reference, &answers[i]):
		default:
			fetch = append(fetch, i)
		}
	}
	var wg sync.WaitGroup
	if len(fetch) > 0 {
		wg.Go(func() { r.fetch(ctx, references, fetch, answers) })
	}
	if len(resolve) > 0 {
		wg.Go(func() { r.resolve(ctx, references, resolve, answers) })
	}
	wg.Wait()

	learned := newBook()
	for i, reference := range references {
		if now := answers[i]; !config.IsDigest(reference) && now.Err == nil && hints[i] != now.Value.Digest {
			learned.Tags[reference] = now.Value.Digest
		}
	}
	r.shelf.keep(learned)
	return answers
}

// resolve asks what tags name now, and fetches the manifests that the cache
// lacks. If a tag moves meanwhile, its manifest is fetched by tag.
func (r *reader) resolve(ctx context.Context, tags []string, at []int, answers []registry.Answer[registry.RawManifest]) {
	named := r.Resolve(ctx, registry.Pick(tags, at))
	digests := make([]string, len(tags))
	var missing, moved []int
	for k, i := range at {
		digests[i] = named[k].Value.Digest
		switch {
		case named[k].Err != nil:
			answers[i].Err = named[k].Err
		case !r.recall(digests[i], &answers[i]):
			missing = append(missing, i)
		}
	}
	r.fetch(ctx, digests, missing, answers)
	for _, i := range missing {
		if errors.Is(answers[i].Err, registry.ErrNotFound) {
			moved = append(moved, i)
		}
	}
	r.fetch(ctx, tags, moved, answers)
}

// recall takes a manifest from the cache, and reports whether it was there.
func (r *reader) recall(digest string, answer *registry.Answer[registry.RawManifest]) bool {
	manifest, ok := r.shelf.manifest(digest)
	if ok {
		r.cache.hits.Add(1)
		*answer = registry.Answer[registry.RawManifest]{Value: manifest}
	}
	return ok
}

// fetch asks the registry, and keeps the answers.
func (r *reader) fetch(ctx context.Context, references []string, at []int, answers []registry.Answer[registry.RawManifest]) {
	if len(at) == 0 {
		return
	}
	r.cache.misses.Add(int64(len(at)))
	learned := newBook()
	got := r.Reader.Manifests(ctx, registry.Pick(references, at))
	for k, i := range at {
		if answers[i] = got[k]; got[k].Err == nil {
			learned.Manifests[got[k].Value.Digest] = manifest{got[k].Value.MediaType, got[k].Value.Body}
		}
	}
	r.shelf.keep(learned)
}

// Configs returns the part of a config that names the platform. The cache keeps
// no more: the rest is large and may hold secrets.
func (r *reader) Configs(ctx context.Context, digests []string) []registry.Answer[[]byte] {
	answers := make([]registry.Answer[[]byte], len(digests))
	if interrupted(ctx, answers) {
		return answers
	}
	var fetch []int
	for i, digest := range digests {
		var ok bool
		if answers[i].Value, ok = r.Remembered(digest); !ok {
			fetch = append(fetch, i)
		}
	}
	if len(fetch) == 0 {
		return answers
	}
	r.cache.misses.Add(int64(len(fetch)))
	learned := newBook()
	got := r.Reader.Configs(ctx, registry.Pick(digests, fetch))
	for k, i := range fetch {
		var platform ocispec.Platform
		if answers[i] = got[k]; got[k].Err == nil && json.Unmarshal(got[k].Value, &platform) == nil {
			platform.OSFeatures = nil // not used
			learned.Platforms[digests[i]] = platform
		}
	}
	r.shelf.keep(learned)
	return answers
}

// interrupted answers every question with the error of a context that has ended.
func interrupted[T any](ctx context.Context, answers []registry.Answer[T]) bool {
	for i := range answers {
		answers[i].Err = ctx.Err()
	}
	return ctx.Err() != nil
}

// Remember keeps platforms that an alias has told.
func (r *reader) Remember(platforms map[string]config.Platform) {
	learned := newBook()
	for digest, p := range platforms {
		learned.Platforms[digest] = ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}
	}
	r.shelf.keep(learned)
}

// Recall returns a manifest without asking whether the registry still has it.
func (r *reader) Recall(digest string) (registry.RawManifest, bool) { return r.shelf.manifest(digest) }

// Remembered is what Configs serves without asking.
func (r *reader) Remembered(digest string) ([]byte, bool) {
	platform, ok := r.shelf.platform(digest)
	if !ok {
		return nil, false
	}
	config, err := json.Marshal(platform)
	if err != nil {
		return nil, false
	}
	r.cache.hits.Add(1)
	return config, true
}

// Record implements [registry.Memory].
func (r *reader) Record() registry.Record { return r.shelf.record() }

// Note implements [registry.Memory].
func (r *reader) Note(change func(registry.Record)) { r.shelf.note(change) }
