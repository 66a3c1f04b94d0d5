package oci

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
)

// What a login sends to an API that takes no token of the registry.
func TestDirectLogins(t *testing.T) {
	for name, test := range map[string]struct {
		login authn.AuthConfig
		want  string
		err   string
	}{
		"a password":              {authn.AuthConfig{Username: "robot", Password: "secret"}, "Basic cm9ib3Q6c2VjcmV0", ""},
		"a token":                 {authn.AuthConfig{RegistryToken: "token"}, "Bearer token", ""},
		"nothing":                 {authn.AuthConfig{}, "", ""},
		"an identity token":       {authn.AuthConfig{IdentityToken: "refresh"}, "", "is an identity token, which its API does not take; log in with a user name and a password"},
		"one with a name":         {authn.AuthConfig{Username: "<token>", IdentityToken: "refresh"}, "", "is an identity token"},
		"one beside the password": {authn.AuthConfig{Username: "robot", Password: "secret", IdentityToken: "refresh"}, "Basic cm9ib3Q6c2VjcmV0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			server := serve(t, map[string]http.HandlerFunc{"/api": func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }})
			c := newClient(t, Options{Keychain: oneLogin(test.login)})
			base, client, err := c.Direct(t.Context(), server.app())
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if err != nil {
				return
			}
			resp, err := client.Get(base + "/api")
			if err != nil {
				t.Fatal(err)
			}
			if _ = resp.Body.Close(); got != test.want {
				t.Errorf("sent %q, want %q", got, test.want)
			}
		})
	}
}

type oneLogin authn.AuthConfig

func (l oneLogin) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig(l)), nil
}

// A deletion that is redirected is not done, whatever the page says that it leads
// to.
func TestRedirectedDeletion(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api") {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	defer server.Close()
	client := newClient(t, Options{}).HTTP()
	for method, want := range map[string]int{http.MethodGet: http.StatusOK, http.MethodDelete: http.StatusFound} {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/api/one", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", method, resp.StatusCode, want)
		}
	}
}
