package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tagline/config"
)

// net/http reports deadlines in several ways, and in others over HTTP/2.
func TestDeadlinesOverHTTP(t *testing.T) {
	tests := map[string]struct {
		handler http.HandlerFunc
		err     string
	}{
		"no headers": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 30s"},
		"dripping body": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", typeIndex)
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
				}
			}
		}, "body of the answer: not complete within 1m0s"},
	}
	for name, tt := range tests {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, HTTP/%d", name, version), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var attempts atomic.Int32
					listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
					server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.ProtoMajor != version {
							t.Errorf("asked over %s", r.Proto)
						}
						if r.URL.Path != "/v2/" {
							attempts.Add(1)
							tt.handler(w, r)
						}
					}))
					_ = server.Listener.Close()
					server.Listener = listener
					server.EnableHTTP2 = version == 2
					server.StartTLS()
					t.Cleanup(synctest.Wait) // a server over HTTP/2 does not wait for its handlers
					t.Cleanup(server.Close)
					c := newClient(t, Options{Patience: hasty()})
					c.transport.Base.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
					c.transport.Base.DialContext = listener.dial

					app := config.Repository{Host: listener.Addr().String(), Path: "app"}
					_, err := fetch(t, c, app, "10")
					if want := app.Host + "/app:10: " + tt.err; err == nil || err.Error() != want {
						t.Errorf("error %v, want %s", err, want)
					}
					if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
						t.Error("reads as the caller's own")
					}
					if n := attempts.Load(); n != 2 { // of three: see isTimeout
						t.Errorf("%d attempts, want 2", n)
					}
				})
			})
		}
	}
}

// pipes is a listener in memory. A real connection would keep the clock of
// synctest from moving.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) }) // httptest closes it twice
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5000} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
