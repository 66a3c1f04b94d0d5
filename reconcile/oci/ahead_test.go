package oci

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The config of a plain image comes along with the manifest of its tag: once,
// however many tags have it, and again only if it did not come.
func TestConfigsComeAhead(t *testing.T) {
	blob := `{"os":"linux","architecture":"arm64"}`
	of := digestOf([]byte(blob))
	image := func(config, digest string) http.HandlerFunc {
		body := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":2}}`, config, digest)
		return answer(http.StatusOK, body, "Content-Type", string(types.OCIManifestSchema1))
	}
	var refuse atomic.Int64
	f := serve(t, map[string]http.HandlerFunc{
		"/v2/app/manifests/1":       image(string(types.OCIConfigJSON), of),
		"/v2/app/manifests/2":       image(string(types.OCIConfigJSON), of),
		"/v2/app/manifests/chart":   image("application/vnd.cncf.helm.config.v1+json", of),
		"/v2/app/manifests/hostile": image(string(types.OCIConfigJSON), "../../../v2/other/blobs/"+of),
		"/v2/app/blobs/" + of: func(w http.ResponseWriter, r *http.Request) {
			if refuse.Add(-1) >= 0 {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			answer(http.StatusOK, blob)(w, r)
		},
	})
	blobs := func() int { return f.count("GET /v2/app/blobs/") }
	r := newClient(t, Options{}).Reader(f.app())

	r.Manifests(t.Context(), []string{"chart", "hostile"})
	for _, line := range f.trace() {
		if strings.Contains(line, "blobs") {
			t.Errorf("%s was sent", line)
		}
	}
	for _, a := range r.Manifests(t.Context(), []string{"1", "2"}) {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if n := blobs(); n != 1 {
		t.Errorf("the config was asked for %d times with its manifests", n)
	}
	for range 2 {
		if a := r.Configs(t.Context(), []string{of})[0]; a.Err != nil || string(a.Value) != blob {
			t.Errorf("the config is %q, %v", a.Value, a.Err)
		}
	}
	if n := blobs(); n != 2 {
		t.Errorf("the config was asked for %d times: it is handed out once", n)
	}

	refuse.Store(1)
	r.Manifests(t.Context(), []string{"1"})
	if a := r.Configs(t.Context(), []string{of})[0]; a.Err != nil || string(a.Value) != blob {
		t.Errorf("the config is %q, %v, after a failure", a.Value, a.Err)
	}
	if n := blobs(); n != 4 {
		t.Errorf("the config was asked for %d times", n)
	}
}
