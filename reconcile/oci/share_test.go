package oci_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"tagline/config"
	"tagline/reconcile/oci"
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
			var now, most atomic.Int64
			full := make(chan struct{}) // closed once as many requests are in flight as may be
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !strings.Contains(r.URL.Path, "/manifests/"):
					return
				case strings.HasSuffix(r.URL.Path, "/first"):
					w.WriteHeader(http.StatusNotFound)
					return
				}
				n := now.Add(1)
				defer now.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				if n == int64(test.host) {
					select {
					case <-full:
					default:
						close(full)
					}
				}
				<-full
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
			if got := most.Load(); got != int64(test.host) {
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
