package google_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/google"
	"tagline/reconcile/google/googletest"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// TestLive makes a repository, purges it, and deletes what is left.
// TAGLINE_LIVE_GOOGLE is where, such as
// "europe-docker.pkg.dev/PROJECT/REPOSITORY". Without it, the emulator stands in.
func TestLive(t *testing.T) {
	live := os.Getenv("TAGLINE_LIVE_GOOGLE")
	host, path, ok := strings.Cut(cmp.Or(live, googletest.Start(t).Host+"/project/repository"), "/")
	if !ok {
		t.Fatalf("TAGLINE_LIVE_GOOGLE %q is not HOST/PROJECT/REPOSITORY", live)
	}
	k := kindstest.Kind{Kind: config.Google, Path: fmt.Sprintf("%s/tagline-%d", path, time.Now().UnixNano())}
	repository := config.Repository{Host: host, Path: k.Path}
	images := []demo.Image{
		{Tag: "1.0", Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: true},
		{Tag: "1.1", Platforms: []string{"linux/amd64"}},
	}
	keychain := google.Logins(authn.DefaultKeychain)
	t.Cleanup(func() { removeAll(t, k, repository) })
	if _, err := demo.Push(t.Context(), host, k.Path, images, remote.WithAuthFromKeychain(keychain)); err != nil {
		t.Fatal(err)
	}
	inventory := func() registry.Inventory {
		t.Helper()
		c, _ := k.Open(t, host, oci.Options{})
		all, err := c.Reader(repository).Inventory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := inventory()
	if len(all.Manifests) != 5+1 {
		t.Errorf("%d manifests are listed, and 6 were pushed: %+v", len(all.Manifests), all.Manifests)
	}
	for _, m := range all.Manifests {
		if m.MediaType == "" || m.Pushed.IsZero() || all.Now.Sub(m.Pushed).Abs() > time.Hour {
			t.Errorf("now it is %v: %+v", all.Now, m)
		}
	}
	image := k.Image(t, host, "{aliases: {latest: 1.0}, policies: {provenance: purge, untagged: delete}}")
	if _, err := k.Apply(t, image, kindstest.Run{AtOnce: 8}); err != nil {
		t.Error(err)
	}
	if plan, err := k.Apply(t, image, kindstest.Run{AtOnce: 8}); err != nil || !plan.Empty() {
		t.Errorf("the second run: %+v, %v", plan, err)
	}
	if left := inventory(); len(left.Manifests) != 3+1 {
		t.Errorf("%d manifests are left, want 4", len(left.Manifests))
	}
	if has := k.Content(t, host); len(has.Tags) != 3 || len(has.Missing) > 0 {
		t.Errorf("tags are %v, missing %q", has.Tags, has.Missing)
	}
}

// removeAll deletes every manifest. Those that others list go in a later round.
func removeAll(t *testing.T, k kindstest.Kind, repository config.Repository) {
	ctx := context.WithoutCancel(t.Context())
	var refused error
	for range 5 {
		c, w := k.Open(t, repository.Host, oci.Options{})
		all, err := c.Reader(repository).Inventory(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		var due []registry.Removal
		for _, m := range all.Manifests {
			due = append(due, registry.Removal{Digest: m.Digest, Tags: m.Tags})
		}
		if refused = errors.Join(w.Writer(repository).DeleteManifests(ctx, due)...); refused == nil {
			return
		}
	}
	t.Errorf("%s is not empty: %v", repository, refused)
}
