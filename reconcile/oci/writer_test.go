package oci

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"tagline/reconcile/registry"
)

func TestAReaderCannotWrite(t *testing.T) {
	c := newClient(t, Options{})
	if _, ok := any(c).(registry.Writers); ok {
		t.Error("a client hands out writers")
	}
	if _, ok := c.Reader(serve(t, nil).app()).(registry.Writer); ok {
		t.Error("a reader writes")
	}
}

// An interruption starts no new write, and cuts none off.
func TestInterruptedWrites(t *testing.T) {
	synced := make(chan struct{}) // closed when two writes have begun and the run is interrupted
	arrived := make(chan struct{}, 10)
	server := serve(t, map[string]http.HandlerFunc{
		"/v2/app/manifests/": func(w http.ResponseWriter, _ *http.Request) {
			arrived <- struct{}{}
			<-synced
			w.WriteHeader(http.StatusCreated)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		<-arrived
		cancel()
		close(synced)
	}()
	c := newClient(t, Options{Concurrency: 2})
	c.admitted.Store(server.app(), true)
	var pushes []registry.TaggedManifest
	for _, tag := range []string{"1", "2", "3", "4", "5", "6"} {
		pushes = append(pushes, registry.TaggedManifest{Tag: tag, Manifest: registry.RawManifest{Body: []byte(index), MediaType: "application/vnd.oci.image.index.v1+json"}})
	}
	done, interrupted := 0, 0
	for i, err := range NewWriters(c).Writer(server.app()).Put(ctx, pushes) {
		switch {
		case err == nil:
			done++
		case errors.Is(err, context.Canceled) && strings.HasSuffix(err.Error(), ": interrupted"):
			interrupted++
		default:
			t.Errorf("push %d: %v", i, err)
		}
	}
	if done != 2 || interrupted != 4 || server.count("PUT ") != 2 {
		t.Errorf("%d done, %d interrupted, %d sent; want 2, 4, 2", done, interrupted, server.count("PUT "))
	}
}
