package azure_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/cache"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
)

var both = []string{"linux/amd64", "linux/arm64"}

// releases are ten of two platforms with provenance, and two of them pushed again.
func releases() []demo.Image {
	var all []demo.Image
	for i := range 10 {
		all = append(all, demo.Image{Tag: fmt.Sprintf("1.%d", i), Platforms: both, Provenance: true})
	}
	for _, tag := range []string{"1.3", "1.7"} {
		all = append(all, demo.Image{Tag: tag, Platforms: both, Provenance: true, Version: tag + " again", Build: 1})
	}
	return all
}

// seed starts a registry with images that are two days old.
func seed(t *testing.T, path string, images []demo.Image) *azuretest.Registry {
	t.Helper()
	r := azuretest.Start(t)
	r.Now = func() time.Time { return time.Now().Add(-48 * time.Hour) }
	if _, err := demo.Push(t.Context(), r.Host, path, images); err != nil {
		t.Fatal(err)
	}
	return r
}

// run applies the images.yaml of one image.
func run(t *testing.T, host, path, image string, atOnce int, dry bool) (reconcile.Plan, error) {
	t.Helper()
	return runCached(t, t.TempDir(), host, path, image, atOnce, dry)
}

func runCached(t *testing.T, dir, host, path, image string, atOnce int, dry bool) (reconcile.Plan, error) {
	t.Helper()
	text := fmt.Sprintf("registries: {%q: {kind: azure}}\nimages: {%s: {aliases: %s}}\n", host, path, image)
	cfg, err := config.Parse("images.yaml", []byte(text), config.Options{Registry: host, Policies: policies.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	c := kinds.New(ecr.Options{OCI: oci.Options{Concurrency: atOnce, Patience: oci.Patience{Attempts: 1}}}, cfg.Registries)
	defer c.Close()
	store := cache.Open(dir, cache.DefaultLimit, func(err error) { t.Error(err) })
	defer store.Close()
	job := reconcile.Job{Readers: store.Readers(c, cfg.Images), Limit: reconcile.Limit{Max: 100, Set: true}}
	if !dry {
		job.Writers = kinds.NewWriters(c)
	}
	var plan reconcile.Plan
	var errs []error
	reconcile.RunAll(t.Context(), job, cfg.Images, func(p reconcile.Plan, result reconcile.Result) {
		plan = p
		for _, o := range slices.Concat(result.Pushed, result.Deleted, result.Removed) {
			errs = append(errs, o.Err)
		}
		for _, f := range p.Errors {
			errs = append(errs, errors.New(f.Message))
		}
		for _, f := range p.Violations {
			errs = append(errs, f)
		}
	})
	return plan, errors.Join(errs...)
}

// holds is what a repository has: the tags with their digests, and all manifests.
type holds struct {
	tags      map[string]string
	manifests map[string]bool
}

// look fails the test if a tag names something that can't be pulled, down to the
// configs.
func look(t *testing.T, r *azuretest.Registry, path string) holds {
	t.Helper()
	r.Around(nil)
	h := holds{map[string]string{}, map[string]bool{}}
	var open []string
	for _, m := range r.Manifests(path) {
		h.manifests[m.Digest] = true
		for _, tag := range m.Tags {
			h.tags[tag] = m.Digest
			open = append(open, m.Digest)
		}
	}
	c := oci.New(oci.Options{Patience: oci.Patience{Attempts: 1}})
	defer c.Close()
	reader := c.Reader(at(r, path))
	for len(open) > 0 {
		var below, configs []string
		for i, a := range reader.Manifests(t.Context(), open) {
			if a.Err != nil {
				t.Fatalf("%s is needed and can't be pulled: %v", open[i], a.Err)
			}
			m, err := registry.ParseManifest(a.Value)
			if err != nil {
				t.Fatal(err)
			}
			if m.IsImage() {
				configs = append(configs, m.Config.Digest.String())
			}
			for _, child := range m.Children {
				below = append(below, child.Digest.String())
			}
		}
		for i, a := range reader.Configs(t.Context(), configs) {
			if a.Err != nil {
				t.Fatalf("config %s: %v", configs[i], a.Err)
			}
		}
		open = below
	}
	return h
}

const purge = "{latest: 1.9, stable: 1.7}, policies: {provenance: purge, untagged: delete}"

// Ten releases of five manifests, and two builds that were pushed over: a purge
// leaves ten indexes of two platforms, and nothing else.
func TestStory(t *testing.T) {
	r := seed(t, "team/app", releases())
	before := look(t, r, "team/app")
	if len(before.manifests) != 12*5 || len(before.tags) != 10 {
		t.Fatalf("before: %d manifests, %d tags", len(before.manifests), len(before.tags))
	}
	plan, err := run(t, r.Host, "team/app", purge, 8, true)
	if err != nil || plan.Empty() || len(plan.DeleteManifests) == 0 {
		t.Fatalf("a dry run: %+v, %v", plan, err)
	}
	if now := look(t, r, "team/app"); !maps.Equal(now.manifests, before.manifests) || !maps.Equal(now.tags, before.tags) {
		t.Error("a dry run changed something")
	}
	r.Requests()
	if _, err := run(t, r.Host, "team/app", purge, 8, false); err != nil {
		t.Fatal(err)
	}
	t.Logf("the purge took %d requests", len(r.Requests()))
	after := look(t, r, "team/app")
	if len(after.manifests) != 10*3 || len(after.tags) != 12 || after.tags["latest"] != after.tags["1.9"] || after.tags["stable"] != after.tags["1.7"] {
		t.Errorf("after: %d manifests, tags %v", len(after.manifests), after.tags)
	}
	for _, m := range r.Manifests("team/app") {
		if len(m.Children) != 0 && len(m.Children) != 2 {
			t.Errorf("%s lists %d manifests", m.Digest, len(m.Children))
		}
	}
	r.Requests()
	again, err := run(t, r.Host, "team/app", purge, 8, false)
	if err != nil || !again.Empty() {
		t.Errorf("the second run: %+v, %v", again, err)
	}
	for _, request := range r.Requests() {
		if strings.HasPrefix(request, "PUT") || strings.HasPrefix(request, "DELETE") {
			t.Errorf("the second run sent %s", request)
		}
	}
}

// A locked tag is said before anything is written, and nothing of it changes.
func TestLockedAliasInThePlan(t *testing.T) {
	r := seed(t, "app", []demo.Image{{Tag: "1.0", Platforms: intel}, {Tag: "1.1", Platforms: intel}, {Tag: "10", Version: "1.0", Platforms: intel}})
	r.Lock("app:10", noWrite)
	before := look(t, r, "app")
	plan, err := run(t, r.Host, "app", "{10: 1.1}", 8, false)
	if err == nil || !strings.Contains(err.Error(), `tag "10" of `+r.Host+`/app is locked`) || len(plan.Pushes) != 0 {
		t.Errorf("%+v, %v", plan.Pushes, err)
	}
	if now := look(t, r, "app"); !maps.Equal(now.tags, before.tags) {
		t.Errorf("tags are %v", now.tags)
	}
}

// cut ends a run at a request, before the registry sees it or before its answer
// returns. No later request arrives.
func cut(r *azuretest.Registry, at int, answered bool) (writes *atomic.Int64) {
	var n atomic.Int64
	writes = new(atomic.Int64)
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		now := int(n.Add(1)) - 1
		if now < at || now == at && answered {
			if isWrite(req.Method + " ") {
				writes.Add(1)
			}
			if now < at {
				next(w, req)
				return
			}
			next(httptest.NewRecorder(), req)
		}
		panic(http.ErrAbortHandler)
	})
	return writes
}

func isWrite(request string) bool {
	method, _, _ := strings.Cut(request, " ")
	return method != http.MethodGet && method != http.MethodHead
}

// A run may be cut off at any request. It leaves every tag whole, and the next run
// ends as an uncut run does. Without [ocitest.All], a sample is cut.
func TestCutAnywhere(t *testing.T) {
	images := []demo.Image{
		{Tag: "1", Platforms: intel, Provenance: true}, {Tag: "2", Platforms: both, Provenance: true, Artifact: true},
		{Tag: "1", Platforms: intel, Provenance: true, Version: "1 again", Build: 1}, {Tag: "11", Version: "1", Platforms: intel},
	}
	const image = "{10: {amd64: 1, arm64: 2}, 11: absent, latest: 10}, policies: {provenance: purge, untagged: delete}"
	r := seed(t, "app", images)
	r.Requests()
	plan, err := run(t, r.Host, "app", image, 1, false)
	if err != nil || len(plan.DeleteManifests) == 0 || len(plan.DeleteTags) == 0 {
		t.Fatalf("the uncut run: %+v, %v", plan, err)
	}
	requests := r.Requests()
	after := look(t, r, "app")
	var reading, writing []int
	for i, request := range requests {
		if isWrite(request) {
			writing = append(writing, i)
		} else {
			reading = append(reading, i)
		}
	}
	var chosen []int
	for _, i := range ocitest.Sample(t, len(reading), 3) {
		chosen = append(chosen, reading[i])
	}
	for _, i := range ocitest.Sample(t, len(writing), 4) {
		chosen = append(chosen, writing[i])
	}
	for _, at := range chosen {
		for _, answered := range []bool{false, true} {
			if answered && !isWrite(requests[at]) {
				continue
			}
			r := seed(t, "app", images)
			before := look(t, r, "app")
			cut(r, at, answered)
			_, _ = run(t, r.Host, "app", image, 1, false) // its result does not matter
			now := look(t, r, "app")
			for tag, digest := range before.tags {
				if is, ok := now.tags[tag]; ok && is != digest && is != after.tags[tag] || !ok && after.tags[tag] != "" {
					t.Errorf("tag %s names %q", tag, is)
				}
			}
			if _, err := run(t, r.Host, "app", image, 8, false); err != nil {
				t.Errorf("the next run: %v", err)
			}
			if end := look(t, r, "app"); !maps.Equal(end.tags, after.tags) || !maps.Equal(end.manifests, after.manifests) {
				t.Errorf("in the end there are %d manifests and %v, want %d and %v", len(end.manifests), end.tags, len(after.manifests), after.tags)
			}
			if t.Failed() {
				t.Fatalf("cut at request %d of %d, %s, which the registry did: %v", at+1, len(requests), requests[at], answered)
			}
		}
	}
	t.Logf("%d of %d requests were cut, %d of them writes", len(chosen), len(requests), len(writing))
}

// What a repository of 3,000 tags costs a run with 1,000 aliases of which nothing
// changes. It is a tenth of that, with a tenth of a page, without [ocitest.All].
func TestCalls(t *testing.T) {
	scale := 10
	if ocitest.All() {
		scale = 1
	}
	var images []demo.Image
	for i := range 1000 / scale {
		version := fmt.Sprintf("1.%d", i)
		for _, tag := range []string{version, version + ".0", fmt.Sprint("alias-", i)} {
			images = append(images, demo.Image{Tag: tag, Version: version, Platforms: intel})
		}
	}
	r := seed(t, "app", images)
	r.Page = 1000 / scale
	var aliases []string
	for i := range 1000 / scale {
		aliases = append(aliases, fmt.Sprintf("alias-%d: 1.%d", i, i))
	}
	image := "{" + strings.Join(aliases, ", ") + "}"
	counts, dir := map[string]int{}, t.TempDir()
	for _, how := range []string{"cold", "warm"} {
		r.Requests()
		if plan, err := runCached(t, dir, r.Host, "app", image, 16, false); err != nil || !plan.Empty() {
			t.Fatalf("%+v, %v", plan, err)
		}
		counts[how] = len(r.Requests())
	}
	c := oci.New(oci.Options{Patience: oci.Patience{Attempts: 1}})
	defer c.Close()
	var names []string
	for _, alias := range aliases {
		tag, source, _ := strings.Cut(alias, ": ")
		names = append(names, tag, source)
	}
	r.Requests()
	for _, a := range c.Reader(at(r, "app")).Resolve(context.Background(), names) {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	counts["tag by tag"] = len(r.Requests())
	t.Logf("%d aliases, %d tags: %v requests", len(aliases), len(images), counts)
	// GET /v2/, a token, the repository, three pages of tags and one of manifests.
	if counts["warm"] != 7 {
		t.Errorf("the warm run took %d requests, want 7", counts["warm"])
	}
	if most := 7 + 1 + 2*len(aliases); counts["cold"] > most { // another token, manifests and configs
		t.Errorf("the cold run took %d requests, want %d at most", counts["cold"], most)
	}
}
