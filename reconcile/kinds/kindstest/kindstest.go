// Package kindstest has the tests that every kind of registry passes: a purge of ten
// releases, a run that is cut off anywhere, and the requests of a run that has
// nothing to do.
package kindstest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/cache"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/listing/listingtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// Kind is a kind of registry, with its emulator.
type Kind struct {
	Kind config.RegistryKind
	Path string // a repository that the kind accepts
	// Start serves an empty registry until the test ends, and sets the environment
	// that the kind needs.
	Start func(t testing.TB) *listingtest.Registry
}

var (
	intel = []string{"linux/amd64"}
	both  = []string{"linux/amd64", "linux/arm64"}
)

// Open begins a run. It tries each request once unless the options say otherwise.
func (k Kind) Open(t testing.TB, host string, options oci.Options) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	if options.Patience == (transport.Patience{}) {
		options.Patience.Attempts = 1
	}
	c := kinds.New(ecr.Options{OCI: options}, map[string]config.Registry{host: {Kind: k.Kind}})
	t.Cleanup(c.Close)
	return c, kinds.NewWriters(c)
}

// Contract tests the emulator r by the contract of registries. differs says what
// is special about it.
func (k Kind) Contract(t *testing.T, r *listingtest.Registry, differs registrytest.Backend) {
	t.Helper()
	differs.Host, differs.Protects = r.Host, true
	differs.Open = func(t *testing.T, _ ...config.Repository) (registry.Readers, registry.Writers) {
		return k.Open(t, r.Host, oci.Options{})
	}
	differs.Seed = func(t *testing.T, repository config.Repository, tag string, objects ...demo.Object) {
		t.Helper()
		if err := demo.PushObjects(t.Context(), repository.Host, repository.Path, tag, objects); err != nil {
			t.Fatal(err)
		}
	}
	differs.Requests = func() int { return len(r.Requests()) }
	registrytest.Test(t, differs)
}

// Seed pushes images to the repository, and returns the digest of each tag.
func (k Kind) Seed(t testing.TB, r *listingtest.Registry, images ...demo.Image) map[string]string {
	t.Helper()
	digests, err := demo.Push(t.Context(), r.Host, k.Path, images)
	if err != nil {
		t.Fatal(err)
	}
	return digests
}

// Old has all later pushes happen two months ago.
func Old(r *listingtest.Registry) {
	r.Now = func() time.Time { return time.Now().Add(-60 * 24 * time.Hour) }
}

// Image is the repository with the settings of images.yaml, such as
// "{aliases: {1: 1.9}}".
func (k Kind) Image(t testing.TB, host, settings string) config.Image {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte("images: {"+k.Path+": "+settings+"}"), config.Options{Registry: host, Policies: policies.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Images[0]
}

// Run is how an image is applied. The zero value makes one request at a time.
type Run struct {
	AtOnce int
	Dry    bool
	Trash  reconcile.Trash
	Cache  string // folder
}

// Apply is one run. Its error has all that went wrong.
func (k Kind) Apply(t testing.TB, image config.Image, run Run) (reconcile.Plan, error) {
	t.Helper()
	c, w := k.Open(t, image.Repository.Host, oci.Options{Concurrency: max(1, run.AtOnce)})
	job := reconcile.Job{Readers: c, Trash: run.Trash, Limit: reconcile.Limit{Max: 1000, Set: true}}
	if run.Cache != "" {
		kept := cache.Open(run.Cache, cache.DefaultLimit, func(err error) { t.Error(err) })
		defer kept.Close()
		job.Readers = kept.Readers(c, []config.Image{image})
	}
	if !run.Dry {
		job.Writers = w
	}
	var plan reconcile.Plan
	var errs []error
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

// Content is what a repository has, by the OCI protocol.
type Content struct {
	Tags    map[string]string // with their digests
	Needed  map[string]bool   // the digests of the manifests that tags lead to
	Missing []string          // manifests and blobs that tags lead to and that are not there
}

// Content reads all that tags lead to, down to the blobs.
func (k Kind) Content(t testing.TB, host string) Content {
	t.Helper()
	c, _ := k.Open(t, host, oci.Options{})
	reader := c.Client.Reader(config.Repository{Host: host, Path: k.Path}) // by the OCI protocol
	open, err := reader.Tags(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	has := Content{Tags: map[string]string{}, Needed: map[string]bool{}}
	for len(open) > 0 {
		var below, blobs []string
		for i, a := range reader.Manifests(t.Context(), open) {
			if errors.Is(a.Err, registry.ErrNotFound) {
				has.Missing = append(has.Missing, open[i])
				continue
			}
			if a.Err != nil {
				t.Fatal(a.Err)
			}
			if has.Needed[a.Value.Digest] = true; !strings.Contains(open[i], ":") {
				has.Tags[open[i]] = a.Value.Digest
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
				has.Missing = append(has.Missing, blobs[i])
			}
		}
		open = below
	}
	return has
}
