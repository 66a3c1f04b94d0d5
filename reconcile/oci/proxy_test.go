package oci

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"tagline/config"
	"tagline/reconcile/registry"
)

// A refusal by a proxy is reported as such, at once, and without the proxy's
// password.
func TestProxies(t *testing.T) {
	for _, tt := range []struct {
		name     string
		status   int // 0: there is no proxy at this address
		insecure bool
		asked    int64
		err      string
	}{
		{"wants a login", 407, false, 1, "refuses to connect to registry.example:443: 407 Proxy Authentication Required; HTTPS_PROXY or HTTP_PROXY needs a user and a password, as in http://user:password@host:port, or NO_PROXY the registry's host"},
		{"forbids", 403, false, 1, "refuses to connect to registry.example:443: 403 Forbidden; have it allowed there, or put the registry's host into NO_PROXY"},
		{"does not reach it", 502, false, 3, "refuses to connect to registry.example:443: 502 Bad Gateway"},
		{"wants a login for plain http", 407, true, 2, "refuses to connect to registry.example"},
		{"is not there", 0, false, 0, "connect: connection refused; check HTTPS_PROXY and HTTP_PROXY, or put the registry's host into NO_PROXY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(tt.status)
			}))
			defer server.Close()
			if tt.status == 0 {
				server.Close()
			}
			address := server.Listener.Addr().String()
			options := Options{}
			if tt.insecure {
				options.Insecure = []string{"registry.example"}
			}
			c := newClient(t, options)
			c.transport.Base.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: address, User: url.UserPassword("me", "open-sesame")})

			app := config.Repository{Host: "registry.example", Path: "app"}
			_, err := resolve(t, c, app, "10")
			want := "registry.example/app:10: proxy " + address + ": "
			if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("error %v\nwant  %s … %s", err, want, tt.err)
			}
			if host := (*registry.HostError)(nil); !errors.As(err, &host) {
				t.Error("it is not the host's")
			}
			if n := asked.Load(); n != tt.asked {
				t.Errorf("asked %d times, want %d", n, tt.asked)
			}
		})
	}
}
