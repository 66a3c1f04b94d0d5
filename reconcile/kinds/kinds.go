// Package kinds chooses, by host, how a registry is spoken to: Amazon ECR by the
// AWS API, others by the OCI protocol, and where a registry has an API of its own
// that lists manifests, by that too.
package kinds

import (
	"log/slog"
	"sync"

	"tagline/config"
	"tagline/reconcile/azure"
	"tagline/reconcile/ecr"
	"tagline/reconcile/github"
	"tagline/reconcile/google"
	"tagline/reconcile/harbor"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// kind adds what the API of a host offers to what speaks the OCI protocol. Its
// methods send no request.
type kind interface {
	Reader(repository config.Repository, over registry.Reader) registry.Reader
	Writer(repository config.Repository, over registry.Writer) registry.Writer
}

// made are the constructors of kinds.
var made = map[config.RegistryKind]func(host string, over *oci.Client, log *slog.Logger) kind{
	config.GitHub: func(host string, over *oci.Client, log *slog.Logger) kind { return github.New(host, over, log) },
	config.Harbor: func(_ string, over *oci.Client, log *slog.Logger) kind { return harbor.New(over, log) },
	config.Azure:  func(_ string, over *oci.Client, log *slog.Logger) kind { return azure.New(over, log) },
	config.Google: func(_ string, over *oci.Client, log *slog.Logger) kind { return google.New(over, log) },
}

// Client reads registries. It remembers what they have listed, so it is for one
// run.
type Client struct {
	*ecr.Client // for all hosts without a kind
	said        map[string]config.Registry
	log         *slog.Logger
	known       sync.Map // host -> kind, nil if it has none
}

var _ registry.Readers = (*Client)(nil)

// New returns a client for one run. Close it at the end. said is what images.yaml
// says of hosts.
func New(options ecr.Options, said map[string]config.Registry) *Client {
	if options.OCI.Logger == nil {
		options.OCI.Logger = slog.New(slog.DiscardHandler)
	}
	if options.OCI.Keychain == nil {
		options.OCI.Keychain = google.Logins(options.OCI.Logins())
	}
	options.Registries, options.OCI.Shares = said, map[string]int{}
	for host, r := range said {
		options.OCI.Shares[host] = r.Concurrency
	}
	return &Client{Client: ecr.New(options), said: said, log: options.OCI.Logger}
}

func (c *Client) kind(host string) kind {
	if known, ok := c.known.Load(host); ok {
		k, _ := known.(kind)
		return k
	}
	var k kind
	if new := made[config.KindOf(host, c.said)]; new != nil {
		k = new(host, c.OCI(), c.log)
	}
	actual, _ := c.known.LoadOrStore(host, k)
	k, _ = actual.(kind)
	return k
}

// Reader opens a repository for reading. It asks nothing yet.
func (c *Client) Reader(repository config.Repository) registry.Reader {
	over := c.Client.Reader(repository)
	if k := c.kind(repository.Host); k != nil {
		return k.Reader(repository, over)
	}
	return over
}

// Writers opens repositories for writing.
type Writers struct {
	client *Client
	over   *ecr.Writers
}

var _ registry.Writers = (*Writers)(nil)

// NewWriters returns writers that share the client's connections, credentials
// and limits. Nothing else in this package can write.
func NewWriters(c *Client) *Writers { return &Writers{client: c, over: ecr.NewWriters(c.Client)} }

// Writer opens a repository for writing. It asks nothing yet.
func (w *Writers) Writer(repository config.Repository) registry.Writer {
	over := w.over.Writer(repository)
	if k := w.client.kind(repository.Host); k != nil {
		return k.Writer(repository, over)
	}
	return over
}
