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
// everything in memory. It deletes by tag and by digest, offers the referrers
// API, and collects no garbage: what is untagged stays until it is deleted.
type Registry struct {
	host   string
	server *http.Server
	done   chan error // what ended the server; closed after that
}

// Start runs an empty registry on a free port of 127.0.0.1 until it is closed.
func Start() (*Registry, error) { return StartOn(0) }

// StartOn is Start on a port of 127.0.0.1; 0 is a free one.
func StartOn(port int) (*Registry, error) {
	// The address, not the name localhost: that may be ::1 too, where another
	// process can listen on the same port.
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("demo registry: %w", err)
	}
	handler := olareg.New(config.Config{
		Storage: config.ConfigStorage{
			StoreType: config.StoreMem,
			GC: config.ConfigGC{
				Frequency:         -1, // never runs; the rest is what it would spare
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
	r := &Registry{
		host:   listener.Addr().String(),
		server: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second},
		done:   make(chan error, 1),
	}
	go func() {
		r.done <- r.server.Serve(listener)
		close(r.done)
	}()
	return r, nil
}

// Host is "127.0.0.1:PORT", the host part of image names.
func (r *Registry) Host() string { return r.host }

// Close cuts all connections and forgets all content. Closing again does
// nothing.
//
// olareg's own Close is left out: it races with requests in flight, and a
// store in memory that collects no garbage holds neither goroutine nor file.
func (r *Registry) Close() error {
	err := r.server.Close()
	if served := <-r.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served) // nil if this is not the first time
	}
	if err != nil {
		return fmt.Errorf("demo registry: %w", err)
	}
	return nil
}
