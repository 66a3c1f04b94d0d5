package oci

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A deletion that is redirected is not done, whatever the page says that it leads
// to.
func TestRedirectedDeletion(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api") {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	defer server.Close()
	client := newClient(t, Options{}).HTTP()
	for method, want := range map[string]int{http.MethodGet: http.StatusOK, http.MethodDelete: http.StatusFound} {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/api/one", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", method, resp.StatusCode, want)
		}
	}
}
