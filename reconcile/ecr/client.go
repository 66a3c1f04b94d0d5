package ecr

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"

	"tagline/config"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
)

// Client reads registries. It remembers what ECR has listed, so it is for one
// run, and reads through it do not see the run's own writes.
type Client struct {
	run       run
	oci       *oci.Client
	accounts  sync.Map // host -> *account
	endpoints sync.Map // host that speaks the OCI protocol for an account -> *account
}

// New returns a client for one run. Close it at the end. It sends no request,
// not even for credentials.
//
// For ECR it uses these fields of options.OCI: the concurrency, the user agent,
// the logger, and the patience (8 attempts if zero). The keychain is only for
// other hosts.
func New(options Options) *Client {
	if options.PushRate <= 0 {
		options.PushRate = DefaultPushRate
	}
	if options.OCI.Concurrency <= 0 {
		options.OCI.Concurrency = oci.DefaultConcurrency
	}
	if options.OCI.Logger == nil {
		options.OCI.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{run: run{options: options}}
	others := options.OCI
	others.Keychain = &keychain{client: c, others: others.Logins()}
	c.oci = oci.New(others)
	return c
}

// OCI returns the client for everything that is not ECR.
func (c *Client) OCI() *oci.Client { return c.oci }

// Close closes the idle connections.
func (c *Client) Close() {
	c.accounts.Range(func(_, a any) bool {
		a.(*account).close()
		return true
	})
	c.oci.Close()
}

// account returns the ECR registry of a host, or nil if the host is not ECR's.
func (c *Client) account(host string) *account {
	if known, ok := c.accounts.Load(host); ok {
		return known.(*account)
	}
	parsed, ok := config.ParseECRHost(host)
	if !ok {
		return nil
	}
	made, _ := c.accounts.LoadOrStore(host, newAccount(&c.run, host, parsed))
	return made.(*account)
}

// Stats returns the counts so far. Each call to ECR is a request.
func (c *Client) Stats() transport.Stats {
	s := c.oci.Stats()
	c.run.counts.mu.Lock()
	defer c.run.counts.mu.Unlock()
	s.Requests += c.run.counts.calls
	s.Retries += c.run.counts.retries
	s.BytesReceived += c.run.counts.received
	return s
}

// Sent returns the bytes of blobs that were sent to a repository so far.
func (c *Client) Sent(to config.Repository) int64 { return c.oci.Sent(to) }

// Counts returns the numbers of requests so far. The kind of a call to ECR is
// the name of its operation.
func (c *Client) Counts() map[transport.Count]int64 {
	all := c.oci.Counts()
	c.run.counts.mu.Lock()
	defer c.run.counts.mu.Unlock()
	maps.Copy(all, c.run.counts.by)
	return all
}

// overHTTP returns a repository with the host that speaks the OCI protocol for
// it. For ECR that is the same host, unless AWS_ENDPOINT_URL_ECR names
// something that is not AWS: then the authorization token names the host.
func (c *Client) overHTTP(ctx context.Context, repository config.Repository) (config.Repository, error) {
	a := c.account(repository.Host)
	if a == nil {
		return repository, nil
	}
	token, err := a.tokens.authorization(ctx)
	if err != nil {
		return config.Repository{}, err
	}
	endpoint, err := url.Parse(token.endpoint)
	if err != nil || endpoint.Host == "" {
		return config.Repository{}, fmt.Errorf("%s: the authorization token is for %q, which is no URL of a registry", a.name, token.endpoint)
	}
	if _, aws := config.ParseECRHost(endpoint.Host); !aws { // a token also serves registries of other accounts
		repository.Host = endpoint.Host
		c.endpoints.Store(endpoint.Host, a)
	}
	return repository, nil
}

// keychain returns ECR's tokens for its hosts, and asks others for all other
// hosts.
type keychain struct {
	client *Client
	others authn.Keychain
}

// Resolve implements [authn.Keychain].
func (k *keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext implements [authn.ContextKeychain].
func (k *keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	if a := k.client.account(target.RegistryStr()); a != nil {
		return &a.tokens, nil
	}
	if a, ok := k.client.endpoints.Load(target.RegistryStr()); ok {
		return &a.(*account).tokens, nil
	}
	return authn.Resolve(ctx, k.others, target)
}
