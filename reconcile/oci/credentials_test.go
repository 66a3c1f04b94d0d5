package oci

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// helper makes docker-credential-fake the credential helper of this test, and
// returns how often it was started. An empty script leaves it out.
func helper(t *testing.T, script string) (starts func() int) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", filepath.Join(home, ".docker"))
	t.Setenv("DOCKER_AUTH_CONFIG", "")
	t.Setenv("PATH", home+string(filepath.ListSeparator)+os.Getenv("PATH"))
	log := filepath.Join(home, "starts")
	files := map[string]string{".docker/config.json": `{"credsStore":"fake"}`}
	if script != "" {
		files["docker-credential-fake"] = "#!/bin/sh\ncat >>" + log + "\necho >>" + log + "\n" + script + "\n"
	}
	for path, content := range files {
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return func() int {
		lines, _ := os.ReadFile(log) // none before the first start
		return strings.Count(string(lines), "\n")
	}
}

func TestCredentialHelper(t *testing.T) {
	tests := []struct {
		name, script string
		user         string // "" is anonymous
		want         string // in the error
	}{
		{name: "answers", script: `echo '{"Username":"me","Secret":"s"}'`, user: "me"},
		{name: "has none", script: "echo credentials not found in native keychain; exit 1"},
		{name: "is missing", want: "executable file not found"},
		{name: "fails", script: "echo the keyring is locked; exit 1", want: "the keyring is locked"},
		{name: "fails in silence", script: "exit 1", want: "exit status 1"},
		{name: "prints garbage", script: "echo garbage", want: "invalid character"},
		{name: "prints nothing", script: "true", want: "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			helper(t, tt.script)
			k := &keychain{inner: authn.DefaultKeychain, patience: time.Minute}
			auth, err := k.ResolveContext(t.Context(), name.MustParseReference("ghcr.io/org/app:1").Context())
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error %v, want one with %q", err, tt.want)
				}
				for _, part := range []string{"credentials for ghcr.io: ", "; check the credential helper and config.json of Docker"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error %q is without %q", err, part)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			config, err := auth.Authorization()
			if err != nil {
				t.Fatal(err)
			}
			if config.Username != tt.user {
				t.Errorf("user %q, want %q", config.Username, tt.user)
			}
		})
	}
}

// A helper is asked once per host, however many repositories and however often
// it fails, and its failure never becomes an anonymous request.
func TestCredentialHelperOnce(t *testing.T) {
	starts := helper(t, "exit 1")
	server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/": goodManifest()})
	c := newClient(t, Options{Keychain: authn.DefaultKeychain})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, err := resolve(t, c, server.app(), "10"); err == nil || !strings.Contains(err.Error(), "check the credential helper") {
				t.Errorf("error %v", err)
			}
		})
	}
	wait.Wait()
	if n := starts(); n != 1 {
		t.Errorf("helper started %d times, want 1", n)
	}
	if trace := server.trace(); len(trace) > 0 {
		t.Errorf("registry was asked %v", trace)
	}
}

// slowKeychain answers when it is told to.
type slowKeychain struct {
	release chan struct{}
	asked   atomic.Int32
}

func (k *slowKeychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	k.asked.Add(1)
	<-k.release
	return authn.Anonymous, nil
}

func TestCredentialHelperThatWaitsForSomebody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowKeychain{release: make(chan struct{})}
		defer close(slow.release)
		k := &keychain{inner: slow, patience: time.Minute}
		_, err := k.ResolveContext(t.Context(), name.MustParseReference("ghcr.io/org/app:1").Context())
		if err == nil || !strings.Contains(err.Error(), "credentials for ghcr.io: no answer within 1m0s") {
			t.Errorf("error %v", err)
		}
	})
}

func TestCredentialHelperHangs(t *testing.T) {
	slow := &slowKeychain{release: make(chan struct{})}
	k := &keychain{inner: slow, patience: time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	target := name.MustParseReference("ghcr.io/org/app:1").Context()
	if _, err := k.ResolveContext(ctx, target); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	close(slow.release)
	if auth, err := k.ResolveContext(t.Context(), target); err != nil || auth != authn.Anonymous {
		t.Errorf("later: %v, %v", auth, err)
	}
	if n := slow.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want 1", n)
	}
}
