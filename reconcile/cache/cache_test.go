package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile/registry"
)

const imageType = "application/vnd.oci.image.manifest.v1+json"

// fake answers for every repository, and notes what it was asked.
type fake struct {
	mu    sync.Mutex
	tags  map[string]string // tag -> body
	gone  map[string]bool   // digests
	asked []string
}

// view is a repository of a fake.
type view struct {
	*fake
	unasked
}

// unasked are the questions that no test asks.
type unasked struct{ registry.Reader }

func (r *fake) Reader(config.Repository) registry.Reader { return view{fake: r} }

func (r *fake) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, fmt.Sprintf(format, args...))
}

// was returns what was asked since the last call.
func (r *fake) was() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.asked)
	asked := strings.Join(r.asked, ", ")
	r.asked = nil
	return asked
}

func (r *fake) Resolve(_ context.Context, tags []string) []registry.Answer[registry.Descriptor] {
	answers := make([]registry.Answer[registry.Descriptor], len(tags))
	for i, tag := range tags {
		r.note("HEAD %s", tag)
		if body, ok := r.tags[tag]; ok {
			answers[i].Value = registry.Descriptor{Digest: digest.FromString(body).String()}
		} else {
			answers[i].Err = registry.ErrNotFound
		}
	}
	return answers
}

func (r *fake) Manifests(_ context.Context, references []string) []registry.Answer[registry.RawManifest] {
	answers := make([]registry.Answer[registry.RawManifest], len(references))
	for i, reference := range references {
		what := "tag"
		answers[i].Err = registry.ErrNotFound
		for tag, body := range r.tags {
			d := digest.FromString(body).String()
			if reference == d {
				what = "digest of " + tag
			}
			if reference == tag || reference == d && !r.gone[d] {
				answers[i] = registry.Answer[registry.RawManifest]{Value: registry.RawManifest{Digest: d, MediaType: imageType, Body: []byte(body)}}
			}
		}
		if what == "tag" {
			what = reference
		}
		r.note("GET %s", what)
	}
	return answers
}

func (r *fake) Configs(_ context.Context, digests []string) []registry.Answer[[]byte] {
	answers := make([]registry.Answer[[]byte], len(digests))
	for i, d := range digests {
		r.note("GET config %s", d)
		answers[i].Value = []byte(`{"os":"linux","architecture":"arm64","variant":"v8","config":{"Env":["PASSWORD=secret"]}}`)
	}
	return answers
}

var app, other = config.Repository{Host: "r.test", Path: "app"}, config.Repository{Host: "r.test", Path: "other"}

// run is one run's reader, and how it was warned.
type run struct {
	registry.Reader
	cache    *Cache
	readers  registry.Readers
	warnings []error
}

func start(t *testing.T, dir string, r *fake, images ...config.Image) *run {
	t.Helper()
	var run run
	run.cache = Open(dir, DefaultLimit, func(err error) { run.warnings = append(run.warnings, err) })
	t.Cleanup(run.cache.Close)
	run.readers = run.cache.Readers(r, images)
	run.Reader = run.readers.Reader(app)
	return &run
}

func (r *run) manifest(t *testing.T, reference string) string {
	t.Helper()
	a := r.Manifests(t.Context(), []string{reference})[0]
	if a.Err != nil {
		t.Fatalf("%s: %v", reference, a.Err)
	}
	if got := digest.FromBytes(a.Value.Body).String(); got != a.Value.Digest || a.Value.MediaType != imageType {
		t.Fatalf("%s: %s of type %q came as %s", reference, got, a.Value.MediaType, a.Value.Digest)
	}
	return string(a.Value.Body)
}

// once is a whole run that asks for one manifest.
func once(t *testing.T, dir string, r *fake, reference string) string {
	t.Helper()
	run := start(t, dir, r)
	defer run.cache.Close()
	return run.manifest(t, reference)
}

func (r *fake) want(t *testing.T, want string) {
	t.Helper()
	if got := r.was(); got != want {
		t.Errorf("the registry was asked %q, not %q", got, want)
	}
}

func TestTagsAreAskedAndDigestsAreNot(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one", "2": "two"}}
	once(t, dir, r, "1")
	r.want(t, "GET 1")

	warm := start(t, dir, r)
	if got := warm.manifest(t, "1"); got != "one" {
		t.Errorf("1 is %q", got)
	}
	r.want(t, "HEAD 1")
	warm.manifest(t, digest.FromString("one").String())
	r.want(t, "")
	if got := warm.cache.Stats(); got != (Stats{Hits: 2}) {
		t.Errorf("counted %+v", got)
	}

	r.tags["1"] = "another"
	if got := once(t, dir, r, "1"); got != "another" {
		t.Errorf("1 is %q after it moved", got)
	}
	r.want(t, "GET digest of 1, HEAD 1")
	r.tags["1"] = "one" // and back, to what the cache still has
	if got := once(t, dir, r, "1"); got != "one" {
		t.Errorf("1 is %q after it moved back", got)
	}
	r.want(t, "HEAD 1")

	delete(r.tags, "1")
	if a := start(t, dir, r).Manifests(t.Context(), []string{"1"})[0]; !errors.Is(a.Err, registry.ErrNotFound) {
		t.Errorf("1 is %+v after it was deleted", a)
	}
	r.want(t, "HEAD 1")
}

// A tag that moves between the HEAD and the GET is not a tag that is gone.
func TestTagMovesMeanwhile(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
	once(t, dir, r, "1")
	r.tags["1"], r.gone = "two", map[string]bool{digest.FromString("two").String(): true}
	r.was()
	if got := once(t, dir, r, "1"); got != "two" {
		t.Errorf("1 is %q", got)
	}
	r.want(t, "GET 1, GET digest of 1, HEAD 1")
}

// What images.yaml names by digest, and what is cached for another repository,
// is asked for.
func TestDigestsNobodyVouchesFor(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
	one := digest.FromString("one").String()
	once(t, dir, r, one)
	r.want(t, "GET digest of 1")
	named := config.Image{Repository: other, Aliases: []config.Alias{{Sources: []config.Source{{Repository: app, Digest: one}}}}}
	start(t, dir, r, named).manifest(t, one)
	r.want(t, "GET digest of 1")
	start(t, dir, r).readers.Reader(other).Manifests(t.Context(), []string{one})
	r.want(t, "GET digest of 1")
}

func TestConfigsKeepThePlatformAlone(t *testing.T) {
	dir, r := t.TempDir(), &fake{}
	d := digest.FromString("config").String()
	cold := start(t, dir, r)
	cold.Configs(t.Context(), []string{d})
	cold.cache.Close()
	r.want(t, "GET config "+d)
	a := start(t, dir, r).Configs(t.Context(), []string{d})[0]
	r.want(t, "")
	if want := `{"architecture":"arm64","os":"linux","variant":"v8"}`; a.Err != nil || string(a.Value) != want {
		t.Errorf("got %s, %v, want %s", a.Value, a.Err, want)
	}
	for name, content := range files(t, dir) {
		if strings.Contains(content, "secret") {
			t.Errorf("%s has the environment of an image: %s", name, content)
		}
	}
}

// What an alias has told of a config need not be read the next time.
func TestRemember(t *testing.T) {
	dir, r := t.TempDir(), &fake{}
	d := digest.FromString("config").String()
	cold := start(t, dir, r)
	if config, ok := cold.Memory().Remembered(d); ok {
		t.Errorf("an empty cache remembers %s", config)
	}
	cold.Memory().Remember(map[string]config.Platform{d: {OS: "windows", Architecture: "amd64", OSVersion: "10.0.1"}})
	cold.cache.Close()
	warm := start(t, dir, r)
	got, ok := warm.Memory().Remembered(d)
	if want := `{"architecture":"amd64","os":"windows","os.version":"10.0.1"}`; !ok || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, ok, want)
	}
	warm.Configs(t.Context(), []string{d})
	r.want(t, "")
}

// What two runs learn of one repository is there for a third, unless they write
// at the very same moment.
func TestRunsLearnFromEachOther(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one", "2": "two", "3": "three"}}
	start(t, dir, r).cache.Close()
	first, second := start(t, dir, r), start(t, dir, r)
	first.manifest(t, "1")
	second.manifest(t, "2")
	first.cache.Release(config.Image{Repository: app})
	second.cache.Close()
	first.manifest(t, "3")
	first.cache.Close()
	r.was()
	third := start(t, dir, r)
	for _, tag := range []string{"1", "2", "3"} {
		third.manifest(t, tag)
	}
	r.want(t, "HEAD 1, HEAD 2, HEAD 3")
}

// A repository whose tags come and go does not grow for ever, and one run that
// uses little of it does not cost the others theirs.
func TestShelvesAreBounded(t *testing.T) {
	dir, body := t.TempDir(), strings.Repeat("x", roomy/10)
	size := func() (total int) {
		for _, content := range files(t, dir) {
			total += len(content)
		}
		return total
	}
	for i := range 50 {
		r := &fake{tags: map[string]string{"always": "here", "latest": fmt.Sprint(i, body)}}
		run := start(t, dir, r)
		run.manifest(t, "always")
		run.manifest(t, "latest")
		run.cache.Close()
		switch {
		case i == 5 && size() < 5*len(body):
			t.Errorf("%d bytes after six runs", size())
		case size() > roomy+roomy/4:
			t.Fatalf("%d bytes after %d runs", size(), i+1)
		}
		if i > 0 {
			r.want(t, "GET digest of latest, HEAD always, HEAD latest")
		}
	}
}
