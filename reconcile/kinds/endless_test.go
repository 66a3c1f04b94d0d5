package kinds_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"tagline/config"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
)

type nobody struct{}

func (nobody) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// An API that never stops sending does not fill the memory.
func TestEndlessAnswers(t *testing.T) {
	const end = 512 << 20 // where the server stops by itself
	for kind, api := range map[config.RegistryKind]string{
		config.Azure: "/acr/v1/owner/app", config.GitHub: "/orgs/", config.Google: "/v2/owner/app/tags/list", config.Harbor: "/api/v2.0/",
	} {
		t.Run(string(kind), func(t *testing.T) {
			var sent atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				switch {
				case strings.HasPrefix(req.URL.Path, api):
					w.Header().Set("X-Total-Count", "1")
					_, err := w.Write([]byte(`{"tags":["`))
					for more := make([]byte, 1<<20); err == nil && sent.Load() < end; {
						for i := range more {
							more[i] = 'x'
						}
						var n int
						n, err = w.Write(more)
						sent.Add(int64(n))
					}
				case strings.HasSuffix(req.URL.Path, "/tags/list"):
					_, _ = w.Write([]byte(`{"tags":[]}`))
				}
			}))
			defer server.Close()
			host := server.Listener.Addr().String()
			t.Setenv("GITHUB_API_URL", server.URL)
			t.Setenv("GITHUB_TOKEN", "token")
			c := kinds.New(ecr.Options{OCI: oci.Options{Keychain: nobody{}, Patience: transport.Patience{Attempts: 1}}}, map[string]config.Registry{host: {Kind: kind}})
			defer c.Close()
			_, err := c.Reader(config.Repository{Host: host, Path: "owner/app"}).Inventory(t.Context())
			if err == nil || !strings.Contains(err.Error(), "bytes that tagline reads") {
				t.Errorf("inventory: %v", err)
			}
			if sent.Load() >= end {
				t.Error("all of the answer was read")
			}
		})
	}
}
