package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/registry"
)

// dialing makes a client connect to one server, whatever the host.
func dialing(c *Client, address string) *Client {
	c.transport.Base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return c
}

func TestPlainHTTPIsRefused(t *testing.T) {
	for _, host := range []string{"10.1.2.3:5000", "registry.local:5000", "registry.example"} {
		t.Run(host, func(t *testing.T) {
			server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/10": goodManifest()})
			app := config.Repository{Host: host, Path: "app"}

			_, err := resolve(t, dialing(newClient(t, Options{Keychain: login{"me", "secret"}}), server.host), app, "10")
			want := host + "/app:10: it speaks plain http: if that is meant, name the host with --insecure-registry"
			if err == nil || err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
			if trace := server.trace(); len(trace) > 0 {
				t.Errorf("registry was asked %v", trace)
			}

			insecure := dialing(newClient(t, Options{Insecure: []string{host}}), server.host)
			if _, err := resolve(t, insecure, app, "10"); err != nil {
				t.Errorf("named insecure: %v", err)
			}
		})
	}
}

// A registry may redirect its own https clients to plain HTTP elsewhere.
func TestRedirectToPlainHTTPIsRefused(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{
		"/v2/app/manifests/10": http.RedirectHandler("http://cdn.example/x", http.StatusTemporaryRedirect).ServeHTTP,
	})
	_, err := fetch(t, newClient(t, Options{}), server.app(), "10")
	if want := "cdn.example: plain http refused: if that is meant, name the host with --insecure-registry"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestHTTPSOnLoopback(t *testing.T) {
	// After 300 ms go-containerregistry also asks over plain HTTP. It learns
	// that the server speaks only https before the certificate arrives.
	for name, handshake := range map[string]time.Duration{"at once": 0, "slow": 500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(goodManifest())
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are expected to fail
			server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				time.Sleep(handshake)
				return nil, nil
			}}
			server.StartTLS()
			t.Cleanup(server.Close)
			app := config.Repository{Host: server.Listener.Addr().String(), Path: "app"}

			trusting := newClient(t, Options{})
			trusting.transport.Base.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			if _, err := resolve(t, trusting, app, "10"); err != nil {
				t.Errorf("with a certificate that is trusted: %v", err)
			}

			_, err := resolve(t, newClient(t, Options{}), app, "10")
			if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("with a certificate that is not: %v", err)
			}
		})
	}
}

// One GET /v2/ serves every repository, and every writer.
func TestOnePingPerHost(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{
		"GET /v2/{$}":              answer(401, "", "WWW-Authenticate", `Basic realm="x"`),
		"/v2/{name}/manifests/{t}": goodManifest(),
	})
	c := newClient(t, Options{Keychain: login{"me", "secret"}})
	writers := NewWriters(c)
	var wait sync.WaitGroup
	for i := range 20 {
		repository := config.Repository{Host: server.host, Path: fmt.Sprintf("app%d", i)}
		wait.Go(func() {
			if _, err := resolve(t, c, repository, "10"); err != nil {
				t.Error(err)
			}
			if err := writers.Writer(repository).Resolve(t.Context(), []string{"10"})[0].Err; err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := server.count("GET /v2/"); n != 1 {
		t.Errorf("%d pings, want 1", n)
	}
	if n := server.count("HEAD "); n != 40 {
		t.Errorf("%d HEADs, want 40", n)
	}
	// Requests over https never reach the handler. There can be a few before
	// the first answer over plain HTTP.
	if https := c.Stats().Requests - 41; https < 1 || https > 40 {
		t.Errorf("%d requests counted besides the 41 that arrived", https)
	}
}

// The answer to a ping is kept only if it will not change.
func TestPingThatFails(t *testing.T) {
	up := false
	server := serve(t, map[string]http.HandlerFunc{
		"GET /v2/{$}": func(w http.ResponseWriter, _ *http.Request) {
			if !up {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		},
		"/v2/app/manifests/10": goodManifest(),
	})
	c := newClient(t, Options{})
	_, err := resolve(t, c, server.app(), "10")
	if want := server.host + "/app:10: 503 Service Unavailable from " + server.host + "/v2/"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	up = true
	if _, err := resolve(t, c, server.app(), "10"); err != nil {
		t.Errorf("up again: %v", err)
	}
}

// The error to report is not that of https, if the host is known to speak plain
// HTTP.
func TestPingWithoutAnswer(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{"/v2/{$}": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})
	patience := hasty()
	patience.Headers = 20 * time.Millisecond
	_, err := resolve(t, newClient(t, Options{Patience: patience}), server.app(), "10")
	if want := server.host + "/app:10: no answer within 20ms"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// A 404 to a ping does not mean that the tag is absent.
func TestNotARegistry(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{"/v2/{$}": http.NotFound})
	_, err := resolve(t, newClient(t, Options{}), server.app(), "10")
	if err == nil || errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

// The hosts differ only in their port, which net/http ignores (client.go,
// shouldCopyHeaderOnRedirect).
func TestRedirectsCarryNoCredentials(t *testing.T) {
	elsewhere := serve(t, map[string]http.HandlerFunc{"/": goodManifest()})
	for name, challenge := range map[string]string{
		"basic":  `Basic realm="x"`,
		"bearer": `Bearer realm="http://HOST/token",service="x"`,
	} {
		t.Run(name, func(t *testing.T) {
			authorized := 0
			server := serve(t, map[string]http.HandlerFunc{
				"GET /v2/{$}": func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("WWW-Authenticate", strings.ReplaceAll(challenge, "HOST", r.Host))
					w.WriteHeader(http.StatusUnauthorized)
				},
				"/token": answer(200, `{"token":"t"}`),
				"/v2/app/manifests/10": func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "" {
						authorized++
					}
					http.Redirect(w, r, "http://"+elsewhere.host+"/somewhere", http.StatusTemporaryRedirect)
				},
			})
			if _, err := fetch(t, newClient(t, Options{Keychain: login{"me", "secret"}}), server.app(), "10"); err != nil {
				t.Fatal(err)
			}
			if authorized != 1 {
				t.Errorf("registry saw credentials %d times, want 1", authorized)
			}
		})
	}
	if len(elsewhere.seen) != 2 {
		t.Errorf("%d redirected requests, want 2", len(elsewhere.seen))
	}
	for _, r := range elsewhere.seen {
		if got := r.Header.Get("Authorization"); got != "" {
			t.Errorf("redirected request carries %q", got)
		}
	}
}

func TestRedirectsEnd(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{
		"/v2/app/manifests/10": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		},
	})
	_, err := fetch(t, newClient(t, Options{}), server.app(), "10")
	if err == nil || !strings.Contains(err.Error(), "more than 10 redirects") {
		t.Errorf("error %v", err)
	}
	if n := server.count("GET /v2/app"); n != 10 {
		t.Errorf("%d requests, want 10", n)
	}
}
