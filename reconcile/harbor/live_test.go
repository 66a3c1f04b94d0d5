package harbor_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// TestLive makes a repository, purges it, and deletes it again. TAGLINE_LIVE_HARBOR
// is where: HOST/PROJECT, with the login of "docker login HOST". Without it, the
// emulator stands in. It is for a project without rules for immutable tags.
func TestLive(t *testing.T) {
	live := os.Getenv("TAGLINE_LIVE_HARBOR")
	where := cmp.Or(live, harbortest.Start(t).Host+"/project")
	host, project, ok := strings.Cut(where, "/")
	if !ok || strings.Contains(project, "/") {
		t.Fatalf("TAGLINE_LIVE_HARBOR %q is not HOST/PROJECT", live)
	}
	repository := config.Repository{Host: host, Path: fmt.Sprintf("%s/tagline-test/run-%d", project, time.Now().UnixNano())}
	c := kinds.New(ecr.Options{OCI: oci.Options{}}, map[string]config.Registry{host: {Kind: config.Harbor}})
	t.Cleanup(c.Close)
	writers := kinds.NewWriters(c)
	t.Cleanup(func() {
		if live != "" {
			removeRepository(t, c, repository)
		}
	})
	digests, err := demo.Push(t.Context(), host, repository.Path, []demo.Image{
		{Tag: "1.0", Platforms: both, Provenance: true}, {Tag: "1.1", Platforms: both, Provenance: true, Artifact: true}, {Tag: "1.2", Platforms: intel},
	}, remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Reader(repository).Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Manifests) != 11 {
		t.Errorf("%d manifests are listed, and 11 were pushed: %+v", len(all.Manifests), all.Manifests)
	}
	for _, m := range all.Manifests {
		if age := all.Now.Sub(m.Pushed); m.Pushed.IsZero() || age > time.Hour || age < -time.Minute {
			t.Errorf("%s was pushed %v, and now it is %v", m.Digest, m.Pushed, all.Now)
		}
	}
	errs := writers.Writer(repository).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.2", Digest: digests["1.1"]}, {Tag: "1.2", Digest: digests["1.2"]}})
	if moved := (*registry.MovedError)(nil); errs[1] != nil || errs[0] == nil {
		t.Errorf("the deletion of a tag: %v, want %T and nil", errs, moved)
	}
	image := parseAt(t, repository, "{aliases: {1: '1.1'}, policies: {provenance: purge}}")
	for run := range 2 {
		job := reconcile.Job{Readers: c, Writers: writers, Limit: reconcile.Limit{Max: 100, Set: true}}
		reconcile.RunAll(t.Context(), job, []config.Image{image}, func(p reconcile.Plan, r reconcile.Result) {
			for _, o := range append(append(r.Pushed, r.Deleted...), r.Removed...) {
				if o.Err != nil {
					t.Errorf("run %d: %s: %v", run, o.Tag, o.Err)
				}
			}
			if len(p.Errors) > 0 || run == 1 && !p.Empty() {
				t.Errorf("run %d: %+v", run, p)
			}
		})
		c = kinds.New(ecr.Options{OCI: oci.Options{}}, map[string]config.Registry{host: {Kind: config.Harbor}})
		t.Cleanup(c.Close)
		writers = kinds.NewWriters(c)
	}
	all, err = c.Reader(repository).Inventory(t.Context())
	if err != nil || len(all.Manifests) != 7 { // two indexes of two images, and 1.2 without its tag
		t.Errorf("%d manifests are left, want 7: %v", len(all.Manifests), err)
	}
}

func parseAt(t *testing.T, repository config.Repository, text string) config.Image {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte("images: {"+repository.Path+": "+text+"}"), config.Options{Registry: repository.Host, Policies: policies.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Images[0]
}

// removeRepository needs the permission "Delete Repository" (api/v2.0/swagger.yaml,
// deleteRepository).
func removeRepository(t *testing.T, c *kinds.Client, repository config.Repository) {
	ctx := context.WithoutCancel(t.Context())
	base, client, err := c.OCI().Direct(ctx, repository)
	if err != nil {
		t.Error(err)
		return
	}
	project, name, _ := strings.Cut(repository.Path, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, base+"/api/v2.0/projects/"+project+"/repositories/"+url.PathEscape(url.PathEscape(name)), nil)
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("%s is not deleted: %s", repository, resp.Status)
	}
}
