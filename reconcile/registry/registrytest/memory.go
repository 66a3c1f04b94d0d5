package registrytest

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
)

// Host is the host of the repositories that [Memory.Push] and [Memory.Put]
// write to.
const Host = "r.test"

// Memory is a registry made of maps, for tests that want thousands of them.
// What only a real registry can show is tested on real ones.
//
// Its fields may be changed while nothing is asked. While a test holds the lock,
// the registry does not answer.
type Memory struct {
	sync.Mutex
	Tags      map[string]string // "host/repository:tag" -> digest
	Manifests map[string]registry.RawManifest
	Blobs     map[string][]byte
	Pushed    map[string]time.Time // by digest
	Pulled    map[string]time.Time // last, by digest
	Facts     registry.Facts
	Now       time.Time // by the registry's clock; the machine's clock if zero
	Listed    bool      // it lists manifests, as Amazon ECR does, and keeps what an index lists

	Untyped bool // it does not say the media type of what it lists or resolves, as GitHub

	// Cascades: with a manifest go its referrers, and what only it lists and no tag
	// names, as on Harbor.
	Cascades bool

	// Drops: a tag that moves or is deleted takes its manifest with it, unless
	// another tag names that, also if an index lists it. zot does so.
	Drops   bool
	Dropped []string // digests, in order

	// Broken has the errors of what fails: by tag or digest, "PUT tag", "DELETE
	// tag", "DELETE digest", and "tags", "inventory", "referrers" and "facts".
	Broken   map[string]error
	Archived string // a digest
	Hidden   string // a tag that exists and that no list has
	Ghost    string // a tag that every list has, and that names what tag 4 names there

	// placed says in which repositories a digest is. One that it lacks, because
	// a test has put it into a map by hand, is in all of them.
	placed map[string]map[config.Repository]bool

	// references are those of each body: tests ask for them again and again.
	references map[string]References

	Asked   []string // every question, in order: "repository reference"
	Puts    []string // "tag digest"
	Deleted []string // digests of manifests, in order
}

// NewMemory returns an empty registry.
func NewMemory() *Memory {
	return &Memory{
		Tags: map[string]string{}, Manifests: map[string]registry.RawManifest{},
		Blobs: map[string][]byte{}, Broken: map[string]error{}, Pushed: map[string]time.Time{}, Pulled: map[string]time.Time{},
	}
}

// Push puts images into a repository of [Host] and returns the digest of each
// tag.
func (m *Memory) Push(t testing.TB, repository string, images ...demo.Image) map[string]string {
	t.Helper()
	digests := map[string]string{}
	made := map[string][]demo.Object{} // thousands of tags may have one content
	for _, image := range images {
		content := image
		content.Version, content.Tag = cmp.Or(image.Version, image.Tag), ""
		key := fmt.Sprintf("%#v", content)
		objects, ok := made[key]
		if !ok {
			var err error
			if objects, err = image.Objects(); err != nil {
				t.Fatal(err)
			}
			made[key] = objects
		}
		m.Seed(config.Repository{Host: Host, Path: repository}, image.Tag, objects...)
		digests[image.Tag] = objects[len(objects)-1].Digest.String()
	}
	return digests
}

// Seed puts objects into a repository, and the last one under a tag.
func (m *Memory) Seed(repository config.Repository, tag string, objects ...demo.Object) {
	for _, o := range objects {
		d := o.Digest.String()
		if registry.KnownType(o.MediaType) {
			m.Manifests[d] = registry.RawManifest{Digest: d, MediaType: o.MediaType, Body: o.Body}
		} else {
			m.Blobs[d] = o.Body
		}
		m.place(repository, d)
		m.Tags[repository.String()+":"+tag] = d // the last one's
	}
}

// Asks counts the questions about a reference.
func (m *Memory) Asks(reference string) int {
	m.Lock()
	defer m.Unlock()
	n := 0
	for _, question := range m.Asked {
		if strings.HasSuffix(question, " "+reference) {
			n++
		}
	}
	return n
}

// Reader implements [registry.Readers].
func (m *Memory) Reader(r config.Repository) registry.Reader { return view{store: m, repository: r} }

// Writer implements [registry.Writers].
func (m *Memory) Writer(r config.Repository) registry.Writer { return view{store: m, repository: r} }

// place notes that a repository has a manifest or a blob.
func (m *Memory) place(r config.Repository, digest string) {
	if m.placed == nil {
		m.placed = map[string]map[config.Repository]bool{}
	}
	if m.placed[digest] == nil {
		m.placed[digest] = map[config.Repository]bool{}
	}
	m.placed[digest][r] = true
}

func (m *Memory) isIn(r config.Repository, digest string) bool {
	return m.placed[digest] == nil || m.placed[digest][r]
}

// References are what a manifest says of others.
type References struct {
	Manifests    []struct{ Digest string }
	Config       struct{ Digest string }
	Layers       []struct{ Digest string }
	Subject      *struct{ Digest string }
	ArtifactType string
}

// References reads a manifest. One that is not there has none.
func (m *Memory) References(digest string) References {
	body := m.Manifests[digest].Body
	r, known := m.references[string(body)]
	if !known {
		_ = json.Unmarshal(body, &r)
		if m.references == nil {
			m.references = map[string]References{}
		}
		m.references[string(body)] = r
	}
	return r
}

// store is a Memory as a view embeds it, which has a method of that name.
type store = Memory

// view is one repository of a Memory.
type view struct {
	*store
	registry.NoMemory
	repository config.Repository
}

// held are the manifests of this repository.
func (v view) held(yield func(string, registry.RawManifest) bool) {
	for digest, m := range v.store.Manifests {
		if v.isIn(v.repository, digest) && !yield(digest, m) {
			return
		}
	}
}

// named are the tags of this repository and their digests.
func (v view) named(yield func(tag, digest string) bool) {
	for name, digest := range v.store.Tags {
		if tag, ok := strings.CutPrefix(name, v.repository.String()+":"); ok && !yield(tag, digest) {
			return
		}
	}
}

func digestOf(body []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(body)) }

// keepsChildren: GitHub, which has no untagging, lists manifests and keeps none.
func (m *Memory) keepsChildren() bool { return m.Listed && !m.Facts.NoUntag }
