// Package ecr reads and writes Amazon ECR through the AWS API, a hundred images
// per call. It passes all other registries on to package oci.
//
// ECR also speaks the OCI protocol. Package ecr uses it for what the API does
// not offer: config blobs and copies. It needs an authorization token, which is
// requested at the first use, once per run.
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

// Options say how to talk to registries. The zero value is usable.
type Options struct {
	OCI      oci.Options // for all other registries; for what ECR uses, see New
	PushRate float64     // PutImage calls per second and registry; [DefaultPushRate] if zero
	// Repositories are the repositories of the run. One call asks for the facts
	// of all of them.
	Repositories []config.Repository
	// Registries are what images.yaml says of hosts: how to log in.
	Registries map[string]config.Registry
}

// DefaultPushRate stays below ECR's limit of 10 PutImage calls per second and
// region (user guide, service-quotas), which other jobs share.
const DefaultPushRate = 8

// Client reads registries. It remembers what ECR has listed, so it is for one
// run, and reads through it do not see the run's own writes.
type Client struct {
	options    Options
	oci        *oci.Client
	sessions   sync.Map // identity -> *session
	roles      sync.Map // roleKey -> *role
	registries sync.Map // host -> *account
	endpoints  sync.Map // host that speaks the OCI protocol for a registry -> *account
	counts     counts
}

var _ registry.Readers = (*Client)(nil)

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
	c := &Client{options: options}
	others := options.OCI
	others.Keychain = &keychain{client: c, others: others.Logins()}
	c.oci = oci.New(others)
	return c
}

// Reader opens a repository for reading. It sends no request and cannot fail.
func (c *Client) Reader(repository config.Repository) registry.Reader {
	if r := c.account(repository.Host); r != nil {
		return &reader{account: r, Repository: repository}
	}
	return c.oci.Reader(repository)
}

// OCI returns the client for everything that is not ECR.
func (c *Client) OCI() *oci.Client { return c.oci }

// Close closes the idle connections.
func (c *Client) Close() {
	c.registries.Range(func(_, r any) bool {
		r.(*account).close()
		return true
	})
	c.oci.Close()
}

// account returns the ECR registry of a host, or nil if the host is not ECR's.
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
// and limits. Nothing else in this package writes.
func NewWriters(c *Client) *Writers {
	return &Writers{client: c, oci: oci.NewWriters(c.oci)}
}

// Writer opens a repository for writing. It sends no request and cannot fail.
func (w *Writers) Writer(repository config.Repository) registry.Writer {
	if r := w.client.account(repository.Host); r != nil {
		return &writer{reader: reader{account: r, Repository: repository}, writers: w}
	}
	return &elsewhere{Writer: w.oci.Writer(repository), client: w.client, over: w.oci}
}

// elsewhere is a repository outside of ECR. Copies into it may come from ECR.
type elsewhere struct {
	registry.Writer
	client *Client
	over   *oci.Writers
}

// Forget is [oci.Writers.Forget].
func (w *elsewhere) Forget() { w.over.Forget() }

// Copy implements [registry.Writer]. Its errors are those of the OCI protocol,
// and those of a failed request for ECR's authorization token.
func (w *elsewhere) Copy(ctx context.Context, from config.Repository, digest string) error {
	source, err := w.client.overHTTP(ctx, from)
	if err != nil {
		return err
	}
	return w.Writer.Copy(ctx, source, digest)
}

// overHTTP returns a repository with the host that speaks the OCI protocol for
// it. For ECR that is the same host, unless AWS_ENDPOINT_URL_ECR names
// something that is not AWS: then the authorization token names the host.
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
	if _, aws := config.ParseECRHost(endpoint.Host); !aws { // a token also serves registries of other accounts
		repository.Host = endpoint.Host
		c.endpoints.Store(endpoint.Host, r)
	}
	return repository, nil
}

// pushesAtOnce is the number of pushes in about a second. A tag may wait that long
// between its last read and its push; see [writer.Turn].
func (c *Client) pushesAtOnce() int { return max(1, int(math.Ceil(c.options.PushRate))) }
