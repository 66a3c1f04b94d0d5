package oci

import (
	"net/http"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// TestContract sets seven tags per page, so that a listing has several pages.
func TestContract(t *testing.T) {
	pages := ocitest.Fault{Method: http.MethodGet, Path: "/tags/list$", Do: func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		query := r.URL.Query()
		query.Set("n", "7")
		r.URL.RawQuery = query.Encode()
		upstream.ServeHTTP(w, r)
	}}
	byTag := ocitest.Fault{Method: http.MethodDelete, Path: "/manifests/[^:]+$", Do: ocitest.Status(http.StatusMethodNotAllowed)}
	for _, test := range []struct {
		name     string
		upstream func(t testing.TB) string
		script   []ocitest.Fault
		backend  registrytest.Backend
	}{
		{"olareg", ocitest.Olareg, []ocitest.Fault{pages}, registrytest.Backend{ListsNone: true}},
		{"distribution", func(t testing.TB) string { return ocitest.Distribution(t) }, []ocitest.Fault{pages}, registrytest.Backend{FallbackTags: true, NeedsTags: true}},
		{"one that deletes by digest alone", ocitest.Olareg, []ocitest.Fault{pages, byTag}, registrytest.Backend{ListsNone: true, KeepsTags: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			proxy := ocitest.Proxy(t, test.upstream(t))
			proxy.Script(test.script...)
			backend := test.backend
			backend.Host, backend.Requests = proxy.Host, proxy.Total
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
}
