package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// TestLive holds the emulator against ghcr.io. TAGLINE_LIVE_GITHUB names an owner,
// and GITHUB_TOKEN may write and delete packages there. The test makes a package of
// its own and removes it.
func TestLive(t *testing.T) {
	owner, token := os.Getenv("TAGLINE_LIVE_GITHUB"), os.Getenv("GITHUB_TOKEN")
	if owner == "" || token == "" {
		t.Skip("no TAGLINE_LIVE_GITHUB=OWNER and GITHUB_TOKEN to hold the emulator against")
	}
	repository := config.Repository{Host: "ghcr.io", Path: strings.ToLower(owner) + fmt.Sprintf("/tagline-live-%d", time.Now().Unix())}
	auth := login{authn.AuthConfig{Username: owner, Password: token}}
	t.Cleanup(func() { removePackage(t, repository, token) })
	digests := map[string]string{}
	for _, image := range []demo.Image{{Tag: "1.0", Platforms: both, Provenance: true}, {Tag: "1.1", Platforms: intel}, {Tag: "1.2", Platforms: intel}, {Tag: "1.2", Platforms: intel, Version: "again"}} {
		objects, err := image.Objects()
		if err != nil {
			t.Fatal(err)
		}
		if err := demo.PushObjects(t.Context(), repository.Host, repository.Path, image.Tag, objects, remote.WithAuth(auth)); err != nil {
			t.Fatal(err)
		}
		digests[image.Tag+image.Version] = objects[len(objects)-1].Digest.String()
	}
	c := kinds.New(ecr.Options{OCI: oci.Options{Keychain: auth}}, nil)
	t.Cleanup(c.Close)
	writer := kinds.NewWriters(c).Writer(repository)
	inventory := func() map[string][]string {
		t.Helper()
		fresh := kinds.New(ecr.Options{OCI: oci.Options{Keychain: auth}}, nil)
		defer fresh.Close()
		all, err := fresh.Reader(repository).Inventory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tags := map[string][]string{}
		for _, m := range all.Manifests {
			if m.Pushed.IsZero() || all.Now.Sub(m.Pushed).Abs() > time.Hour {
				t.Errorf("%s was pushed %v, and now it is %v", m.Digest, m.Pushed, all.Now)
			}
			tags[m.Digest] = m.Tags
		}
		return tags
	}
	if all := inventory(); len(all) != 5+3 || !slices.Equal(all[digests["1.0"]], []string{"1.0"}) || len(all[digests["1.2"]]) != 0 {
		t.Fatalf("the listing is %v", all)
	}
	if err := writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.2"))[0]; err != nil {
		t.Fatalf("an untagged version: %v", err)
	}
	if err := writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.1", Digest: digests["1.1"]}})[0]; err != nil {
		t.Fatalf("a tag with its version: %v", err)
	}
	if all := inventory(); len(all) != 6 {
		t.Errorf("after the deletions the listing is %v", all)
	}
	if a := writer.Resolve(t.Context(), []string{digests["1.1"]})[0]; !errors.Is(a.Err, registry.ErrNotFound) {
		t.Errorf("the deleted version by the OCI protocol: %+v", a)
	}
	reader := c.Reader(repository)
	if a := registry.Deleted(t.Context(), reader, []string{digests["1.1"]})[0]; a.Err != nil || !a.Value {
		t.Errorf("the deleted version: %+v", a)
	}
	if err := registry.Undelete(t.Context(), writer, []string{digests["1.1"]})[0]; err != nil {
		t.Errorf("restore: %v", err)
	}
	if all := inventory(); !slices.Equal(all[digests["1.1"]], []string{"1.1"}) {
		t.Errorf("after the restore the listing is %v", all)
	}
}

func removePackage(t *testing.T, repository config.Repository, token string) {
	owner, name, _ := strings.Cut(repository.Path, "/")
	for _, base := range []string{"/orgs/" + owner, "/user"} {
		req, err := http.NewRequest(http.MethodDelete, "https://api.github.com"+base+"/packages/container/"+url.PathEscape(name), nil) //nolint:noctx // the test's context has ended
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusNoContent {
			return
		}
	}
	t.Errorf("%s was not removed", repository)
}
