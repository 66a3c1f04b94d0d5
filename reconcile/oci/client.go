// Package oci reads and writes registries that speak the OCI distribution
// protocol.
//
// go-containerregistry does the protocol and its authentication. Below it is
// our own HTTP transport (transport.go), with the rules that an unattended run
// needs: which requests are retried and when, how many run at a time, how long
// to wait, and which answers to believe.
package oci

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Options say how to talk to registries. The zero value is usable.
type Options struct {
	Concurrency int            // requests in flight per host; [DefaultConcurrency] if zero
	Shares      map[string]int // the same for some hosts, as images.yaml spells them, instead of Concurrency
	Insecure    []string       // hosts whose certificate is not verified and that may speak plain HTTP, as loopback may; spelled as in images.yaml
	Keychain    authn.Keychain // [NewLogins] if nil
	UserAgent   string         // "tagline/1.2.3"
	Logger      *slog.Logger   // debug: every request; warn: retries. Silent if nil
	Patience    Patience
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

// most is how many that is for the host that may have most.
func (o Options) most() int {
	most := o.Concurrency
	for _, share := range o.Shares {
		most = max(most, share)
	}
	return most
}

// Patience is how often tagline retries and how long it waits for a registry.
// Zero fields take their defaults.
type Patience struct {
	Attempts      int           // attempts of a request that may be repeated; 5
	Backoff       time.Duration // before the second attempt, doubled before each later one; 500 ms
	MaxRetryAfter time.Duration // the longest Retry-After that is honored; 1 min
	Headers       time.Duration // from the end of a request to the headers of its answer, and for a credential helper; 30 s
	Idle          time.Duration // between two reads of a body; 1 min
	Body          time.Duration // for a whole body that is not a blob; 1 min
}

func (p Patience) withDefaults() Patience {
	return Patience{
		Attempts:      cmp.Or(p.Attempts, 5),
		Backoff:       cmp.Or(p.Backoff, 500*time.Millisecond),
		MaxRetryAfter: cmp.Or(p.MaxRetryAfter, time.Minute),
		Headers:       cmp.Or(p.Headers, 30*time.Second),
		Idle:          cmp.Or(p.Idle, time.Minute),
		Body:          cmp.Or(p.Body, time.Minute),
	}
}

// Client reads registries. It holds what one run shares: connections,
// credentials, tokens, and what is known about each host. It has no way to
// write; [NewWriters] has.
type Client struct {
	options      Options
	base         *http.Transport
	certificates *certificates
	hosts        *hosts
	pings        *pings
	puller       *remote.Puller
	heads        sync.Map // host -> whether its 404 to the HEAD of a manifest can be believed
	admitted     sync.Map // repositories with an answer other than a refused login; each repository may have its own login

	requests, bytesSent, bytesReceived atomic.Int64
	sent                               sync.Map // "host/path" -> *atomic.Int64, bytes of blobs
	counts                             sync.Map // Count -> *atomic.Int64
}

var _ registry.Readers = (*Client)(nil)

// New returns a client for one run. Close it at the end.
func New(options Options) *Client {
	if options.Concurrency <= 0 {
		options.Concurrency = DefaultConcurrency
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	options.Patience = options.Patience.withDefaults()
	if options.Keychain == nil {
		options.Keychain = NewLogins(options.Patience, options.Logger)
	}
	c := &Client{
		options: options,
		base:    baseTransport(options.most()),
		hosts:   &hosts{atOnce: options.AtOnce, backoff: options.Patience.Backoff},
		pings:   &pings{},
	}
	c.certificates = &certificates{base: c.base, insecure: c.insecure}
	c.puller = must(remote.NewPuller(c.remoteOptions(c.chain(readsWhole))...))
	return c
}

// Reader opens a repository for reading. It sends no request and cannot fail; a
// name that no host can have is an error of every method.
func (c *Client) Reader(repository config.Repository) registry.Reader {
	return &reader{client: c, repository: c.named(repository)}
}

// Close closes the idle connections. Once every answer has been read, that is
// all of them.
func (c *Client) Close() { c.certificates.close() }

func (c *Client) remoteOptions(transport http.RoundTripper) []remote.Option {
	return []remote.Option{
		remote.WithTransport(transport),
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

// repository is a repository under both of its names: ours, which users see,
// and go-containerregistry's, which has index.docker.io for docker.io.
type repository struct {
	config.Repository
	name name.Repository
	err  error // the name is not valid for a host
}

func (c *Client) named(r config.Repository) repository {
	var options []name.Option
	if c.plainHTTP(r.Host) {
		options = append(options, name.Insecure) // https first all the same
	}
	registry, err := name.NewRegistry(r.Host, options...)
	return repository{Repository: r, name: registry.Repo(r.Path), err: err}
}

// reference parses a tag or a digest of the repository. Only a digest has a
// colon.
func (r repository) reference(s string) name.Reference {
	if isDigest(s) {
		return r.name.Digest(s)
	}
	return r.name.Tag(s)
}

// subject names what an error is about: "localhost:5000/my-image:10".
func (r repository) subject(reference string) string {
	if isDigest(reference) {
		return r.String() + "@" + reference
	}
	return r.String() + ":" + reference
}

func isDigest(reference string) bool { return strings.Contains(reference, ":") }
