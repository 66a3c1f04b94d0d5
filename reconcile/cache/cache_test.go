package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile/folder"
	"tagline/reconcile/registry"
)

const imageType = "application/vnd.oci.image.manifest.v1+json"

// registry answers for every repository, and notes what it was asked.
type fake struct {
	mu    sync.Mutex
	tags  map[string]string // tag -> body
	gone  map[string]bool   // digests
	asked []string
}

// view is a repository of it.
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

// files are all there are under a folder, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Whatever is done to a cache, a run says what the registry says, and warns at
// most once.
func TestBrokenCaches(t *testing.T) {
	everyFile := func(change func(content string) string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for path, content := range files(t, dir) {
				if err := os.WriteFile(path, []byte(change(content)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		harm    func(t *testing.T, dir string)
		warning string
	}{
		{"empty files", everyFile(func(string) string { return "" }), "is damaged"},
		{"truncated", everyFile(func(c string) string { return c[:len(c)-1] }), "is damaged"},
		{"another media type", everyFile(func(c string) string { return strings.ReplaceAll(c, "image.manifest", "image.index") }), "is damaged"},
		{"another platform", everyFile(func(c string) string { return strings.ReplaceAll(c, "arm64", "amd64") }), "is damaged"},
		{"another manifest, well sealed", func(t *testing.T, dir string) {
			c := Open(dir, DefaultLimit, func(err error) { t.Error(err) })
			s := c.shelf(app)
			if _, ok := s.manifest(digest.FromString("one").String()); !ok {
				t.Fatal("the manifest is not there")
			}
			for of := range s.used.Manifests {
				s.used.Manifests[of] = manifest{imageType, []byte("forged")}
			}
			s.changed = true
			c.Close()
		}, "not the manifest"},
		{"something else, well sealed", func(t *testing.T, dir string) {
			c := Open(dir, DefaultLimit, func(err error) { t.Error(err) })
			c.disk.write(fileName(app.String()), func(w io.Writer) error { _, err := io.WriteString(w, "tagline"); return err })
			c.Close()
		}, "is damaged"},
		{"entries of another kind", func(t *testing.T, dir string) {
			for path := range files(t, dir) {
				must(os.Remove(path))
				must(os.Mkdir(path, 0o700))
			}
		}, "no file that tagline wrote"},
		{"links to elsewhere", func(t *testing.T, dir string) {
			outside := filepath.Join(t.TempDir(), "outside")
			for path, content := range files(t, dir) {
				must(os.WriteFile(outside, []byte(content), 0o600))
				must(os.Remove(path))
				must(os.Symlink(outside, path))
			}
		}, "escapes"},
		{"open to others", func(_ *testing.T, dir string) { must(os.Chmod(filepath.Join(dir, layout), 0o777)) }, "written by other users"},
		{"a file in its place", func(_ *testing.T, dir string) {
			must(os.RemoveAll(filepath.Join(dir, layout)))
			must(os.WriteFile(filepath.Join(dir, layout), nil, 0o600))
		}, layout},
		{"deleted", func(_ *testing.T, dir string) { must(os.RemoveAll(dir)) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
			config := digest.FromString("config").String()
			whole := start(t, dir, r)
			whole.manifest(t, "1")
			whole.Configs(t.Context(), []string{config})
			whole.cache.Close()

			test.harm(t, dir)
			run := start(t, dir, r)
			if got := run.manifest(t, "1"); got != "one" {
				t.Errorf("1 is %q", got)
			}
			if a := run.Configs(t.Context(), []string{config})[0]; a.Err != nil || !strings.Contains(string(a.Value), "arm64") {
				t.Errorf("config is %s, %v", a.Value, a.Err)
			}
			switch {
			case test.warning == "" && len(run.warnings) == 0:
			case len(run.warnings) != 1 || !strings.Contains(run.warnings[0].Error(), test.warning):
				t.Errorf("warnings %v, want one with %q", run.warnings, test.warning)
			}
		})
	}
}

// A registry's words never become a path.
func TestHostileNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	r := &fake{tags: map[string]string{"../../tag": "body"}}
	run := start(t, dir, r)
	run.manifest(t, "../../tag")
	once(t, dir, r, "../../tag")
	for _, hostile := range []string{"sha256:../../../etc/passwd", "sha256:" + strings.Repeat("A", 64), "sha256:", "a:b", "sha512:" + strings.Repeat("0", 128)} {
		run.Manifests(t.Context(), []string{hostile})
		away := run.cache.shelf(config.Repository{Host: "..", Path: "../" + hostile})
		away.keep(book{Manifests: map[string]manifest{hostile: {imageType, []byte("body")}}})
		if m, ok := away.manifest(hostile); ok {
			t.Errorf("%s is %+v", hostile, m)
		}
	}
	run.cache.Close()
	for path := range files(t, filepath.Dir(dir)) {
		if !strings.HasPrefix(path, filepath.Join(dir, layout)+"/") || len(filepath.Base(path)) != 32 {
			t.Errorf("%s was written", path)
		}
	}
	if len(run.warnings) > 0 {
		t.Errorf("warnings %v", run.warnings)
	}
}

func TestEviction(t *testing.T) {
	dir := t.TempDir()
	c := Open(dir, 12*4096, func(err error) { t.Error(err) })
	repository := func(i int) config.Repository { return config.Repository{Host: "r.test", Path: fmt.Sprint("app", i)} }
	path := func(i int) string { return filepath.Join(dir, layout, fileName(repository(i).String())) }
	now := time.Now()
	for i := range 20 { // the first is the oldest
		s := c.shelf(repository(i))
		s.keep(book{Tags: map[string]string{"1": "sha256:…"}})
		s.release()
		at := now.Add(time.Duration(i-20) * 2 * usedWithin)
		if err := os.Chtimes(path(i), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := c.shelf(repository(0)).tag("1"); !ok { // now the youngest
		t.Fatal("the first one is not there")
	}
	stale, fresh := path(1)+folder.TemporarySuffix+"KILLED", path(1)+folder.TemporarySuffix+"UNDERWAY"
	for _, name := range []string{stale, fresh} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(stale, now, now.Add(-2*folder.Abandoned)); err != nil {
		t.Fatal(err)
	}
	c.Close()

	var left []int
	for i := range 20 {
		if _, err := os.Stat(path(i)); err == nil {
			left = append(left, i)
		}
	}
	if want := []int{0, 11, 12, 13, 14, 15, 16, 17, 18, 19}; !slices.Equal(left, want) {
		t.Errorf("%v are left, want %v", left, want)
	}
	if _, err := os.Stat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a killed run left is still there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("what another run is writing is gone: %v", err)
	}
}

// Runs share a folder, and each of them gets what is true.
func TestConcurrentRuns(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{}}
	var tags []string
	for i := range 50 {
		tag := fmt.Sprint(i)
		tags = append(tags, tag)
		r.tags[tag] = "body of " + tag
	}
	var wg sync.WaitGroup
	for range 8 {
		run := start(t, dir, r)
		wg.Go(func() {
			for part := range slices.Chunk(tags, 10) {
				for i, a := range run.Manifests(t.Context(), part) {
					if string(a.Value.Body) != r.tags[part[i]] {
						t.Errorf("%s is %q, %v", part[i], a.Value.Body, a.Err)
					}
				}
			}
			if len(run.warnings) > 0 {
				t.Errorf("warnings %v", run.warnings)
			}
			run.cache.Close()
		})
	}
	wg.Wait()
	for path := range files(t, dir) {
		if strings.Contains(path, folder.TemporarySuffix) {
			t.Errorf("%s is left", path)
		}
	}
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

// What waits for its deletion is remembered, and forgotten when a run says so.
func TestWaiting(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	wait := func(dir string, change func(registry.Record)) map[string]time.Time {
		run := start(t, dir, nil)
		defer run.cache.Close()
		was := run.Memory().Record().Waiting
		run.Memory().Note(change)
		return was
	}
	nothing := func(registry.Record) {}
	both := map[string]time.Time{"sha256:a": at, "sha256:b": at}
	if was := wait(dir, func(r registry.Record) { maps.Copy(r.Waiting, both) }); len(was) > 0 {
		t.Errorf("%v wait before anything was said", was)
	}
	for range 2 {
		if was := wait(dir, nothing); !maps.EqualFunc(was, both, time.Time.Equal) {
			t.Errorf("%v wait, want %v", was, both)
		}
	}
	wait(dir, func(r registry.Record) { delete(r.Waiting, "sha256:a") })
	if was := wait(dir, nothing); len(was) != 1 || !was["sha256:b"].Equal(at) {
		t.Errorf("%v wait, want b alone", was)
	}
	if was := wait(t.TempDir(), nothing); len(was) > 0 {
		t.Errorf("%v wait in another folder", was)
	}
}

// What tags are about to leave is on disk once the plan is made, so that it outlives
// a run that is killed.
func TestLeaving(t *testing.T) {
	dir := t.TempDir()
	killed := start(t, dir, nil)
	killed.Memory().Note(func(r registry.Record) {
		r.Leaving["sha256:a"], r.Leaving["sha256:b"], r.Versions["sha256:a"] = true, true, "1.0"
	})
	killed.cache.Release(config.Image{Repository: app})
	clearAll := func(r registry.Record) { clear(r.Leaving) }
	killed.Memory().Note(clearAll) // is lost with the run

	next := start(t, dir, nil)
	r := next.Memory().Record()
	if !r.Leaving["sha256:a"] || !r.Leaving["sha256:b"] || !maps.Equal(r.Versions, map[string]string{"sha256:a": "1.0"}) {
		t.Errorf("the next run has %v", r)
	}
	next.Memory().Note(clearAll)
	next.cache.Close()
	if r := start(t, dir, nil).Memory().Record(); len(r.Leaving) > 0 || len(r.Versions) != 1 {
		t.Errorf("the run after that has %v", r)
	}
}

// A run writes over nothing that another one noted meanwhile.
func TestRecordsOfTwoRuns(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	later := at.Add(time.Hour)
	nothing := func(registry.Record) {}
	wait := func(digest string, since time.Time) func(registry.Record) {
		return func(r registry.Record) { r.Waiting[digest] = since }
	}
	forget := func(digest string) func(registry.Record) {
		return func(r registry.Record) { delete(r.Waiting, digest) }
	}
	for _, test := range []struct {
		name          string
		first, second func(registry.Record) // which ends later; a has been waiting before
		want          map[string]time.Time
	}{
		{"the second only reads", wait("b", at), nothing, map[string]time.Time{"a": at, "b": at}},
		{"both note another", wait("b", at), wait("c", at), map[string]time.Time{"a": at, "b": at, "c": at}},
		{"both note one, the second later", wait("b", at), wait("b", later), map[string]time.Time{"a": at, "b": later}},
		{"both note one, the first later", wait("b", later), wait("b", at), map[string]time.Time{"a": at, "b": later}},
		{"the first forgets", forget("a"), wait("b", at), map[string]time.Time{"b": at}},
		{"the second forgets", wait("b", at), forget("a"), map[string]time.Time{"b": at}},
		{"the second forgets what the first notes anew", wait("a", later), forget("a"), map[string]time.Time{"a": later}},
		{"the first forgets what the second notes anew", forget("a"), wait("a", later), map[string]time.Time{"a": later}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
			before := start(t, dir, r)
			before.Memory().Note(wait("a", at))
			before.Memory().Note(func(r registry.Record) { r.Leaving["x"] = true })
			before.cache.Close()
			first, second := start(t, dir, r), start(t, dir, r)
			second.Memory().Record() // it has the file as it was
			first.Memory().Note(test.first)
			first.Memory().Note(func(r registry.Record) { r.Leaving["y"], r.Versions["y"] = true, "1.0" })
			first.cache.Close()
			second.Memory().Note(test.second)
			second.manifest(t, "1") // it has something to write
			second.cache.Close()
			got := start(t, dir, r).Memory().Record()
			if !maps.EqualFunc(got.Waiting, test.want, time.Time.Equal) {
				t.Errorf("%v wait, want %v", got.Waiting, test.want)
			}
			if !got.Leaving["x"] || !got.Leaving["y"] || got.Versions["y"] != "1.0" {
				t.Errorf("the record is %+v", got)
			}
		})
	}
}

// What a run knows outlives a file that is lost meanwhile.
func TestRecordOutlivesItsFile(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
	before := start(t, dir, r)
	before.Memory().Note(func(r registry.Record) { r.Leaving["x"] = true })
	before.cache.Close()
	run := start(t, dir, r)
	run.Memory().Record()
	for path := range files(t, dir) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	run.manifest(t, "1")
	run.cache.Close()
	if got := start(t, dir, r).Memory().Record(); !got.Leaving["x"] {
		t.Errorf("the record is %+v", got)
	}
}
