package harbor_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
	"tagline/reconcile/trash"
)

var (
	intel = []string{"linux/amd64"}
	both  = []string{"linux/amd64", "linux/arm64"}
)

const app = "project/team/app"

// old has all pushes of the test happen two months ago.
func old(h *harbortest.Harbor) {
	h.Now = func() time.Time { return time.Now().Add(-60 * 24 * time.Hour) }
}

func seed(t testing.TB, h *harbortest.Harbor, images ...demo.Image) map[string]string {
	t.Helper()
	digests, err := demo.Push(t.Context(), h.Host, app, images)
	if err != nil {
		t.Fatal(err)
	}
	return digests
}

// host is a host that images.yaml calls Harbor: the emulator, or a proxy of it.
func clients(t testing.TB, host string, options oci.Options) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	if options.Patience == (oci.Patience{}) {
		options.Patience.Attempts = 1
	}
	c := kinds.New(ecr.Options{OCI: options}, map[string]config.Registry{host: {Kind: config.Harbor}})
	t.Cleanup(c.Close)
	return c, kinds.NewWriters(c)
}

func parse(t testing.TB, host, text string) config.Image {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte("images: {"+app+": "+text+"}"), config.Options{Registry: host, Policies: policies.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Images[0]
}

// apply is one run.
func apply(t testing.TB, host string, image config.Image, atOnce int, kept reconcile.Trash) (reconcile.Plan, error) {
	t.Helper()
	c, w := clients(t, host, oci.Options{Concurrency: atOnce})
	var plan reconcile.Plan
	var errs []error
	job := reconcile.Job{Readers: c, Writers: w, Trash: kept, Limit: reconcile.Limit{Max: 1000, Set: true}}
	reconcile.RunAll(t.Context(), job, []config.Image{image}, func(p reconcile.Plan, r reconcile.Result) {
		plan = p
		for _, o := range slices.Concat(r.Pushed, r.Deleted, r.Removed) {
			errs = append(errs, o.Err)
		}
	})
	for _, f := range plan.Errors {
		errs = append(errs, errors.New(f.Message))
	}
	for _, f := range plan.Violations {
		errs = append(errs, f)
	}
	return plan, errors.Join(errs...)
}

// content is what the tags name, and all manifests that they lead to. It fails the
// test if one of them is missing, or a blob.
func content(t testing.TB, host string) (tags map[string]string, needed map[string]bool) {
	t.Helper()
	c, _ := clients(t, host, oci.Options{})
	reader := c.Client.Reader(config.Repository{Host: host, Path: app}) // by the OCI protocol
	open, err := reader.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tags, needed = map[string]string{}, map[string]bool{}
	for len(open) > 0 {
		var below, blobs []string
		for i, a := range reader.Manifests(t.Context(), open) {
			if a.Err != nil {
				t.Fatalf("%s is needed: %v", open[i], a.Err)
			}
			if needed[a.Value.Digest] = true; !strings.Contains(open[i], ":") {
				tags[open[i]] = a.Value.Digest
			}
			m, err := registry.ParseManifest(a.Value)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range m.Children {
				below = append(below, d.Digest.String())
			}
			for _, d := range m.Layers {
				blobs = append(blobs, d.Digest.String())
			}
			if !m.Index {
				blobs = append(blobs, m.Config.Digest.String())
			}
		}
		for i, a := range reader.HasBlobs(t.Context(), blobs) {
			if a.Err != nil || !a.Value {
				t.Errorf("blob %s: %+v", blobs[i], a)
			}
		}
		open = below
	}
	return tags, needed
}

// Ten releases of two platforms with provenance, two of them pushed again. In
// BuildKit's newer shape an attestation is an accessory, which no listing has.
func TestStory(t *testing.T) {
	for name, artifact := range map[string]bool{"attestations": false, "attestations as artifacts": true} {
		t.Run(name, func(t *testing.T) {
			h := harbortest.Start(t)
			old(h)
			for i := range 10 {
				seed(t, h, demo.Image{Tag: fmt.Sprintf("1.%d", i), Platforms: both, Provenance: true, Artifact: artifact})
			}
			for _, tag := range []string{"1.3", "1.7"} {
				seed(t, h, demo.Image{Tag: tag, Platforms: both, Provenance: true, Artifact: artifact, Version: tag + " again", Build: 1})
			}
			if n := len(h.Manifests(app)); n != 12*5 {
				t.Fatalf("%d manifests before", n)
			}
			image := parse(t, h.Host, "{aliases: {1: 1.9, latest: 1}, policies: {provenance: purge, untagged: delete}}")
			dir := t.TempDir()
			kept := trash.Open(dir, "test")
			plan, err := apply(t, h.Host, image, 8, kept)
			if err != nil || len(plan.DeleteManifests) != 10+20+10 {
				t.Errorf("the purge: %d deletions, %v", len(plan.DeleteManifests), err)
			}
			if n := len(h.Manifests(app)); n != 10*3 { // an index and two images each; the aliases have the index of 1.9
				t.Errorf("%d manifests after", n)
			}
			if err := kept.Close(); err != nil {
				t.Error(err)
			}
			there := map[string]bool{}
			records, _ := trash.Read(dir, func(reconcile.Record) bool { return true })
			for _, record := range records {
				for _, k := range record.Kept {
					there[k.Manifest.Digest] = true
				}
			}
			for _, d := range plan.DeleteManifests { // also those that went along with others
				if !there[d.Digest] {
					t.Errorf("the trash lacks %s", d.Digest)
				}
			}
			if tags, needed := content(t, h.Host); len(tags) != 12 || len(needed) != 30 {
				t.Errorf("%d tags, %d manifests", len(tags), len(needed))
			}
			if plan, err := apply(t, h.Host, image, 8, nil); err != nil || !plan.Empty() {
				t.Errorf("the second run: %+v, %v", plan, err)
			}
		})
	}
}

// What Harbor would delete along with an index keeps the index.
func TestNothingGoesAlong(t *testing.T) {
	h := harbortest.Start(t)
	old(h)
	seed(t, h, demo.Image{Tag: "1.0", Platforms: both})
	var pinned string
	for _, m := range h.Manifests(app) {
		if len(m.Children) == 0 {
			pinned = m.Digest
		}
	}
	seed(t, h, demo.Image{Tag: "1.0", Platforms: both, Version: "again"})
	image := parse(t, h.Host, "{aliases: {1: 1.0, old: '"+pinned+"'}, policies: {untagged: delete}}")
	if _, err := apply(t, h.Host, image, 8, nil); err != nil {
		t.Error(err)
	}
	if tags, _ := content(t, h.Host); tags["old"] != pinned {
		t.Errorf("tags are %v", tags)
	}
	// A tag protects what it names, so its index can go.
	if plan, err := apply(t, h.Host, image, 8, nil); err != nil || !plan.Empty() {
		t.Errorf("the second run: %+v, %v", plan, err)
	}
	if n := len(h.Manifests(app)); n != 4 {
		t.Errorf("%d manifests are left, want two images in an index, and the one with a tag", n)
	}
}

// A run may be cut off at any request, before the registry sees it or before its
// answer returns. No tag breaks, nothing needed is lost, and the next run ends as
// an uncut one.
func TestCutAnywhere(t *testing.T) {
	begin := func(t *testing.T) (*harbortest.Harbor, *ocitest.RegistryProxy, config.Image) {
		h := harbortest.Start(t)
		old(h)
		proxy := ocitest.Proxy(t, h.Host)
		seed(t, h, demo.Image{Tag: "1.0", Platforms: both, Provenance: true}, demo.Image{Tag: "1.1", Platforms: both, Provenance: true, Artifact: true})
		if _, err := apply(t, proxy.Host, parse(t, proxy.Host, "{aliases: {9: {amd64: 1.0}, 10: {amd64: 1.0, arm64: 1.1}}}"), 8, nil); err != nil {
			t.Fatal(err)
		}
		seed(t, h, demo.Image{Tag: "1.1", Platforms: both, Provenance: true, Artifact: true, Version: "again"})
		proxy.Reset()
		return h, proxy, parse(t, proxy.Host, "{aliases: {10: {amd64: 1.0, arm64: 1.1}, latest: 10}, policies: {provenance: purge, prune: true, untagged: delete}}")
	}
	h, proxy, image := begin(t)
	before, _ := content(t, h.Host)
	if plan, err := apply(t, proxy.Host, image, 1, nil); err != nil || len(plan.DeleteManifests) == 0 || len(plan.DeleteTags) != 1 {
		t.Fatalf("the uncut run: %+v, %v", plan, err)
	}
	requests := proxy.Trace()
	after, needed := content(t, h.Host)
	end := len(h.Manifests(app))
	if end != len(needed) {
		t.Fatalf("%d manifests are left, and %d needed", end, len(needed))
	}
	var reads, writes []int
	for at, r := range requests {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			reads = append(reads, at)
		} else {
			writes = append(writes, at)
		}
	}
	cuts := map[int][]bool{} // whether the request arrives
	for _, i := range ocitest.Sample(t, len(reads), 3) {
		cuts[reads[i]] = []bool{false}
	}
	for _, i := range ocitest.Sample(t, len(writes), 6) {
		cuts[writes[i]] = []bool{false, true}
	}
	for _, at := range slices.Sorted(maps.Keys(cuts)) {
		for _, arrives := range cuts[at] {
			t.Run(fmt.Sprintf("%d of %d, arrives %v", at+1, len(requests), arrives), func(t *testing.T) {
				h, proxy, image := begin(t)
				proxy.Script(ocitest.Fault{Skip: at, Do: cut(arrives)})
				_, _ = apply(t, proxy.Host, image, 1, nil) // its result does not matter
				proxy.Script()
				now, _ := content(t, h.Host)
				for tag, digest := range before {
					if now[tag] != digest && now[tag] != after[tag] {
						t.Errorf("tag %s is %q, neither what it was nor what it should be", tag, now[tag])
					}
				}
				if _, err := apply(t, proxy.Host, image, 8, nil); err != nil {
					t.Errorf("the next run: %v", err)
				}
				if now, _ := content(t, h.Host); !maps.Equal(now, after) || len(h.Manifests(app)) != end {
					t.Errorf("in the end there are %d manifests, want %d; tags %v", len(h.Manifests(app)), end, now)
				}
			})
		}
	}
}

// cut ends a run at one request: it or its answer is lost, and all that follow.
func cut(arrives bool) ocitest.Action {
	var once sync.Once
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		lost := ocitest.Reset()
		once.Do(func() {
			if arrives {
				lost = ocitest.LoseAnswer()
			}
		})
		lost(w, r, upstream)
	}
}
