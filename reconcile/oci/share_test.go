package oci_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry/registrytest"
)

// A host's own share of the requests holds instead of the run's, be it more or less.
func TestShare(t *testing.T) {
	for _, test := range []struct {
		name      string
		run, host int
	}{
		{"fewer", 16, 2},
		{"more", 1, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			gate := registrytest.NewGate(test.host)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !strings.Contains(r.URL.Path, "/manifests/"):
					return
				case strings.HasSuffix(r.URL.Path, "/first"):
					w.WriteHeader(http.StatusNotFound)
					return
				}
				defer gate.Enter()()
				w.WriteHeader(http.StatusNotFound)
			}))
			defer server.Close()
			host := strings.TrimPrefix(server.URL, "http://")
			c := oci.New(oci.Options{Concurrency: test.run, Shares: map[string]int{host: test.host}})
			defer c.Close()
			reader := c.Reader(config.Repository{Host: host, Path: "app"})
			reader.Resolve(t.Context(), []string{"first"}) // until one is answered, they come one by one
			var tags []string
			for i := range 40 {
				tags = append(tags, fmt.Sprint(i))
			}
			reader.Resolve(t.Context(), tags)
			if got := gate.Most(); got != test.host {
				t.Errorf("%d in flight, want %d", got, test.host)
			}
		})
	}
}

// Docker Hub has another name on the wire than in images.yaml.
func TestAtOnce(t *testing.T) {
	options := oci.Options{Shares: map[string]int{"docker.io": 3, "[::1]:5000": 4}}
	for host, want := range map[string]int{"docker.io": 3, "index.docker.io": 3, "[::1]:5000": 4, "ghcr.io": oci.DefaultConcurrency} {
		if got := options.AtOnce(host); got != want {
			t.Errorf("%s gets %d, want %d", host, got, want)
		}
	}
}
