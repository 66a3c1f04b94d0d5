// Package cache remembers between runs what a registry can't change: manifests
// by their digest, and the platforms that image configs name. What a tag names
// now is always asked; the digest it named last is a hint that lets a HEAD tell
// what would take a GET.
//
// A cache is a folder that concurrent runs may share. Everything read from it
// is verified, everything written to it appears in one step, and whatever is
// wrong with it costs requests and a warning, never a run.
package cache

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
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

// DefaultLimit is how much disk a cache may take up, in bytes: room for half a
// million manifests.
const DefaultLimit = 512 << 20

// Open uses the folder dir, which is made with the first entry. Limit bounds
// the disk that it takes up. warn is told the first thing that goes wrong, and
// nothing after it. Close the cache at the end of the run.
func Open(dir string, limit int64, warn func(error)) *Cache {
	return &Cache{disk: &disk{dir: dir, limit: limit, warn: warn}}
}

// Release writes what was learned of the repositories that an image reads, and
// lets go of their content. It is for the end of the observation; an image that
// shares one of them with another goes on with the file.
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

// Close releases everything, and keeps the folder within its limit.
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
	Hits   int64 // that the folder had
	Misses int64 // that a registry was asked for
}

// Stats may be called at any time.
func (c *Cache) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	return Stats{c.hits.Load(), c.misses.Load()}
}

// Readers reads through the cache. The images are those of the run: a digest
// that one of them names itself is always asked for, since a manifest that was
// there yesterday may be gone. Every other digest comes from a tag or an index
// of the same repository, and what is cached for one repository is never served
// for another one, so that a run sees nothing that its credentials would not
// show it.
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

// reader is a Reader that asks for manifests and configs only if it must.
type reader struct {
	registry.Reader
	cache *Cache
	shelf *shelf
	named map[string]bool // digests of this repository
}

// Manifests asks for a tag without a hint by GET, and for one with a hint by
// whatever Resolve costs.
func (r *reader) Manifests(ctx context.Context, references []string) []registry.Answer[registry.RawManifest] {
	answers := make([]registry.Answer[registry.RawManifest], len(references))
	hints := make([]string, len(references))
	var fetch, resolve []int
	for i, reference := range references {
		var hinted bool
		switch hints[i], hinted = r.shelf.tag(reference); {
		case hinted:
			resolve = append(resolve, i)
		case isDigest(reference) && !r.named[reference] && r.recall(reference, &answers[i]):
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
		if now := answers[i]; !isDigest(reference) && now.Err == nil && hints[i] != now.Value.Digest {
			learned.Tags[reference] = now.Value.Digest
		}
	}
	r.shelf.keep(learned)
	return answers
}

// resolve asks what tags name now, and fetches what the cache does not have of
// it. The manifest of a tag that moves just then is asked for by the tag.
func (r *reader) resolve(ctx context.Context, tags []string, at []int, answers []registry.Answer[registry.RawManifest]) {
	named := r.Resolve(ctx, pick(tags, at))
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

// recall takes a manifest from the cache, if it is there.
func (r *reader) recall(digest string, answer *registry.Answer[registry.RawManifest]) bool {
	manifest, ok := r.shelf.manifest(digest)
	if ok {
		r.cache.hits.Add(1)
		*answer = registry.Answer[registry.RawManifest]{Value: manifest}
	}
	return ok
}

// fetch asks the registry, and keeps what it gets.
func (r *reader) fetch(ctx context.Context, references []string, at []int, answers []registry.Answer[registry.RawManifest]) {
	if len(at) == 0 {
		return
	}
	r.cache.misses.Add(int64(len(at)))
	learned := newBook()
	got := r.Reader.Manifests(ctx, pick(references, at))
	for k, i := range at {
		if answers[i] = got[k]; got[k].Err == nil {
			learned.Manifests[got[k].Value.Digest] = manifest{got[k].Value.MediaType, got[k].Value.Body}
		}
	}
	r.shelf.keep(learned)
}

// Configs serves the part of a config that tells the platform, and keeps no
// more of it: the rest is large and may hold secrets.
func (r *reader) Configs(ctx context.Context, digests []string) []registry.Answer[[]byte] {
	answers := make([]registry.Answer[[]byte], len(digests))
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
	got := r.Reader.Configs(ctx, pick(digests, fetch))
	for k, i := range fetch {
		var platform ocispec.Platform
		if answers[i] = got[k]; got[k].Err == nil && json.Unmarshal(got[k].Value, &platform) == nil {
			platform.OSFeatures = nil // nobody asks for them
			learned.Platforms[digests[i]] = platform
		}
	}
	r.shelf.keep(learned)
	return answers
}

// Remember keeps platforms that an alias has told.
func (r *reader) Remember(platforms map[string]config.Platform) {
	learned := newBook()
	for digest, p := range platforms {
		learned.Platforms[digest] = ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}
	}
	r.shelf.keep(learned)
}

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

func pick(all []string, at []int) []string {
	some := make([]string, len(at))
	for k, i := range at {
		some[k] = all[i]
	}
	return some
}

// A tag has no colon.
func isDigest(reference string) bool { return strings.Contains(reference, ":") }
