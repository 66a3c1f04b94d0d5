package kindstest

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// Removals deletes what tags name, by its digest, and lets each tag go with it.
func Removals(digests map[string]string, tags ...string) []registry.Removal {
	var all []registry.Removal
	for _, tag := range tags {
		all = append(all, registry.Removal{Digest: digests[tag], Tags: []string{tag}})
	}
	return all
}

// LateTag tests that a deletion which is sent again looks for tags once more: the
// registry does not answer the first one, and meanwhile another job tags the manifest.
func LateTag(t *testing.T, k Kind) {
	r := k.Start(t)
	digests := k.Seed(t, r, demo.Image{Tag: "1.0", Platforms: intel}, demo.Image{Tag: "1.1", Platforms: intel})
	_, w := k.Open(t, r.Host, oci.Options{Patience: transport.Patience{Attempts: 3, Backoff: time.Millisecond}})
	var first sync.Once
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		if req.Method == http.MethodDelete {
			first.Do(func() {
				k.Seed(t, r, demo.Image{Tag: "release", Platforms: intel, Version: "1.0"})
				next = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
			})
		}
		next(w, req)
	})
	err := w.Writer(config.Repository{Host: r.Host, Path: k.Path}).DeleteManifests(t.Context(), Removals(digests, "1.0"))[0]
	if tagged := (*registry.TaggedError)(nil); !errors.As(err, &tagged) || !slices.Equal(tagged.Tags, []string{"release"}) {
		t.Errorf("got %v, want that it has the tag \"release\"", err)
	}
	if now := k.Content(t, r.Host).Tags; now["release"] != digests["1.0"] || now["1.0"] != digests["1.0"] {
		t.Errorf("tags are %v, want that 1.0 and release name %s", now, digests["1.0"])
	}
}
