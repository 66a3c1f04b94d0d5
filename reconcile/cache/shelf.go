package cache

import (
	"encoding/gob"
	"errors"
	"io"
	"io/fs"
	"maps"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/registry"
)

// shelf is what the folder has of one repository. It is one file: a file for each
// manifest would cost more than the request that it saves. It is read when it is
// first needed, and written when it is released.
type shelf struct {
	disk *disk
	name string // of the file; no user's or registry's text ever becomes a path

	mu      sync.Mutex
	loaded  bool
	changed bool // used or noted has something that the file lacks
	used    book // in this run
	rest    book
	noted   registry.Record // by this run and those before it
	was     registry.Record // as the file had it
}

// book is the content of a shelf.
type book struct {
	Tags      map[string]string           // the digest that each named last
	Platforms map[string]ocispec.Platform // by digest of the config
	Manifests map[string]manifest         // by digest
	Waiting   map[string]time.Time        // since when each has been waiting for its deletion, by digest
	Leaving   []string                    // digests that tags are about to leave
	Versions  map[string]string           // the version tag that each had, by digest
}

type manifest struct {
	MediaType string
	Body      []byte
}

func newBook() book {
	return book{Tags: map[string]string{}, Platforms: map[string]ocispec.Platform{}, Manifests: map[string]manifest{}, Waiting: map[string]time.Time{}}
}

// size estimates the bytes of a book.
func (b book) size() int {
	const each = 150 // of a digest and what goes with it
	size := each * (len(b.Tags) + len(b.Platforms) + len(b.Manifests) + len(b.Waiting) + len(b.Leaving) + len(b.Versions))
	for _, m := range b.Manifests {
		size += len(m.Body)
	}
	return size
}

// add adds what is missing.
func (b book) add(other book) {
	add(b.Tags, other.Tags)
	add(b.Platforms, other.Platforms)
	add(b.Manifests, other.Manifests)
}

func add[V any](all, more map[string]V) {
	for key, value := range more {
		if _, ok := all[key]; !ok {
			all[key] = value
		}
	}
}

// tag returns the digest that a tag named last.
func (s *shelf) tag(tag string) (of string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	return take(s.used.Tags, &s.rest.Tags, tag)
}

// platform returns the platform in a config.
func (s *shelf) platform(config string) (ocispec.Platform, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	return take(s.used.Platforms, &s.rest.Platforms, config)
}

// manifest returns a manifest that was kept and is not damaged.
func (s *shelf) manifest(of string) (registry.RawManifest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	m, ok := take(s.used.Manifests, &s.rest.Manifests, of)
	if !ok {
		return registry.RawManifest{}, false
	}
	if digest.FromBytes(m.Body).String() != of {
		delete(s.used.Manifests, of)
		s.disk.trouble(errors.New("an entry is not the manifest " + of))
		return registry.RawManifest{}, false
	}
	return registry.RawManifest{Digest: of, MediaType: m.MediaType, Body: m.Body}, true
}

// take looks a key up, and marks it as used.
func take[V any](used map[string]V, rest *map[string]V, key string) (V, bool) {
	value, ok := used[key]
	if ok {
		return value, true
	}
	if value, ok = (*rest)[key]; ok {
		used[key] = value
		if delete(*rest, key); len(*rest) == 0 {
			*rest = map[string]V{} // an emptied map keeps its memory, and most runs use all that is there
		}
	}
	return value, ok
}

// keep adds what a registry answered, as far as it is new.
func (s *shelf) keep(learned book) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	for of, m := range learned.Manifests {
		if digest.FromBytes(m.Body).String() != of { // every reader should have refused it
			delete(learned.Manifests, of)
		}
	}
	maps.Copy(s.used.Tags, learned.Tags)
	maps.Copy(s.used.Platforms, learned.Platforms)
	maps.Copy(s.used.Manifests, learned.Manifests)
	s.changed = s.changed || len(learned.Tags)+len(learned.Platforms)+len(learned.Manifests) > 0
}

// release writes what is new, and frees the rest.
func (s *shelf) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed {
		s.disk.alone(s.write)
	}
	s.loaded, s.changed, s.used, s.rest, s.noted, s.was = false, false, book{}, book{}, registry.Record{}, registry.Record{}
}

func (s *shelf) load() {
	if s.loaded {
		return
	}
	s.loaded, s.used = true, newBook()
	s.rest, _ = s.read()
	s.noted, s.was = s.rest.record(), s.rest.record()
}

// read returns an empty book if there is no file, or a damaged one.
func (s *shelf) read() (b book, ok bool) {
	b = newBook()
	err := s.disk.read(s.name, func(content io.Reader) error { return gob.NewDecoder(content).Decode(&b) })
	if err == nil {
		return b, true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.disk.trouble(err)
	}
	return newBook(), false
}

// A shelf may hold a few times what a run uses: other runs read the same
// repository, and tags move back. Beyond that it forgets what was not used.
const (
	roomy    = 1 << 20
	perUsage = 4
)

// write writes the shelf, with what another run has written meanwhile. If two runs
// write at the same moment, which happens only without the lock, one loses what it
// learned and noted. That costs requests, and what it noted to wait may be
// deleted before its grace is over.
func (s *shelf) write() {
	now, ok := s.read()
	theirs := now.record()
	if !ok {
		theirs = s.was
	}
	all := newBook()
	for _, b := range []book{s.used, s.rest, now} {
		all.add(b)
	}
	if all.size() <= max(roomy, perUsage*s.used.size()) {
		s.used = all
	}
	s.used.setRecord(merged(s.was, s.noted, theirs))
	s.disk.write(s.name, func(content io.Writer) error { return gob.NewEncoder(content).Encode(s.used) })
}
