package ocitest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

func TestTokenAuth(t *testing.T) {
	registry := ocitest.TokenAuth(t, ocitest.Olareg(t), ocitest.User, ocitest.Password)
	proxy := ocitest.Proxy(t, registry.Host)
	login := remote.WithAuth(&authn.Basic{Username: ocitest.User, Password: ocitest.Password})

	if _, err := demo.Seed(t.Context(), proxy.Host); err == nil {
		t.Error("pushed without credentials")
	}
	digests, err := demo.Seed(t.Context(), proxy.Host, login)
	if err != nil {
		t.Fatal(err)
	}
	if proxy.Count()["GET token"] == 0 {
		t.Errorf("the proxy saw no token request: %v", proxy.Count())
	}

	puller, err := remote.NewPuller(login)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(proxy.Host + "/my-image:10.10")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := puller.Head(t.Context(), ref); err != nil || d.Digest.String() != digests["10.10"] {
		t.Fatalf("got %v, %v; want %s", d, err, digests["10.10"])
	}
	registry.Expire()
	proxy.Reset()
	if _, err := puller.Head(t.Context(), ref); err != nil {
		t.Errorf("after tokens expired: %v", err)
	}
	want := []int{http.StatusUnauthorized, http.StatusOK, http.StatusOK} // challenge, token, answer
	for i, r := range proxy.Trace() {
		if i >= len(want) || r.Status != want[i] {
			t.Errorf("request %d: %s %s %d", i, r.Method, r.Path, r.Status)
		}
	}
	if err := remote.Delete(ref, login); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func TestTokenAuthChallenges(t *testing.T) {
	registry := ocitest.TokenAuth(t, ocitest.Olareg(t), "", "")
	base := "http://" + registry.Host
	manifest := base + "/v2/my-image/manifests/10"

	issued := do(t, http.MethodGet, base+"/token?scope=repository:my-image:pull,push")
	var anonymous struct{ Token string }
	if err := json.Unmarshal(issued.body, &anonymous); err != nil {
		t.Fatal(err)
	}
	realm := `Bearer realm="http://` + registry.Host + `/token",service="ocitest"`
	for _, tc := range []struct {
		name, method, token, want string
	}{
		{"no token", http.MethodGet, "", realm + `,scope="repository:my-image:pull"`},
		{"unknown token", http.MethodGet, "stale", realm + `,scope="repository:my-image:pull",error="invalid_token"`},
		{"pull", http.MethodGet, anonymous.Token, ""},
		{"anonymous push", http.MethodPut, anonymous.Token, realm + `,scope="repository:my-image:pull,push",error="insufficient_scope"`},
		{"anonymous delete", http.MethodDelete, anonymous.Token, realm + `,scope="repository:my-image:delete",error="insufficient_scope"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := do(t, tc.method, manifest, "Authorization", "Bearer "+tc.token)
			if challenge := got.header.Get("WWW-Authenticate"); challenge != tc.want {
				t.Errorf("status %d: got %q, want %q", got.status, challenge, tc.want)
			}
		})
	}
}
