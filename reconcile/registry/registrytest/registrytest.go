// Package registrytest says what [registry.Reader] and [registry.Writer]
// promise, as tests that run on every backend ([Test]), and has a registry made
// of maps for tests that need no real one ([Memory]).
package registrytest

import (
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
)

// Backend is a registry, and in what it differs from others. The zero value of
// a difference is what most registries do.
type Backend struct {
	Host string
	// Open begins a run: it has what reads the given repositories, and what
	// writes. It closes what it opened at the end of the test.
	Open func(t *testing.T, repositories ...config.Repository) (registry.Readers, registry.Writers)
	// Seed pushes blobs before manifests, and children before their index,
	// without the code under test. The tag is for the last one.
	Seed func(t *testing.T, repository config.Repository, tag string, objects ...demo.Object)
	// Create makes an empty repository. It is nil where a push does that.
	Create func(t *testing.T, repository config.Repository)
	// Requests counts what has reached the registry. It is nil where nothing
	// counts.
	Requests func() int
	// Many is a number of images whose tags take more than one page. It is 25
	// if zero.
	Many int

	Lists          bool // it has an inventory
	LastTag        bool // it deletes a manifest with its last tag
	Untyped        bool // it need not say the media types of what it lists
	KeepsTags      bool // it deletes by digest alone
	KeepsChildren  bool // it deletes no manifest that an index lists
	Cascades       bool // it deletes with a manifest its referrers, and what only that listed
	TakesReferrers bool // it deletes with a manifest its referrers, and nothing else
	Protects       bool // it deletes no manifest that has a tag which may not go with it
	KeepsLast      bool // it does not delete the last manifest that has a tag
	NeedsTags      bool // a repository without tags has no list of tags, as if it were missing
	ListsNone      bool // a missing repository has an empty list of tags
	FallbackTags   bool // it has no referrers API
	PlatformsAlone bool // a config may come as its platform alone, as from a cache
}

// Test runs the whole contract on a backend. Every test that writes has a
// repository of its own, in which [sample] was pushed; the others share one.
func Test(t *testing.T, b Backend) {
	if b.Many == 0 {
		b.Many = 25
	}
	type test struct {
		name string
		run  func(*testing.T, *trial)
	}
	shared := newTrial(t, b, "contract/shared")
	for _, test := range []test{
		{"resolve", resolve},
		{"manifests", manifests},
		{"configs", configs},
		{"blobs", blobs},
		{"tags", tags},
		{"referrers", referrers},
		{"inventory", inventory},
		{"facts", facts},
		{"many", many},
		{"empty batches", emptyBatches},
		{"missing repository", missingRepository},
		{"interrupted reads", interruptedReads},
		{"concurrent reads", concurrentReads},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := *shared
			x.reader, x.writer = x.open(t, x.repository)
			test.run(t, &x)
		})
	}
	for _, test := range []test{
		{"writers read past what is remembered", readsAnew},
		{"put", put},
		{"put by digest", putByDigest},
		{"put of an orphan", putOrphan},
		{"delete tags", deleteTags},
		{"delete the last tag", deleteLastTag},
		{"delete manifests", deleteManifests},
		{"delete what has another tag", protectedManifests},
		{"delete what an index lists", deleteChild},
		{"copy", copies},
		{"interrupted writes", interruptedWrites},
		{"concurrent writes", concurrentWrites},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := newTrial(t, b, "contract/"+strings.ReplaceAll(test.name, " ", "-"))
			x.reader, x.writer = x.open(t, x.repository)
			test.run(t, x)
		})
	}
}

// trial is one test of a backend.
type trial struct {
	Backend
	*pushed
	repository config.Repository
	reader     registry.Reader
	writer     registry.Writer
}

// newTrial pushes the sample to a repository.
func newTrial(t *testing.T, b Backend, path string) *trial {
	t.Helper()
	x := &trial{Backend: b, pushed: sample.build(t), repository: config.Repository{Host: b.Host, Path: path}}
	x.seed(t, x.repository)
	return x
}

// open begins another run, which remembers nothing of the first.
func (x *trial) open(t *testing.T, repository config.Repository) (registry.Reader, registry.Writer) {
	t.Helper()
	readers, writers := x.Open(t, repository)
	return readers.Reader(repository), writers.Writer(repository)
}

// seed pushes the sample.
func (x *trial) seed(t *testing.T, repository config.Repository) {
	t.Helper()
	last := x.digests[x.objects[len(x.objects)-1].Digest.String()]
	for tag, name := range x.tags {
		if name == last {
			x.Seed(t, repository, tag, x.objects...)
		}
	}
	for tag, name := range x.tags {
		if name != last {
			x.Seed(t, repository, tag, x.object(name))
		}
	}
}

// typed reports whether a media type is right, or missing where it may be.
func (x *trial) typed(got, want string) bool { return got == want || x.Untyped && got == "" }

// requests counts what the registry is asked from now on.
func (x *trial) requests() (since func() int) {
	if x.Requests == nil {
		return func() int { return 0 }
	}
	before := x.Requests()
	return func() int { return x.Requests() - before }
}
