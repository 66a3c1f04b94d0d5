package azure_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// TestLive holds what is assumed of Azure against the emulator, and against the
// real service if TAGLINE_LIVE_AZURE names a place there, such as
// "myregistry.azurecr.io/scratch". It makes a repository below that, and removes it.
// The credentials are those of docker login or az acr login.
func TestLive(t *testing.T) {
	unique := fmt.Sprintf("tagline-%d", time.Now().UnixNano())
	t.Run("emulator", func(t *testing.T) {
		assumed(t, config.Repository{Host: azuretest.Start(t).Host, Path: "scratch/" + unique})
	})
	t.Run("Azure", func(t *testing.T) {
		live := os.Getenv("TAGLINE_LIVE_AZURE")
		if live == "" {
			t.Skip("no TAGLINE_LIVE_AZURE=REGISTRY.azurecr.io/PATH to hold this against")
		}
		host, path, ok := strings.Cut(live, "/")
		if !ok {
			t.Fatalf("TAGLINE_LIVE_AZURE %q is not REGISTRY.azurecr.io/PATH", live)
		}
		assumed(t, config.Repository{Host: host, Path: path + "/" + unique})
	})
}

func assumed(t *testing.T, repository config.Repository) {
	over := oci.New(oci.Options{})
	t.Cleanup(over.Close)
	call := func(method, path, action, body string) {
		t.Helper()
		client, err := over.Authorized(t.Context(), repository, action)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, over.URL(repository, "/acr/v1/"+repository.Path+path), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %s", method, path, resp.Status)
		}
	}
	images := releases()[:3]
	for i := range 15 {
		images = append(images, demo.Image{Tag: fmt.Sprintf("same-%02d", i), Version: "same", Platforms: intel})
	}
	digests, err := demo.Push(t.Context(), repository.Host, repository.Path, images, remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		t.Fatal(err)
	}
	defer call(http.MethodDelete, "", "delete", "")

	open := func() (registry.Reader, registry.Writer) {
		c := kinds.New(ecr.Options{}, map[string]config.Registry{repository.Host: {Kind: config.Azure}})
		t.Cleanup(c.Close)
		return c.Reader(repository), kinds.NewWriters(c).Writer(repository)
	}
	inventory := func() (map[string]registry.StoredManifest, error) {
		reader, _ := open()
		all, err := reader.Inventory(t.Context())
		by := map[string]registry.StoredManifest{}
		for _, m := range all.Manifests {
			by[m.Digest] = m
		}
		return by, err
	}
	all, err := inventory()
	if err != nil || len(all) != 3*5+1 || len(all[digests["same-00"]].Tags) != 15 {
		t.Errorf("the inventory has %d manifests, and one with the tags %q: %v", len(all), all[digests["same-00"]].Tags, err)
	}
	for _, m := range all {
		if m.MediaType == "" || m.Pushed.IsZero() {
			t.Errorf("a manifest without media type or time: %+v", m)
		}
	}

	t.Run("a locked tag can't be moved or deleted", func(t *testing.T) {
		call(http.MethodPatch, "/_tags/1.0", "metadata_write", `{"writeEnabled":false}`)
		defer call(http.MethodPatch, "/_tags/1.0", "metadata_write", `{"writeEnabled":true}`)
		reader, writer := open()
		if facts, err := reader.Facts(t.Context()); err != nil || !facts.Tags.Fixed("1.0") || facts.Tags.Fixed("1.1") {
			t.Errorf("facts: %+v, %v", facts, err)
		}
		raw := reader.Manifests(t.Context(), []string{digests["1.1"]})[0].Value
		errs := append(writer.Put(t.Context(), []registry.TaggedManifest{{Tag: "1.0", Manifest: raw}}),
			writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})...)
		// Invented until it is seen here: a tag's lock holds its manifest.
		errs = append(errs, writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0"))...)
		for i, err := range errs {
			if err == nil || !strings.Contains(err.Error(), "it is locked") {
				t.Errorf("write %d: %v", i, err)
			}
		}
	})
	t.Run("what is hidden is counted", func(t *testing.T) { // invented until it is seen here
		call(http.MethodPatch, "/_manifests/"+digests["1.2"], "metadata_write", `{"listEnabled":false}`)
		defer call(http.MethodPatch, "/_manifests/"+digests["1.2"], "metadata_write", `{"listEnabled":true}`)
		if _, err := inventory(); err == nil {
			t.Error("the inventory is told without what is hidden")
		}
	})
	t.Run("a tag goes without its manifest", func(t *testing.T) {
		_, writer := open()
		for _, err := range writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "same-00", Digest: digests["same-00"]}}) {
			if err != nil {
				t.Error(err)
			}
		}
		if a := writer.Resolve(t.Context(), []string{digests["same-00"], "same-00"}); a[0].Err != nil || !errors.Is(a[1].Err, registry.ErrNotFound) {
			t.Errorf("%+v", a)
		}
	})
	t.Run("what is not there is deleted without an error", func(t *testing.T) {
		_, writer := open()
		if err := writer.DeleteManifests(t.Context(), registry.Removals("sha256:"+strings.Repeat("0", 64)))[0]; err != nil {
			t.Error(err)
		}
	})
	t.Run("a purge", func(t *testing.T) {
		k := kindstest.Kind{Kind: config.Azure, Path: repository.Path}
		image := k.Image(t, repository.Host, "{aliases: {latest: 1.2}, policies: {provenance: purge, untagged: delete}}")
		if _, err := k.Apply(t, image, kindstest.Run{AtOnce: 8}); err != nil {
			t.Error(err)
		}
		if plan, err := k.Apply(t, image, kindstest.Run{AtOnce: 8}); err != nil || !plan.Empty() {
			t.Errorf("the second run: %+v, %v", plan, err)
		}
		left, err := inventory()
		if err != nil || len(left) != 3*3+1 {
			t.Errorf("%d manifests are left: %v", len(left), err)
		}
		reader, _ := open()
		var due []string
		for _, tag := range []string{"1.0", "1.1", "1.2", "latest"} {
			for digest, m := range left {
				if slices.Contains(m.Tags, tag) {
					due = append(due, digest)
				}
			}
		}
		for len(due) > 0 {
			var below []string
			for i, a := range reader.Manifests(t.Context(), due) {
				m, err := registry.ParseManifest(a.Value)
				if a.Err != nil || err != nil {
					t.Fatalf("%s can't be pulled: %v, %v", due[i], a.Err, err)
				}
				for _, child := range m.Children {
					below = append(below, child.Digest.String())
				}
			}
			due = below
		}
	})
}
