package google

import (
	"context"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/google"

	"tagline/config"
)

// Logins adds to other credentials those of Google Cloud: the application default
// credentials or else gcloud's, for hosts of Google that have no login.
func Logins(others authn.Keychain) authn.Keychain { return &logins{others} }

type logins struct{ others authn.Keychain }

// Resolve implements [authn.Keychain].
func (l *logins) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return l.ResolveContext(context.Background(), target)
}

// ResolveContext implements [authn.ContextKeychain].
func (l *logins) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	found, err := authn.Resolve(ctx, l.others, target)
	if err != nil || found != authn.Anonymous || config.KindOf(target.RegistryStr(), nil) != config.Google {
		return found, err
	}
	return google.Keychain.Resolve(target)
}
