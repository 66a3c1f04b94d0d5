// Package logins finds the credentials that other tools have left on this machine.
package logins

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"tagline/reconcile/oci/transport"
)

// Keychain has the credentials that docker login, podman login and
// credential helpers have left on this machine. Each file is read once per run,
// and each helper is asked once per host.
//
// An error fails the host: without credentials, private tags could look absent.
type Keychain struct {
	places  func() ([]place, error)
	helpers helpers
	log     *slog.Logger
}

// New returns the keychain of one run. It reads no file yet. A credential helper
// that has not answered within patience is stopped.
func New(patience time.Duration, log *slog.Logger) *Keychain {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Keychain{places: sync.OnceValues(readPlaces), helpers: helpers{patience: patience}, log: log}
}

// Resolve implements [authn.Keychain]. For its errors see
// [Keychain.ResolveContext].
func (l *Keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return l.ResolveContext(context.Background(), target)
}

// ResolveContext implements [authn.ContextKeychain]. In each place, the most
// specific entry wins: for the repository, for one of its parents, for the
// host. If there is none, the place's helpers are asked.
//
// Errors: a file that can't be read or parsed, a helper that fails or doesn't
// answer in time, and the context's error. Without credentials it returns
// [authn.Anonymous] and no error.
func (l *Keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	host, path, _ := strings.Cut(target.String(), "/")
	repository := entryOf(host, path)
	places, err := l.places()
	if err != nil {
		return nil, noCredentials(host, err)
	}
	for _, p := range places {
		if found, ok := p.entry(repository); ok {
			l.log.DebugContext(ctx, "credentials", "for", target.String(), "entry", found.key, "from", found.from)
			return authn.FromConfig(found.auth), nil
		}
		for _, program := range p.helpersFor(host) {
			auth, err := l.helpers.ask(ctx, program, host)
			switch {
			case transport.IsContextError(err):
				return nil, err
			case err != nil:
				return nil, noCredentials(host, err)
			case auth != nil:
				l.log.DebugContext(ctx, "credentials", "for", target.String(), "from", program)
				return auth, nil
			}
		}
	}
	return authn.Anonymous, nil
}

func noCredentials(host string, err error) error {
	return transport.OfHost(host, fmt.Errorf("credentials: %w", err))
}
