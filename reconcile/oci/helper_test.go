package oci

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/reconcile/oci/logins"
	"tagline/reconcile/oci/ocitest"
)

// A helper is asked once per host, for any number of repositories and aliases
// and however often it fails. Its failure never leads to an anonymous request.
func TestCredentialHelperOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		wait   time.Duration
		want   string
	}{
		"fails":         {"exit 1", time.Minute, "check this credential helper"},
		"never answers": {"exec sleep 60", time.Second, "no answer from docker-credential-fake within 1s; does it wait for a password, or for a keyring to be unlocked?"},
	} {
		t.Run(name, func(t *testing.T) {
			home := ocitest.Machine(t, map[string]string{
				ocitest.DockerFile:       `{"credsStore":"fake"}`,
				"docker-credential-fake": "#!/bin/sh\necho >>HOME/starts\n" + tt.script + "\n",
			}, nil)
			server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/": goodManifest()})
			c := newClient(t, Options{Keychain: logins.New(tt.wait, nil)})
			var wait sync.WaitGroup
			for _, path := range []string{"app", "app", "team/app", "more"} {
				app := server.app()
				app.Path = path
				wait.Go(func() {
					for _, a := range c.Reader(app).Resolve(t.Context(), []string{"10", "11", "12"}) {
						if a.Err == nil || !strings.Contains(a.Err.Error(), tt.want) {
							t.Errorf("error %v", a.Err)
						}
					}
				})
			}
			wait.Wait()
			if starts, err := os.ReadFile(home + "/starts"); string(starts) != "\n" || err != nil {
				t.Errorf("helper started %d times, want 1: %v", len(starts), err)
			}
			if trace := server.trace(); len(trace) > 0 {
				t.Errorf("registry was asked %v", trace)
			}
		})
	}
}
