package google_test

import (
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/google"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/google/googletest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/listing/listingtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// TestMain collects garbage less often: the tests allocate much and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// tested is what the tests of every kind need to know of this one.
var tested = kindstest.Kind{Kind: config.Google, Path: "project/repository/app", Start: googletest.Start}

func open(t *testing.T, r *listingtest.Registry) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	return tested.Open(t, r.Host, oci.Options{})
}

func TestContract(t *testing.T) {
	tested.Contract(t, googletest.Start(t), registrytest.Backend{Lists: true, KeepsChildren: true})
}

func TestStory(t *testing.T)       { kindstest.Story(t, tested) }
func TestCutAnywhere(t *testing.T) { kindstest.Cut(t, tested) }
func TestLateTag(t *testing.T)     { kindstest.LateTag(t, tested) }

func TestCalls(t *testing.T) {
	kindstest.Calls(t, tested, func(aliases int) (listing, tagByTag kindstest.Requests) {
		// GET /v2/ and the listing; without a cache, each alias's manifest too.
		return kindstest.Requests{Cold: 2 + aliases, Warm: 2}, kindstest.Requests{Cold: 4*aliases + 1, Warm: 3*aliases + 1}
	})
}

// A no-op of many tags is the listing and nothing else.
func TestOneRequestForAllTags(t *testing.T) {
	r := googletest.Start(t)
	var images []demo.Image
	var tags []string
	for _, tag := range strings.Fields("1.0 1.1 1.2 1.3 1.4") {
		images, tags = append(images, demo.Image{Tag: tag, Platforms: []string{"linux/amd64"}}), append(tags, tag)
	}
	digests, err := demo.Push(t.Context(), r.Host, "project/app", images)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := open(t, r)
	r.Requests()
	reader := c.Reader(config.Repository{Host: r.Host, Path: "project/app"})
	for i, answer := range reader.Resolve(t.Context(), tags) {
		if answer.Err != nil || answer.Value.Digest != digests[tags[i]] {
			t.Errorf("%s: %+v, want %s", tags[i], answer, digests[tags[i]])
		}
	}
	if got := r.Requests(); !slices.Equal(got, []string{"GET /v2/", "GET /v2/project/app/tags/list"}) {
		t.Errorf("requests are %q", got)
	}
}

// go-containerregistry's own reader understands the emulator.
func TestSecondOpinion(t *testing.T) {
	r := googletest.Start(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Now = func() time.Time { return at }
	digests, err := demo.Push(t.Context(), r.Host, "app", demo.Samples())
	if err != nil {
		t.Fatal(err)
	}
	repository, err := name.NewRepository(r.Host + "/app")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := google.List(repository, google.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := open(t, r)
	ours, err := c.Reader(config.Repository{Host: r.Host, Path: "app"}).Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(ours.Manifests) != len(theirs.Manifests) || len(ours.Manifests) < len(digests) {
		t.Errorf("we read %d manifests, go-containerregistry %d", len(ours.Manifests), len(theirs.Manifests))
	}
	for _, m := range ours.Manifests {
		info := theirs.Manifests[m.Digest]
		if info.MediaType != m.MediaType || !slices.Equal(info.Tags, m.Tags) || !m.Pushed.Equal(at) {
			t.Errorf("%s: we read %+v, go-containerregistry %+v", m.Digest, m, info)
		}
	}
}

// A refusal is that of one manifest; the others go.
func TestRefusedDeletion(t *testing.T) {
	r := googletest.Start(t)
	digests, err := demo.Push(t.Context(), r.Host, "app", []demo.Image{
		{Tag: "1.0", Platforms: []string{"linux/amd64"}},
		{Tag: "1.1", Platforms: []string{"linux/amd64"}},
		{Tag: "all", Platforms: []string{"linux/amd64", "linux/arm64"}, Version: "1.0"}, // lists 1.0
	})
	if err != nil {
		t.Fatal(err)
	}
	_, w := open(t, r)
	errs := w.Writer(config.Repository{Host: r.Host, Path: "app"}).DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0", "1.1"))
	if errs[0] == nil || errors.Is(errs[0], registry.ErrUnsupported) || !strings.Contains(errs[0].Error(), "referenced by one or more parent images") {
		t.Errorf("what an index lists: %v", errs[0])
	}
	if errs[1] != nil {
		t.Errorf("what no index lists: %v", errs[1])
	}
}

// If the tags that protect a manifest can't be listed, the refusal says that, too.
func TestRefusedDeletionWithoutAList(t *testing.T) {
	r := googletest.Start(t)
	digests, err := demo.Push(t.Context(), r.Host, "app", []demo.Image{{Tag: "1.0", Platforms: []string{"linux/amd64"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, w := open(t, r)
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		if strings.HasSuffix(req.URL.Path, "/tags/list") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		next(w, req)
	})
	err = w.Writer(config.Repository{Host: r.Host, Path: "app"}).DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0"))[0]
	if err == nil || errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "referenced by one or more tags") || !strings.Contains(err.Error(), "its tags could not be listed") {
		t.Errorf("%v", err)
	}
}

// A host that is called Google's by images.yaml, and is not.
func TestNotGoogle(t *testing.T) {
	r := listingtest.Start(t, func(r *listingtest.Registry) http.Handler { return r })
	if _, err := demo.Push(t.Context(), r.Host, "app", demo.Samples()); err != nil {
		t.Fatal(err)
	}
	c, _ := open(t, r)
	reader := c.Reader(config.Repository{Host: r.Host, Path: "app"})
	if _, err := reader.Inventory(t.Context()); err == nil || !strings.Contains(err.Error(), "no registry of Google's") {
		t.Errorf("inventory: %v", err)
	}
	for _, answer := range reader.Resolve(t.Context(), []string{"10.10", "10.20"}) {
		if answer.Err != nil {
			t.Errorf("tags are still found one by one: %v", answer.Err)
		}
	}
}
