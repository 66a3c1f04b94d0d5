package github_test

import (
	"context"
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
	"tagline/reconcile/github/githubtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
)

var both = []string{"linux/amd64", "linux/arm64"}

// old has all pushes of the test happen two months ago.
func old(g *githubtest.GitHub) {
	g.Now = func() time.Time { return time.Now().Add(-60 * 24 * time.Hour) }
}

func seed(t testing.TB, g *githubtest.GitHub, images ...demo.Image) {
	t.Helper()
	if _, err := demo.Push(t.Context(), g.Host, "owner/app", images); err != nil {
		t.Fatal(err)
	}
}

func parse(t testing.TB, host, text string) config.Image {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte("images: {owner/app: "+text+"}"), config.Options{Registry: host, Policies: policies.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Images[0]
}

// apply is one run.
func apply(t testing.TB, host string, image config.Image, atOnce int) (reconcile.Plan, error) {
	t.Helper()
	c, w := open(t, host, oci.Options{Concurrency: atOnce})
	var plan reconcile.Plan
	var errs []error
	job := reconcile.Job{Readers: c, Writers: w, Limit: reconcile.Limit{Max: 1000, Set: true}}
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

// content is what the tags name, and all that they lead to: each must be there,
// with its blobs.
func content(t testing.TB, host string) (tags map[string]string, needed map[string]bool, missing []string) {
	t.Helper()
	c, _ := open(t, host, oci.Options{})
	reader := c.Client.Reader(config.Repository{Host: host, Path: "owner/app"}) // by the OCI protocol
	names, err := reader.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tags, needed = map[string]string{}, map[string]bool{}
	for next := names; len(next) > 0; {
		var below, blobs []string
		for i, a := range reader.Manifests(t.Context(), next) {
			if errors.Is(a.Err, registry.ErrNotFound) {
				missing = append(missing, next[i])
				continue
			}
			if a.Err != nil {
				t.Fatal(a.Err)
			}
			if needed[a.Value.Digest] = true; !strings.Contains(next[i], ":") {
				tags[next[i]] = a.Value.Digest
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
				missing = append(missing, blobs[i])
			}
		}
		next = below
	}
	return tags, needed, missing
}

// Ten releases of two platforms with provenance, two of them pushed again.
func TestStory(t *testing.T) {
	g := githubtest.Start(t)
	old(g)
	for i := range 10 {
		seed(t, g, demo.Image{Tag: fmt.Sprintf("1.%d", i), Platforms: both, Provenance: true})
	}
	for _, tag := range []string{"1.3", "1.7"} {
		seed(t, g, demo.Image{Tag: tag, Platforms: both, Provenance: true, Version: tag + " again", Build: 1})
	}
	if n := len(g.Manifests("owner/app")); n != 12*5 {
		t.Fatalf("%d manifests before", n)
	}
	image := parse(t, g.Host, "{aliases: {1: 1.9, latest: 1}, policies: {provenance: purge, untagged: delete}}")
	plan, err := apply(t, g.Host, image, 8)
	if err != nil || len(plan.DeleteManifests) != 10+20+10 {
		t.Errorf("the purge: %d deletions, %v", len(plan.DeleteManifests), err)
	}
	if n := len(g.Manifests("owner/app")); n != 10*3 { // an index and two images each; the aliases have the index of 1.9
		t.Errorf("%d manifests after", n)
	}
	tags, needed, missing := content(t, g.Host)
	if len(tags) != 12 || len(needed) != 30 || len(missing) > 0 {
		t.Errorf("%d tags, %d manifests, missing %q", len(tags), len(needed), missing)
	}
	if plan, err := apply(t, g.Host, image, 8); err != nil || !plan.Empty() {
		t.Errorf("the second run: %+v, %v", plan, err)
	}
}

// Repositories that actions for GitHub have broken, since what a tag needs has no
// tag of its own. Each case is a report: what was there, and what tagline deletes
// of it, which is what no tag needs.
func TestReportedRepositories(t *testing.T) {
	again := func(image demo.Image) demo.Image {
		image.Version, image.Build = image.Tag+" again", image.Build+1
		return image
	}
	for name, test := range map[string]struct {
		images  []demo.Image
		break_  func(t *testing.T, g *githubtest.GitHub) // what another action has done before
		policy  string
		deletes int
		blocked string
	}{
		// Old releases for several platforms; all untagged versions but ten went.
		"actions/delete-package-versions#162": {
			images: []demo.Image{
				{Tag: "2.5", Platforms: both}, {Tag: "2.6", Platforms: both}, {Tag: "3.0", Platforms: both}, {Tag: "3.1", Platforms: both},
				{Tag: "4.0", Platforms: both}, {Tag: "4.1", Platforms: both}, {Tag: "latest", Platforms: both, Version: "4.1"},
			},
		},
		// One platform, and an index since provenance is on by default.
		"snok/container-retention-policy#63": {
			images: []demo.Image{{Tag: "tag", Platforms: intel, Provenance: true}, {Tag: "main", Platforms: intel, Provenance: true}},
		},
		// Untagged and older than a month, needed by tags; and a tag that had moved.
		"snok/container-retention-policy#97": {
			images: []demo.Image{
				{Tag: "1.0", Platforms: both, Provenance: true}, {Tag: "edge", Platforms: both, Provenance: true},
				again(demo.Image{Tag: "edge", Platforms: both, Provenance: true}),
			},
			deletes: 5,
		},
		// One platform with provenance, all untagged pruned.
		"vlaurin/action-ghcr-prune#76": {
			images:  []demo.Image{{Tag: "v0.0.1", Platforms: intel, Provenance: true}, again(demo.Image{Tag: "v0.0.1", Platforms: intel, Provenance: true})},
			deletes: 3,
		},
		// "latest" and releases that share its images.
		"Chizkiyahu/delete-untagged-ghcr-action#45": {
			images: []demo.Image{
				{Tag: "latest", Platforms: both, Provenance: true, Version: "1"}, {Tag: "1", Platforms: both, Provenance: true, Version: "1"},
				{Tag: "latest", Platforms: both, Provenance: true, Version: "2"}, {Tag: "2", Platforms: both, Provenance: true, Version: "2"},
			},
		},
		// An index whose image another action has deleted: the next one failed with 404.
		"dataaxiom/ghcr-cleanup-action#71": {
			images: []demo.Image{{Tag: "8.2", Platforms: both}, {Tag: "8.3", Platforms: both}, again(demo.Image{Tag: "8.3", Platforms: both})},
			break_: func(t *testing.T, g *githubtest.GitHub) {
				for _, m := range g.Manifests("owner/app") {
					if slices.Equal(m.Tags, []string{"8.2"}) {
						if status := g.Delete("owner/app", m.Children[0].Digest.String()); status/100 != 2 {
							t.Fatalf("deletion: %d", status)
						}
					}
				}
			},
			deletes: 3,
		},
		// Attestations that tags need, which the reporter wanted to be rid of: they go
		// out of their indexes first.
		"dataaxiom/ghcr-cleanup-action#102": {
			images:  []demo.Image{{Tag: "main-1", Platforms: intel, Provenance: true}, {Tag: "main-2", Platforms: both, Provenance: true}},
			policy:  "provenance: purge, ",
			deletes: 2 + 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.Start(t)
			old(g)
			for _, image := range test.images {
				seed(t, g, image)
			}
			if test.break_ != nil {
				test.break_(t, g)
			}
			tags, needed, missing := content(t, g.Host)
			untagged := 0
			for _, m := range g.Manifests("owner/app") {
				if len(m.Tags) == 0 && needed[m.Digest] {
					untagged++
				}
			}
			if untagged == 0 {
				t.Fatal("nothing untagged is needed, so this is not what was reported")
			}
			image := parse(t, g.Host, "{aliases: {stable: "+test.images[len(test.images)-1].Tag+"}, policies: {"+test.policy+"untagged: delete}}")
			plan, err := apply(t, g.Host, image, 8)
			if err != nil || len(plan.DeleteManifests) != test.deletes || len(plan.DeleteTags) > 0 {
				t.Errorf("%d manifests and %d tags are deleted, want %d: %v", len(plan.DeleteManifests), len(plan.DeleteTags), test.deletes, err)
			}
			now, _, lost := content(t, g.Host)
			if !slices.Equal(lost, missing) {
				t.Errorf("missing are %q, and were %q", lost, missing)
			}
			for tag, digest := range tags {
				if now[tag] == "" || test.policy == "" && now[tag] != digest {
					t.Errorf("tag %s was %s and is %q", tag, digest, now[tag])
				}
			}
			if plan, err := apply(t, g.Host, image, 8); err != nil || !plan.Empty() {
				t.Errorf("the second run: %+v, %v", plan, err)
			}
		})
	}
}

// A run may be cut off at any request, before the registry sees it or before its
// answer returns. No tag breaks, nothing needed is lost, and the next run ends as
// an uncut one.
func TestCutAnywhere(t *testing.T) {
	begin := func(t *testing.T) (*githubtest.GitHub, *ocitest.RegistryProxy, config.Image) {
		g := githubtest.Start(t)
		old(g)
		proxy := ocitest.Proxy(t, g.Host)
		t.Setenv("GITHUB_API_URL", "http://"+proxy.Host+"/api/v3")
		first := parse(t, proxy.Host, "{aliases: {9: {amd64: 1.0}, 10: {amd64: 1.0, arm64: 1.1}}}")
		seed(t, g, demo.Image{Tag: "1.0", Platforms: both, Provenance: true}, demo.Image{Tag: "1.1", Platforms: both, Provenance: true})
		if _, err := apply(t, proxy.Host, first, 8); err != nil {
			t.Fatal(err)
		}
		seed(t, g, demo.Image{Tag: "1.1", Platforms: both, Provenance: true, Version: "again"})
		proxy.Reset()
		return g, proxy, parse(t, proxy.Host, "{aliases: {10: {amd64: 1.0, arm64: 1.1}, latest: 10}, policies: {provenance: purge, prune: true, untagged: delete}}")
	}
	g, proxy, image := begin(t)
	before, _, _ := content(t, g.Host)
	proxy.Reset()
	if plan, err := apply(t, proxy.Host, image, 1); err != nil || len(plan.DeleteManifests) == 0 || len(plan.DeleteTags) != 1 {
		t.Fatalf("the uncut run: %+v, %v", plan, err)
	}
	requests := proxy.Trace()
	after, needed, _ := content(t, g.Host)
	end := len(g.Manifests("owner/app"))
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
	var cuts []int
	for _, i := range ocitest.Sample(t, len(reads), 3) {
		cuts = append(cuts, reads[i])
	}
	for _, i := range ocitest.Sample(t, len(writes), 6) {
		cuts = append(cuts, writes[i])
	}
	for _, at := range cuts {
		for _, answered := range []bool{false, true} {
			if answered && !slices.Contains(writes, at) {
				continue
			}
			t.Run(fmt.Sprintf("%d of %d, answered %v", at+1, len(requests), answered), func(t *testing.T) {
				g, proxy, image := begin(t)
				proxy.Script(ocitest.Fault{Skip: at, Do: cut(answered)})
				_, _ = apply(t, proxy.Host, image, 1) // its result does not matter
				proxy.Script()
				now, _, missing := content(t, g.Host)
				if len(missing) > 0 {
					t.Errorf("missing are %q", missing)
				}
				for tag, digest := range before {
					if now[tag] != digest && now[tag] != after[tag] {
						t.Errorf("tag %s is %q, neither what it was nor what it should be", tag, now[tag])
					}
				}
				if _, err := apply(t, proxy.Host, image, 8); err != nil {
					t.Errorf("the next run: %v", err)
				}
				if now, _, missing := content(t, g.Host); !maps.Equal(now, after) || len(missing) > 0 || len(g.Manifests("owner/app")) != end {
					t.Errorf("in the end there are %d manifests, want %d; tags %v, missing %q", len(g.Manifests("owner/app")), end, now, missing)
				}
			})
		}
	}
}

// cut ends a run at one request: it or its answer is lost, and all that follow.
func cut(answered bool) ocitest.Action {
	var once sync.Once
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		lost := ocitest.Reset()
		once.Do(func() {
			if answered {
				lost = ocitest.LoseAnswer()
			}
		})
		lost(w, r, upstream)
	}
}

// An interrupted run begins no deletion.
func TestInterruptedDeletions(t *testing.T) {
	g := githubtest.Start(t)
	digests := push(t, g, "owner/app", "1.0", "1.1", "1.2")
	ctx, cancel := context.WithCancel(t.Context())
	g.Answer = func(_ http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodDelete {
			cancel() // while the first is under way
		}
		return false
	}
	_, w := open(t, g.Host, oci.Options{})
	errs := w.Writer(config.Repository{Host: g.Host, Path: "owner/app"}).DeleteManifests(ctx, []string{digests["1.0"], digests["1.1"]})
	if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || len(g.Manifests("owner/app")) != 2 {
		t.Errorf("%v; %d manifests are left", errs, len(g.Manifests("owner/app")))
	}
}
