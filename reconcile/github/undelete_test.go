package github_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/github/githubtest"
	"tagline/reconcile/oci"
)

// bin is a trash in memory.
type bin struct{ records []reconcile.Record }

func (b *bin) Deleted(config.Repository) {}

func (b *bin) Keep(of config.Repository, what []reconcile.Kept) error {
	b.records = append(b.records, reconcile.Record{Run: "run", Time: time.Now(), Repository: of, Kept: what})
	return nil
}

// What a run has deleted is put back by its bytes, or by GitHub itself where the
// blobs are gone.
func TestRestore(t *testing.T) {
	for name, test := range map[string]struct {
		loses   bool // blobs
		again   bool // the deleted tag is pushed again
		posts   int
		blocked string
	}{
		"by its bytes":        {},
		"by GitHub":           {loses: true, posts: 2},
		"its tag names more":  {loses: true, again: true, posts: 1, blocked: "it refers to what is gone"},
		"and not by its tags": {again: true, blocked: "its tag can't be put back"},
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.Start(t)
			old(g)
			seed(t, g, demo.Image{Tag: "1.0", Platforms: intel}, demo.Image{Tag: "9", Platforms: intel}, demo.Image{Tag: "1.1", Platforms: intel})
			seed(t, g, demo.Image{Tag: "1.1", Platforms: intel, Version: "1.1 again"})
			before := g.Manifests("owner/app")
			image := tested.Image(t, g.Host, "{aliases: {1: 1.0, 9: absent}, policies: {untagged: delete}}")
			c, w := open(t, g.Host, oci.Options{})
			trash := &bin{}
			plan, result := reconcile.Run(t.Context(), reconcile.Job{Readers: c, Writers: w, Trash: trash, Limit: reconcile.Limit{Max: 100, Set: true}}, image)
			if len(plan.DeleteTags) != 1 || len(plan.DeleteManifests) < 1 || len(g.Manifests("owner/app")) != 2 {
				t.Fatalf("%+v, %+v", plan, result)
			}
			g.LosesBlobs = test.loses
			if test.again {
				seed(t, g, demo.Image{Tag: "9", Platforms: intel, Version: "9 again"})
			}
			now := len(g.Manifests("owner/app"))
			found, _ := reconcile.Choose(trash.records, nil, "", time.Time{})
			g.Requests()
			for _, dry := range []bool{true, false} {
				c, w := open(t, g.Host, oci.Options{})
				var restored reconcile.Restored
				if dry {
					restored = reconcile.Restore(t.Context(), c, nil, found[0], false)
				} else {
					restored = reconcile.Restore(t.Context(), c, w, found[0], false)
				}
				blocked := ""
				for _, one := range slices.Concat(restored.Manifests, restored.Tags) {
					if one.Err != nil {
						t.Errorf("%+v", one)
					}
					if blocked == "" {
						blocked = one.Blocked
					}
				}
				if (blocked == "") != (test.blocked == "") || !strings.Contains(blocked, test.blocked) {
					t.Errorf("dry run %v: blocked is %q, want %q", dry, blocked, test.blocked)
				}
				if dry && len(g.Manifests("owner/app")) != now {
					t.Error("a dry run has changed something")
				}
			}
			posts := 0
			for _, r := range g.Requests() {
				if strings.HasPrefix(r, "POST /api/") && strings.HasSuffix(r, "/restore") {
					posts++
				}
			}
			if posts != test.posts {
				t.Errorf("GitHub restored %d versions, want %d", posts, test.posts)
			}
			if test.blocked == "" && len(g.Manifests("owner/app")) != len(before) {
				t.Errorf("%d manifests, want %d", len(g.Manifests("owner/app")), len(before))
			}
		})
	}
}
