package oci

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/oci/logins"
	"tagline/reconcile/oci/transport"
)

// Options say how to talk to registries. The zero value is usable.
type Options struct {
	Concurrency int            // requests in flight per host; [DefaultConcurrency] if zero
	Shares      map[string]int // the same for some hosts, as images.yaml spells them, instead of Concurrency
	Insecure    []string       // hosts whose certificate is not verified and that may speak plain HTTP, as loopback may; spelled as in images.yaml
	Keychain    authn.Keychain // see [Options.Logins]
	UserAgent   string         // "tagline/1.2.3"
	Logger      *slog.Logger   // debug: every request; warn: retries. Silent if nil
	Patience    transport.Patience
}

// DefaultConcurrency is what it takes to get a remote registry's full speed.
const DefaultConcurrency = 16

// AtOnce is how many requests to a host may be in flight.
func (o Options) AtOnce(host string) int {
	if name, err := config.ParseHost(host); err == nil {
		host = name // Docker Hub has another name on the wire
	}
	return cmp.Or(o.Shares[host], o.Concurrency, DefaultConcurrency)
}

// Logins is the keychain: without one, what other tools have left on this machine.
func (o Options) Logins() authn.Keychain {
	if o.Keychain != nil {
		return o.Keychain
	}
	return logins.New(o.Patience.WithDefaults().Headers, o.Logger)
}

// most is how many that is for the host that may have most.
func (o Options) most() int {
	most := o.Concurrency
	for _, share := range o.Shares {
		most = max(most, share)
	}
	return most
}

// Client reads registries. It holds what one run shares: connections,
// credentials, tokens, and what is known about each host. It has no way to
// write; [NewWriters] has.
type Client struct {
	transport *transport.Transport
	options   Options
	puller    *remote.Puller
	admitted  sync.Map // repositories with an answer other than a refused login; each repository may have its own login
}

// New returns a client for one run. Close it at the end.
func New(options Options) *Client {
	if options.Concurrency <= 0 {
		options.Concurrency = DefaultConcurrency
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	options.Patience = options.Patience.WithDefaults()
	options.Keychain = options.Logins()
	c := &Client{options: options, transport: transport.New(transport.Options{
		AtOnce: options.AtOnce, Most: options.most(), Insecure: options.Insecure, Patience: options.Patience, Logger: options.Logger,
	})}
	c.puller = must(remote.NewPuller(c.remoteOptions(c.transport.Chain(transport.ReadsWhole))...))
	return c
}

// Close closes the idle connections. Once every answer has been read, that is
// all of them.
func (c *Client) Close() { c.transport.Close() }

// Stats returns the counts so far. It may be called at any time, for a display of
// progress.
func (c *Client) Stats() transport.Stats { return c.transport.Stats() }

// Counts returns the numbers of requests so far, by kind.
func (c *Client) Counts() map[transport.Count]int64 { return c.transport.Counts() }

// Sent returns the bytes of blobs that were sent to a repository so far, for a display
// of progress. Uploads to a URL of the registry's choice that does not name the
// repository are not among them.
func (c *Client) Sent(to config.Repository) int64 {
	named := c.named(to)
	if named.err != nil {
		return 0
	}
	return c.transport.Sent(named.name.RegistryStr() + "/" + named.name.RepositoryStr())
}

func (c *Client) remoteOptions(chain http.RoundTripper) []remote.Option {
	return []remote.Option{
		remote.WithTransport(chain),
		remote.WithAuthFromKeychain(c.options.Keychain),
		remote.WithUserAgent(c.options.UserAgent),
		remote.WithJobs(c.options.most()),
		// The transport retries. A transport.Wrapper would also switch off
		// go-containerregistry's retries, but its authentication with them.
		remote.WithRetryPredicate(func(error) bool { return false }),
		remote.WithRetryStatusCodes(),
	}
}

// must unwraps constructors of go-containerregistry, which fail only if options
// contradict each other.
func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("oci: %v", err))
	}
	return value
}

func (c *Client) named(r config.Repository) repository {
	var options []name.Option
	if c.transport.PlainHTTP(r.Host) {
		options = append(options, name.Insecure) // https first all the same
	}
	registry, err := name.NewRegistry(r.Host, options...)
	return repository{Repository: r, name: registry.Repo(r.Path), err: err}
}
