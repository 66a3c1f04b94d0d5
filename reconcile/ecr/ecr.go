// Package ecr reads and writes Amazon ECR through the AWS API, a hundred
// images a call, and hands all other registries on to package oci.
//
// ECR speaks the OCI protocol, too. That way goes what the API does not offer:
// config blobs, and copies. It needs an authorization token, which is asked for
// once a run and only if something goes that way.
package ecr

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"sync"

	"tagline/config"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// Options say how registries are spoken to. The zero value is usable.
type Options struct {
	OCI      oci.Options // for everything that is not ECR; for ECR what is said below
	PushRate float64     // PutImage calls a second and registry; [DefaultPushRate] if zero
	// Repositories are those of the run. Facts of all of them are asked in one
	// call.
	Repositories []config.Repository
}

// DefaultPushRate stays below ECR's 10 PutImage calls per second and region
// (user guide, service-quotas), which other jobs use as well.
const DefaultPushRate = 8

// Client reads registries. It remembers what ECR has listed, so it is for one
// run, and must not outlive its own writes.
type Client struct {
	options    Options
	oci        *oci.Client
	session    session
	registries sync.Map // host -> *registry
	endpoints  sync.Map // host that speaks the OCI protocol for a registry -> *registry
	counts     counts
}

var _ registry.Readers = (*Client)(nil)

// New returns a client for one run. Close it at the end. It asks nothing yet,
// not even for credentials.
//
// Of options.OCI, ECR uses the concurrency, the user agent, the logger, and the
// number of attempts (8 if zero); the keychain is only for other hosts.
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
	c := &Client{options: options}
	c.session.client = c
	others := options.OCI
	if others.Keychain == nil {
		others.Keychain = oci.NewLogins(others.Patience, others.Logger)
	}
	others.Keychain = &keychain{client: c, others: others.Keychain}
	c.oci = oci.New(others)
	return c
}

// Reader opens a repository for reading. It asks nothing yet.
func (c *Client) Reader(repository config.Repository) registry.Reader {
	if r := c.account(repository.Host); r != nil {
		return &reader{account: r, Repository: repository}
	}
	return c.oci.Reader(repository)
}

// OCI returns the client for everything that is not ECR.
func (c *Client) OCI() *oci.Client { return c.oci }

// Close gives up the connections that are idle.
func (c *Client) Close() {
	c.session.close()
	c.oci.Close()
}

// registry is the ECR registry of a host, nil if it is none.
func (c *Client) account(host string) *account {
	if known, ok := c.registries.Load(host); ok {
		return known.(*account)
	}
	parsed, ok := config.ParseECRHost(host)
	if !ok {
		return nil
	}
	made, _ := c.registries.LoadOrStore(host, newAccount(c, host, parsed))
	return made.(*account)
}

// Writers opens repositories for writing.
type Writers struct {
	client *Client
	oci    *oci.Writers
}

var _ registry.Writers = (*Writers)(nil)

// NewWriters returns writers that share the client's connections, credentials
// and limits. Nothing else in this package can write.
func NewWriters(c *Client) *Writers {
	return &Writers{client: c, oci: oci.NewWriters(c.oci)}
}

// Writer opens a repository for writing. It asks nothing yet.
func (w *Writers) Writer(repository config.Repository) registry.Writer {
	if r := w.client.account(repository.Host); r != nil {
		return &writer{reader: reader{account: r, Repository: repository}, writers: w}
	}
	return &elsewhere{Writer: w.oci.Writer(repository), client: w.client}
}

// elsewhere is a repository outside of ECR, to which copies may come from ECR.
type elsewhere struct {
	registry.Writer
	client *Client
}

// Copy implements [registry.Writer].
func (w *elsewhere) Copy(ctx context.Context, from config.Repository, digest string) error {
	source, err := w.client.overHTTP(ctx, from)
	if err != nil {
		return err
	}
	return w.Writer.Copy(ctx, source, digest)
}

// overHTTP is a repository by the host that speaks the OCI protocol for it.
// For ECR that is its own host, except where AWS_ENDPOINT_URL_ECR leads to
// something that is not AWS: there the authorization token names the host.
func (c *Client) overHTTP(ctx context.Context, repository config.Repository) (config.Repository, error) {
	r := c.account(repository.Host)
	if r == nil {
		return repository, nil
	}
	token, err := r.authorization(ctx)
	if err != nil {
		return config.Repository{}, err
	}
	endpoint, err := url.Parse(token.endpoint)
	if err != nil || endpoint.Host == "" {
		return config.Repository{}, fmt.Errorf("%s: the authorization token is for %q, which is no URL of a registry", r.name, token.endpoint)
	}
	if _, aws := config.ParseECRHost(endpoint.Host); !aws { // a token serves registries of other accounts, too
		repository.Host = endpoint.Host
		c.endpoints.Store(endpoint.Host, r)
	}
	return repository, nil
}

// pushesAtOnce is about a second's worth of pushes: so long a tag may wait
// between the moment it is read again and its push.
func (c *Client) pushesAtOnce() int { return max(1, int(math.Ceil(c.options.PushRate))) }
