package oci

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// TestMain collects garbage less often: the tests allocate much and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	goleak.VerifyTestMain(m)
}

// hasty waits as little as a test can.
func hasty() transport.Patience {
	return transport.Patience{Attempts: 3, Backoff: time.Millisecond}
}

// newClient returns a client that is hasty and anonymous unless the options say
// otherwise. It is closed at the end of the test.
func newClient(t *testing.T, options Options) *Client {
	t.Helper()
	if options.Patience == (transport.Patience{}) {
		options.Patience = hasty()
	}
	if options.Keychain == nil {
		options.Keychain = authn.NewMultiKeychain()
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	c := New(options)
	t.Cleanup(c.Close)
	return c
}

// login is a keychain with one user for every host.
type login struct{ user, password string }

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: l.user, Password: l.password}), nil
}

// fake is a registry made of handlers. It answers GET /v2/ itself if no handler
// does, and notes its requests.
type fake struct {
	host string
	mu   sync.Mutex
	seen []*http.Request
}

func serve(t *testing.T, handlers map[string]http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	mux := http.NewServeMux()
	if handlers["/v2/{$}"] == nil {
		mux.HandleFunc("/v2/{$}", func(http.ResponseWriter, *http.Request) {})
	}
	for pattern, handler := range handlers {
		mux.HandleFunc(pattern, handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.seen = append(f.seen, r.Clone(r.Context()))
		f.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.host = server.Listener.Addr().String()
	return f
}

// trace returns the requests to a fake: "GET /v2/".
func (f *fake) trace() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	lines := make([]string, len(f.seen))
	for i, r := range f.seen {
		lines[i] = r.Method + " " + r.URL.Path
	}
	return lines
}

func (f *fake) count(prefix string) int {
	n := 0
	for _, line := range f.trace() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func (f *fake) app() config.Repository { return config.Repository{Host: f.host, Path: "app"} }

// index is a manifest to serve; tests need only its bytes.
const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`

func digestOf(body []byte) string { return digest.FromBytes(body).String() }

// answer is a handler with a fixed answer; headers come in pairs.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// manifest is a good answer to GET and HEAD.
func goodManifest() http.HandlerFunc {
	return answer(http.StatusOK, index,
		"Content-Type", string(types.OCIImageIndex), "Docker-Content-Digest", digestOf([]byte(index)))
}

func resolve(t *testing.T, c *Client, r config.Repository, tag string) (registry.Descriptor, error) {
	t.Helper()
	a := c.Reader(r).Resolve(t.Context(), []string{tag})[0]
	return a.Value, a.Err
}

func fetch(t *testing.T, c *Client, r config.Repository, reference string) (registry.RawManifest, error) {
	t.Helper()
	a := c.Reader(r).Manifests(t.Context(), []string{reference})[0]
	return a.Value, a.Err
}
