package oci

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

// keychain asks for the credentials of each host once per run: a helper is a
// program, and go-containerregistry would start it for every repository. What
// it answered is kept, an error too. A helper that fails is an error of its
// host: to go on without credentials could make private tags look absent.
type keychain struct {
	inner    authn.Keychain
	patience time.Duration
	hosts    sync.Map // host -> *credentials
}

type credentials struct {
	once sync.Once
	done chan struct{}
	auth authn.Authenticator
	err  error
}

// Resolve implements [authn.Keychain].
func (k *keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext implements [authn.ContextKeychain]. A helper that hangs is
// left behind: docker/cli offers no way to end it.
func (k *keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	host := hostResource(target.RegistryStr())
	entry, _ := k.hosts.LoadOrStore(host, &credentials{done: make(chan struct{})})
	c := entry.(*credentials)
	c.once.Do(func() {
		go func() {
			defer close(c.done)
			c.auth, c.err = authn.Resolve(context.WithoutCancel(ctx), k.inner, host)
			if c.err != nil {
				c.err = ofHost(&failure{
					fmt.Sprintf("credentials for %s: %s; check the credential helper and config.json of Docker", host, printable(c.err.Error())),
					[]error{c.err},
				})
			}
		}()
	})
	late := time.NewTimer(k.patience)
	defer late.Stop()
	select {
	case <-c.done:
		return c.auth, c.err
	case <-late.C:
		return nil, ofHost(fmt.Errorf("credentials for %s: no answer within %v; does the credential helper wait for somebody to unlock it?", host, k.patience))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hostResource is a registry as a thing to have credentials for.
type hostResource string

func (h hostResource) String() string      { return string(h) }
func (h hostResource) RegistryStr() string { return string(h) }
