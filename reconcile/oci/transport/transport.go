package transport

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Options say how to talk to registries. Each is needed.
type Options struct {
	AtOnce   func(host string) int // requests in flight
	Most     int                   // requests in flight for the host that may have most
	Insecure []string              // hosts whose certificate is not verified and that may speak plain HTTP, as loopback may
	Patience Patience
	Logger   *slog.Logger // debug: every request; warn: retries
}

// Transport is what one run knows about each host, and its connections.
type Transport struct {
	Base *http.Transport // of all hosts that need no certificates of their own; for tests to change before the first request

	counters
	options      Options
	insecure     insecure
	certificates *certificates
	hosts        *hosts
	pings        *pings
	heads        heads
}

// New returns the transport of one run. Close it at the end.
func New(options Options) *Transport {
	t := &Transport{
		Base: baseTransport(options.Most), options: options, insecure: options.Insecure,
		hosts: &hosts{atOnce: options.AtOnce, backoff: options.Patience.Backoff}, pings: &pings{},
	}
	t.certificates = &certificates{base: t.Base, insecure: t.insecure.has}
	return t
}

// Close closes the idle connections. Once every answer has been read, that is
// all of them.
func (t *Transport) Close() { t.certificates.close() }

// PlainHTTP reports whether plain HTTP is allowed to a host: to this machine, and to
// the hosts that the user named.
func (t *Transport) PlainHTTP(host string) bool { return t.insecure.plainHTTP(host) }

// HeadsAreHonest reports whether a host's 404 to the HEAD of a manifest can be
// believed: it has answered some HEAD with anything else. known is false as long as
// nothing has shown it.
func (t *Transport) HeadsAreHonest(host string) (is, known bool) { return t.heads.areHonest(host) }

// DoubtHeads notes that a host has answered the HEAD of a manifest that is there
// with 404.
func (t *Transport) DoubtHeads(host string) { t.heads.of.Store(host, false) }

// Whether blobs stream through the transport, or the transport reads and
// verifies them.
const (
	ReadsWhole = true  // for a reader, which reads no blobs but small configs
	Streams    = false // for a copy, whose blobs go-containerregistry verifies as they pass
)

// Chain returns what sends requests. A request passes these layers, from the outside
// in:
//
//	edge          which hosts may be asked, and how; the limit on redirects
//	pings         one GET /v2/ per host and run
//	retries       attempts, back-off, Retry-After, hosts that are down
//	verifier      manifests must be complete and match their digest
//	slots         a number of requests per host at a time
//	meter         counts and logs
//	deadlines     for headers and bodies
//	proxies       tells a proxy's refusal from a registry's
//	certificates  connections, with the CAs and certificates for each host
func (t *Transport) Chain(wholeBlobs bool) http.RoundTripper {
	p, log := t.options.Patience, t.options.Logger
	var next http.RoundTripper = t.certificates
	next = &proxies{next: next, of: func(req *http.Request) (*url.URL, error) { return t.Base.Proxy(req) }}
	next = &deadlines{next: next, headers: p.Headers, idle: p.Idle, body: p.Body}
	next = &meter{next: next, counts: &t.counters, log: log}
	next = &slots{next: next, hosts: t.hosts}
	next = &verifier{next: next, wholeBlobs: wholeBlobs, heads: &t.heads}
	next = &retries{next: next, hosts: t.hosts, patience: p, counts: &t.counters, log: log}
	next = &pinger{next: next, pings: t.pings}
	return &edge{next: next, insecure: t.insecure}
}

func baseTransport(concurrency int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: ProxyAnswer,
		DialContext:            NewDialer().DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		// A dead HTTP/2 connection stays in the pool, and every retry uses it
		// again unless pings find out (golang/go#36026).
		HTTP2:           &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		IdleConnTimeout: 90 * time.Second,
		// No MaxConnsPerHost: a copy within one registry reads blobs from
		// connections that it holds, and waits for others to write them to.
		MaxIdleConnsPerHost: concurrency,
	}
}
