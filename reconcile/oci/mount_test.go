package oci

import (
	"errors"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"tagline/config"
)

// perRepository has a login for each repository, or none that can be read.
type perRepository map[string]authn.AuthConfig

func (p perRepository) Resolve(target authn.Resource) (authn.Authenticator, error) {
	login, ok := p[target.String()]
	if !ok {
		return nil, errors.New("the credential helper is gone")
	}
	return authn.FromConfig(login), nil
}

// Blobs are mounted only if both repositories are known to have the same login.
func TestMayMount(t *testing.T) {
	one, two := authn.AuthConfig{Username: "one", Password: "secret"}, authn.AuthConfig{Username: "two", Password: "secret"}
	for name, test := range map[string]struct {
		logins perRepository
		want   bool
	}{
		"the same login":   {perRepository{"localhost:1/app": one, "localhost:1/base": one}, true},
		"no login at all":  {perRepository{"localhost:1/app": {}, "localhost:1/base": {}}, true},
		"another login":    {perRepository{"localhost:1/app": one, "localhost:1/base": two}, false},
		"one is not known": {perRepository{"localhost:1/app": one}, false},
		"none is known":    {perRepository{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Options{Keychain: test.logins})
			w := NewWriters(c).Writer(config.Repository{Host: "localhost:1", Path: "app"}).(*writer)
			if got := w.mayMount(t.Context(), c.named(config.Repository{Host: "localhost:1", Path: "base"})); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
