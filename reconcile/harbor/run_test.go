package harbor_test

import (
	"testing"

	"tagline/reconcile/demo"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/oci"
)

var (
	intel = []string{"linux/amd64"}
	both  = []string{"linux/amd64", "linux/arm64"}
)

const app = "project/team/app"

func old(h *harbortest.Harbor) { kindstest.Old(h.Registry) }

func seed(t testing.TB, h *harbortest.Harbor, images ...demo.Image) map[string]string {
	t.Helper()
	return tested.Seed(t, h.Registry, images...)
}

func clients(t testing.TB, host string, options oci.Options) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	return tested.Open(t, host, options)
}

func TestStory(t *testing.T)       { kindstest.Story(t, tested) }
func TestCutAnywhere(t *testing.T) { kindstest.Cut(t, tested) }
func TestLateTag(t *testing.T)     { kindstest.LateTag(t, tested) }

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
	image := tested.Image(t, h.Host, "{aliases: {1: 1.0, old: '"+pinned+"'}, policies: {untagged: delete}}")
	if _, err := tested.Apply(t, image, kindstest.Run{AtOnce: 8}); err != nil {
		t.Error(err)
	}
	if has := tested.Content(t, h.Host); len(has.Missing) > 0 || has.Tags["old"] != pinned {
		t.Errorf("tags are %v, missing %q", has.Tags, has.Missing)
	}
	// A tag protects what it names, so its index can go.
	if plan, err := tested.Apply(t, image, kindstest.Run{AtOnce: 8}); err != nil || !plan.Empty() {
		t.Errorf("the second run: %+v, %v", plan, err)
	}
	if n := len(h.Manifests(app)); n != 4 {
		t.Errorf("%d manifests are left, want two images in an index, and the one with a tag", n)
	}
}
