package demo

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
)

// Registry is a running registry that speaks plain HTTP on loopback and keeps
// everything in memory. It deletes by tag and by digest, has the referrers API,
// and collects no garbage: an untagged manifest stays until it is deleted.
type Registry struct {
	host   string
	server *http.Server
	done   chan error // receives the server's error, then is closed
}

// Start runs an empty registry on a free port of 127.0.0.1 until it is closed.
func Start() (*Registry, error) { return StartOn(0) }

// StartOn does what Start does, on a given port; 0 means a free one.
func StartOn(port int) (*Registry, error) {
	// The address, and not localhost: that may also be ::1, where another
	// process can listen on the same port.
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("demo registry: %w", err)
	}
	r := &Registry{
		host:   listener.Addr().String(),
		server: &http.Server{Handler: Handler(), ReadHeaderTimeout: 10 * time.Second},
		done:   make(chan error, 1),
	}
	go func() {
		r.done <- r.server.Serve(listener)
		close(r.done)
	}()
	return r, nil
}

// Handler returns an empty registry that nothing serves yet.
func Handler() http.Handler {
	return olareg.New(config.Config{
		Storage: config.ConfigStorage{
			StoreType: config.StoreMem,
			GC: config.ConfigGC{
				Frequency:         -1, // never runs; the other settings say what it would spare
				GracePeriod:       -1,
				Untagged:          new(false),
				EmptyRepo:         new(false),
				ReferrersDangling: new(false),
				ReferrersWithSubj: new(false),
			},
		},
		API: config.ConfigAPI{
			PushEnabled:   new(true),
			DeleteEnabled: new(true),
			Blob:          config.ConfigAPIBlob{DeleteEnabled: new(true)},
			Referrer:      config.ConfigAPIReferrer{Enabled: new(true)},
		},
	})
}

// Host returns "127.0.0.1:PORT", the host part of image names.
func (r *Registry) Host() string { return r.host }

// Close closes all connections and drops all content. A second Close does
// nothing.
//
// It does not call olareg's Close, which races with requests in flight. A store
// in memory without garbage collection has no goroutines or files to release.
func (r *Registry) Close() error {
	err := r.server.Close()
	if served := <-r.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served) // nil at a second Close
	}
	if err != nil {
		return fmt.Errorf("demo registry: %w", err)
	}
	return nil
}
