package oci

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"tagline/reconcile/oci/logins"
	"tagline/reconcile/oci/ocitest"
)

// Two repositories of a host are read with their own logins, and a redirect
// carries neither.
func TestEachRepositoryHasItsLogin(t *testing.T) {
	elsewhere := serve(t, map[string]http.HandlerFunc{"/": goodManifest()})
	server := serve(t, map[string]http.HandlerFunc{
		"/v2/{$}": answer(http.StatusUnauthorized, "", "WWW-Authenticate", `Basic realm="r"`),
		"/v2/": func(w http.ResponseWriter, r *http.Request) {
			name, _, _ := r.BasicAuth()
			if !strings.HasSuffix(name, strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2"), "/manifests/10")) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, "http://localhost:"+strings.Split(elsewhere.host, ":")[1]+r.URL.Path, http.StatusTemporaryRedirect)
		},
	})
	ocitest.Machine(t, map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths(server.host+"/app", server.host, server.host+"/team/app"))}, nil)
	c := newClient(t, Options{Keychain: logins.New(time.Second, nil)})
	for _, path := range []string{"app", "team/app"} {
		app := server.app()
		app.Path = path
		if _, err := fetch(t, c, app, "10"); err != nil {
			t.Error(err)
		}
	}
	if got := elsewhere.count("GET"); got != 2 {
		t.Errorf("%d requests were redirected, want 2", got)
	}
	for _, r := range elsewhere.seen {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s carries credentials", r.URL)
		}
	}
}

// A copy between repositories with different logins. The token service refuses
// a token for both, as some do.
func TestCopyBetweenLogins(t *testing.T) {
	for name, same := range map[string]bool{"a login each": false, "the same login": true} {
		t.Run(name, func(t *testing.T) {
			upstream := ocitest.Olareg(t)
			digest := ocitest.PushFixtures(t, ocitest.AppOCI, upstream, "from/app")["10.30"]
			behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
			var host string
			server := serve(t, map[string]http.HandlerFunc{
				"/token": func(w http.ResponseWriter, r *http.Request) {
					name, _, _ := r.BasicAuth()
					for _, scope := range strings.Fields(strings.Join(r.URL.Query()["scope"], " ")) {
						if repository := strings.Split(scope, ":")[1]; !same && !strings.HasSuffix(name, repository) {
							w.WriteHeader(http.StatusForbidden)
							return
						}
					}
					_, _ = fmt.Fprintf(w, `{"token":%q}`, base64.RawURLEncoding.EncodeToString([]byte(name)))
				},
				"/v2/": func(w http.ResponseWriter, r *http.Request) {
					token, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
					_, repository, _ := strings.Cut(string(token), "/")
					if r.URL.Path == "/v2/" && len(token) == 0 || r.URL.Path != "/v2/" && !same && !strings.HasPrefix(r.URL.Path, "/v2/"+repository+"/") {
						w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="x"`, host))
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					behind.ServeHTTP(w, r)
				},
				"/v2/{$}": func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="x"`, host))
					w.WriteHeader(http.StatusUnauthorized)
				},
			})
			host = server.host
			files := ocitest.LoginsOf(ocitest.Auths(host+"/from/app", host+"/to/app"))
			if same {
				files = ocitest.LoginsOf(ocitest.Auths(host))
			}
			ocitest.Machine(t, map[string]string{ocitest.DockerFile: files}, nil)
			c := newClient(t, Options{Keychain: logins.New(time.Second, nil)})
			from, to := server.app(), server.app()
			from.Path, to.Path = "from/app", "to/app"
			if err := NewWriters(c).Writer(to).Copy(t.Context(), from, digest); err != nil {
				t.Fatal(err)
			}
			if missing, err := missingBelow(t, c, to, digest); len(missing) > 0 || err != nil {
				t.Errorf("missing %v, %v", missing, err)
			}
			if moved := server.count("PATCH "); (moved == 0) != same {
				t.Errorf("%d blobs were moved", moved)
			}
		})
	}
}

var _ authn.ContextKeychain = (*logins.Keychain)(nil)
