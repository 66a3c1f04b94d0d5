package oci

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// A registry that supports no deletions of a kind is asked once. The other
// kind, and another repository, have their own answer. After one success, a
// refusal concerns only its own deletion.
func TestDeletionsNotSupported(t *testing.T) {
	for _, test := range []struct {
		name        string
		status      []int // in order; the last one repeats
		sent        int   // of six, in two batches
		unsupported int
	}{
		{"never", []int{405}, 1, 6},
		{"not by an API either", []int{501}, 1, 6},
		{"always", []int{202}, 6, 0},
		{"one of them", []int{202, 405, 202}, 6, 1},
		{"forbidden", []int{403}, 6, 0},
		{"after one that failed", []int{403, 405}, 4, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, kind := range []string{"tag", "manifest"} {
				var mu sync.Mutex
				sent := map[string]int{}
				do := func(repository string) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) {
						mu.Lock()
						defer mu.Unlock()
						if r.Method != http.MethodDelete {
							goodManifest()(w, r)
							return
						}
						w.WriteHeader(test.status[min(sent[repository], len(test.status)-1)])
						sent[repository]++
					}
				}
				server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/": do("app"), "/v2/other/manifests/": do("other")})
				writers := NewWriters(newClient(t, Options{Concurrency: 1, Patience: transport.Patience{Attempts: 1}}))
				for _, repository := range []string{"app", "other"} {
					unsupported := 0
					for batch := range 2 {
						var tags []registry.TagDigest
						var digests []string
						for i := range 3 {
							tag := fmt.Sprintf("tag-%d-%d", batch, i)
							digests = append(digests, digestOf([]byte(tag)))
							tags = append(tags, registry.TagDigest{Tag: tag, Digest: digestOf([]byte(index))})
						}
						w := writers.Writer(config.Repository{Host: server.host, Path: repository})
						remove := func() []error { return w.DeleteTags(t.Context(), tags) }
						if kind == "manifest" {
							remove = func() []error { return w.DeleteManifests(t.Context(), registry.Removals(digests...)) }
						}
						for _, err := range remove() {
							if errors.Is(err, registry.ErrUnsupported) {
								unsupported++
							}
						}
					}
					if sent[repository] != test.sent || unsupported != test.unsupported {
						t.Errorf("%ss of %s: %d sent, %d not supported; want %d, %d", kind, repository, sent[repository], unsupported, test.sent, test.unsupported)
					}
				}
			}
		})
	}
}

// Only an answer that holds for all deletions counts.
func TestDeletes(t *testing.T) {
	for _, tt := range []struct {
		status      int
		unsupported bool
	}{{202, false}, {404, false}, {405, true}, {501, true}, {400, false}, {401, false}, {403, false}} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			asked := 0
			server := serve(t, map[string]http.HandlerFunc{
				"DELETE /v2/app/manifests/" + noManifest: func(w http.ResponseWriter, r *http.Request) {
					asked++
					answer(tt.status, "")(w, r)
				},
			})
			err := NewWriters(newClient(t, Options{})).Writer(server.app()).Deletes(t.Context())
			if errors.Is(err, registry.ErrUnsupported) != tt.unsupported || (err != nil) != tt.unsupported || asked == 0 {
				t.Errorf("got %v after %d requests", err, asked)
			}
		})
	}
}
