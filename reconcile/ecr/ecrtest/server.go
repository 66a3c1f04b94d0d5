package ecrtest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is a [Registry] that speaks plain HTTP on loopback.
type Server struct {
	*Registry
	Host string // "127.0.0.1:PORT", the host part of image names
	URL  string // "http://127.0.0.1:PORT", for AWS_ENDPOINT_URL_ECR

	server *http.Server
	done   chan error // receives the server's error, then is closed
}

// Start serves an empty registry on a free port of 127.0.0.1 until it is
// closed.
func Start(options Options) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("ecr emulator: %w", err)
	}
	registry, host := New(options), listener.Addr().String()
	s := &Server{
		Registry: registry,
		Host:     host,
		URL:      "http://" + host,
		server:   &http.Server{Handler: registry, ReadHeaderTimeout: 10 * time.Second},
		done:     make(chan error, 1),
	}
	go func() {
		s.done <- s.server.Serve(listener)
		close(s.done)
	}()
	return s, nil
}

// Close closes all connections. A second Close does nothing.
func (s *Server) Close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served) // nil at a second Close
	}
	if err != nil {
		return fmt.Errorf("ecr emulator: %w", err)
	}
	return nil
}
