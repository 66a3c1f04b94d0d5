package oci

import (
	"net/http"
	"path"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// TestContract asks for seven tags a page, so that a listing has several.
func TestContract(t *testing.T) {
	differences := map[string]registrytest.Backend{
		"olareg":       {ListsNone: true},
		"distribution": {FallbackTags: true},
	}
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		proxy.Script(ocitest.Fault{Method: http.MethodGet, Path: "/tags/list$", Do: func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
			query := r.URL.Query()
			query.Set("n", "7")
			r.URL.RawQuery = query.Encode()
			upstream.ServeHTTP(w, r)
		}})
		backend := differences[path.Base(t.Name())]
		backend.Host = proxy.Host
		backend.Requests = proxy.Total
		backend.Open = func(t *testing.T, _ ...config.Repository) (registry.Readers, registry.Writers) {
			c := newClient(t, Options{})
			return c, NewWriters(c)
		}
		backend.Seed = func(t *testing.T, repository config.Repository, tag string, objects ...demo.Object) {
			t.Helper()
			if err := demo.PushObjects(t.Context(), repository.Host, repository.Path, tag, objects); err != nil {
				t.Fatal(err)
			}
		}
		registrytest.Test(t, backend)
	})
}
