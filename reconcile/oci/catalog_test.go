package oci

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// catalog answers with names of repositories and a link to the next page, if there is
// one.
func catalog(next string, names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if next != "" {
			w.Header().Set("Link", "<"+next+">; rel=\"next\"")
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"repositories": names})
	}
}

func TestRepositories(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    []string
		failure string
	}{
		"one page": {catalog("", "app", "team/web"), []string{"app", "team/web"}, ""},
		"none":     {catalog(""), nil, ""},
		"two pages": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("last") == "app" {
				catalog("", "app", "web")(w, r)
				return
			}
			catalog("/v2/_catalog?last=app&n=1", "api", "app")(w, r)
		}, []string{"api", "app", "web"}, ""},
		"a circle":     {catalog("/v2/_catalog?n=1", "app"), nil, "its pages lead in a circle"},
		"another host": {catalog("http://127.0.0.1:1/v2/_catalog", "app"), nil, "does not match registry host"},
		"not offered":  {answer(404, ""), nil, "404 Not Found from "},
		"forbidden":    {answer(403, `{"errors":[{"code":"DENIED","message":"no catalog"}]}`), nil, "DENIED: no catalog"},
		"unauthorized": {answer(401, ""), nil, "docker login"},
		"not JSON":     {answer(200, "<html>"), nil, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, map[string]http.HandlerFunc{"/v2/_catalog": test.handler})
			got, err := newClient(t, Options{}).Repositories(t.Context(), server.app().Host)
			if test.failure != "" {
				if err == nil || !strings.Contains(err.Error(), test.failure) || !strings.HasPrefix(err.Error(), "list of repositories of "+server.app().Host+": ") || got != nil {
					t.Errorf("%q, %v, want %q", got, err, test.failure)
				}
				return
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// CNCF distribution lists what was pushed.
func TestRepositoriesOfDistribution(t *testing.T) {
	if !ocitest.HasDistribution(t) {
		t.Skip("bin/registry is missing: `make tools` installs it")
	}
	host := ocitest.Distribution(t)
	for _, repository := range []string{"team/web", "app"} {
		if _, err := demo.Push(t.Context(), host, repository, []demo.Image{{Tag: "1.0", Platforms: []string{"linux/amd64"}}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := newClient(t, Options{}).Repositories(t.Context(), host)
	if slices.Sort(got); err != nil || !slices.Equal(got, []string{"app", "team/web"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// A name that no host can have is an error, as for a repository.
func TestRepositoriesOfNoHost(t *testing.T) {
	if got, err := newClient(t, Options{}).Repositories(t.Context(), "a b"); err == nil {
		t.Errorf("%q", got)
	}
}
