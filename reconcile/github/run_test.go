package github_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/github/githubtest"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/oci"
)

var both = []string{"linux/amd64", "linux/arm64"}

func old(g *githubtest.GitHub) { kindstest.Old(g.Registry) }

func seed(t testing.TB, g *githubtest.GitHub, images ...demo.Image) {
	tested.Seed(t, g.Registry, images...)
}

func TestStory(t *testing.T)       { kindstest.Story(t, tested) }
func TestCutAnywhere(t *testing.T) { kindstest.Cut(t, tested) }
func TestLateTag(t *testing.T)     { kindstest.LateTag(t, tested) }

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
			before := tested.Content(t, g.Host)
			untagged := 0
			for _, m := range g.Manifests("owner/app") {
				if len(m.Tags) == 0 && before.Needed[m.Digest] {
					untagged++
				}
			}
			if untagged == 0 {
				t.Fatal("nothing untagged is needed, so this is not what was reported")
			}
			image := tested.Image(t, g.Host, "{aliases: {stable: "+test.images[len(test.images)-1].Tag+"}, policies: {"+test.policy+"untagged: delete}}")
			plan, err := tested.Apply(t, image, kindstest.Run{AtOnce: 8})
			if err != nil || len(plan.DeleteManifests) != test.deletes || len(plan.DeleteTags) > 0 {
				t.Errorf("%d manifests and %d tags are deleted, want %d: %v", len(plan.DeleteManifests), len(plan.DeleteTags), test.deletes, err)
			}
			now := tested.Content(t, g.Host)
			if !slices.Equal(now.Missing, before.Missing) {
				t.Errorf("missing are %q, and were %q", now.Missing, before.Missing)
			}
			for tag, digest := range before.Tags {
				if now.Tags[tag] == "" || test.policy == "" && now.Tags[tag] != digest {
					t.Errorf("tag %s was %s and is %q", tag, digest, now.Tags[tag])
				}
			}
			if plan, err := tested.Apply(t, image, kindstest.Run{AtOnce: 8}); err != nil || !plan.Empty() {
				t.Errorf("the second run: %+v, %v", plan, err)
			}
		})
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
	errs := w.Writer(config.Repository{Host: g.Host, Path: "owner/app"}).DeleteManifests(ctx, kindstest.Removals(digests, "1.0", "1.1"))
	if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || len(g.Manifests("owner/app")) != 2 {
		t.Errorf("%v; %d manifests are left", errs, len(g.Manifests("owner/app")))
	}
}
