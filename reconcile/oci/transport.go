package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"tagline/reconcile/registry"
)

// Whether blobs stream through the transport, or the transport reads and
// verifies them.
const (
	readsWhole = true  // for a Reader, which reads no blobs but small configs
	streams    = false // for a copy, whose blobs go-containerregistry verifies as they pass
)

// chain returns the transport. A request passes these layers, from the outside
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
func (c *Client) chain(wholeBlobs bool) http.RoundTripper {
	p, log := c.options.Patience, c.options.Logger
	var next http.RoundTripper = c.certificates
	next = &proxies{next: next, of: func(req *http.Request) (*url.URL, error) { return c.base.Proxy(req) }}
	next = &deadlines{next: next, headers: p.Headers, idle: p.Idle, body: p.Body}
	next = &meter{next: next, client: c}
	next = &slots{next: next, hosts: c.hosts}
	next = &verifier{next: next, wholeBlobs: wholeBlobs, heads: &c.heads}
	next = &retries{next: next, hosts: c.hosts, patience: p, log: log}
	next = &pinger{next: next, pings: c.pings}
	return &edge{next: next, plainHTTP: c.plainHTTP}
}

func baseTransport(concurrency int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: ProxyAnswer,
		DialContext:            newDialer().DialContext,
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

// newDialer refuses link-local addresses, whether from a name or from a
// redirect. No registry has one, but every cloud has a service there that hands
// out the machine's credentials.
func newDialer() *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		if to, err := netip.ParseAddrPort(address); err != nil || isLinkLocal(to.Addr()) {
			return ofHost(address, errors.New("link-local addresses are refused: no registry is there, but the credentials of a cloud machine are"))
		}
		return nil
	}}
}

// isLinkLocal includes the IPv6 address of EC2's metadata service (EC2 user
// guide, "instancedata-data-retrieval").
func isLinkLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsLinkLocalUnicast() || ip == netip.MustParseAddr("fd00:ec2::254")
}

// edge is the transport that go-containerregistry calls.
type edge struct {
	next      http.RoundTripper
	plainHTTP func(host string) bool
}

// maxRedirects is net/http's own limit. go-containerregistry loses it, because
// it sets its own CheckRedirect (remote/fetcher.go).
const maxRedirects = 10

func (e *edge) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.WithContext(withLost(req.Context()))
	resp, err := e.roundTrip(req)
	switch {
	case err == nil:
		resp.Request = req
		return redacted(resp)
	case speaksPlainHTTP(err):
		return nil, err // go-containerregistry then tries http, see pinger
	}
	return nil, &requestError{err}
}

// redacted removes the request's credentials from a refusal, which is going to
// be reported: some servers send back what they received.
func redacted(resp *http.Response) (*http.Response, error) {
	if resp.StatusCode < 400 || resp.Request.Header.Get("Authorization") == "" {
		return resp, nil
	}
	body, err := readDocument(resp)
	if err != nil {
		return nil, &requestError{err}
	}
	body = withoutCredentials(body, resp.Request)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// withoutCredentials takes those of a request out of a text.
func withoutCredentials(text []byte, req *http.Request) []byte {
	user, password, _ := req.BasicAuth()
	_, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	for _, secret := range []string{token, user + ":" + password, password} {
		if len(secret) >= 8 { // a short one may be a common word
			text = bytes.ReplaceAll(text, []byte(secret), []byte("[credentials]"))
		}
	}
	return text
}

func (e *edge) roundTrip(req *http.Request) (*http.Response, error) {
	plain := e.plainHTTP(req.URL.Host)
	if req.URL.Scheme == "http" && !plain {
		// On its own, go-containerregistry would speak it to RFC 1918
		// addresses.
		closeBody(req)
		return nil, ofHost(req.URL.Host, errors.New("plain http refused: if that is meant, name the host with --insecure-registry"))
	}
	if ip, err := netip.ParseAddr(req.URL.Hostname()); err == nil && isLinkLocal(ip) { // a proxy could dial it, and not our dialer
		closeBody(req)
		return nil, ofHost(req.URL.Host, errors.New("link-local address refused"))
	}
	redirects := 0
	for r := req; r.Response != nil && r.Response.Request != nil; r = r.Response.Request {
		redirects++
	}
	if redirects >= maxRedirects {
		closeBody(req)
		return nil, lasting(fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, req.URL.Host))
	}
	resp, err := e.next.RoundTrip(req)
	if speaksPlainHTTP(err) && !plain {
		return nil, ofHost(req.URL.Host, errors.New("it speaks plain http: if that is meant, name the host with --insecure-registry"))
	}
	return resp, err
}

// plainHTTP reports whether plain HTTP is allowed to a host: to this machine,
// and to the hosts that the user named.
func (c *Client) plainHTTP(host string) bool {
	if c.insecure(host) {
		return true
	}
	hostname := (&url.URL{Host: host}).Hostname()
	if hostname == "localhost" || strings.HasSuffix(hostname, ".localhost") { // RFC 6761, section 6.3
		return true
	}
	ip, err := netip.ParseAddr(hostname)
	return err == nil && ip.Unmap().IsLoopback()
}

// insecure reports whether the user named a host as insecure: its certificate
// need not be trusted, or it has none.
func (c *Client) insecure(host string) bool {
	return slices.ContainsFunc(c.options.Insecure, func(named string) bool { return strings.EqualFold(named, host) })
}

// slots limits the requests per host at a time. A request holds its slot until
// the headers of its answer arrive, and no longer: a copy within one registry
// reads a body while it sends another, and must not wait for itself.
type slots struct {
	next  http.RoundTripper
	hosts *hosts
}

func (s *slots) RoundTrip(req *http.Request) (*http.Response, error) {
	slots := s.hosts.of(req.URL).slots
	select {
	case slots <- struct{}{}:
	case <-req.Context().Done():
		closeBody(req)
		return nil, req.Context().Err()
	}
	defer func() { <-slots }()
	if !writesManifest(req) {
		return s.next.RoundTrip(req)
	}
	if err := req.Context().Err(); err != nil { // select chooses at random if both are ready
		closeBody(req)
		return nil, err
	}
	ctx, done := registry.Finishing(req.Context())
	resp, err := s.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		done()
		if req.Context().Err() != nil {
			err = lasting(fmt.Errorf("cut off after the interruption, and it is not known whether it was done: %w", &requestError{errors.New(printable(err.Error()))}))
		}
		return nil, err
	}
	resp.Body = &finishingBody{resp.Body, done}
	return resp, nil
}

// writesManifest reports whether a request changes what a tag names, by the
// protocol or by an API of the registry's own. If it were cut off, the run would
// not know whether it was done.
func writesManifest(req *http.Request) bool {
	return req.Method == http.MethodDelete || req.Method == http.MethodPut && routeOf(req).resource == "manifests"
}

// finishingBody ends a write's context when its answer is closed.
type finishingBody struct {
	io.ReadCloser
	done context.CancelFunc
}

func (b *finishingBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// meter counts requests and the bytes of blobs, and logs each request.
type meter struct {
	next   http.RoundTripper
	client *Client
}

func (m *meter) RoundTrip(req *http.Request) (*http.Response, error) {
	m.client.requests.Add(1)
	if isUpload(req) && req.Body != nil && req.Body != http.NoBody {
		req = req.Clone(req.Context())
		req.Body = &countedBody{ReadCloser: req.Body, count: &m.client.bytesSent}
		if of := uploadedTo(req); of != "" {
			count, _ := m.client.sent.LoadOrStore(of, new(atomic.Int64))
			req.Body = &countedBody{ReadCloser: req.Body, count: count.(*atomic.Int64)}
		}
	}
	start := time.Now()
	resp, err := m.next.RoundTrip(req)
	if err != nil {
		resp = nil
	}
	log := func(how string, value any) {
		if logger := m.client.options.Logger; logger.Enabled(req.Context(), slog.LevelDebug) { // most runs don't log at this level
			args := append([]any{"method", req.Method, "url", loggable(req.URL)}, subject(req)...)
			args = append(args, "duration_seconds", time.Since(start).Round(time.Microsecond).Seconds(), how, value)
			if resp != nil && resp.StatusCode >= 400 {
				args = append(args, bodyOf(resp, req)...)
			}
			logger.DebugContext(req.Context(), "request", args...)
		}
	}
	if err != nil {
		m.client.count(req, 0)
		log("error", printable(err.Error()))
		return nil, err
	}
	m.client.count(req, resp.StatusCode)
	log("status", resp.StatusCode)
	resp.Body = &countedBody{ReadCloser: resp.Body, count: &m.client.bytesReceived}
	return resp, nil
}

type countedBody struct {
	io.ReadCloser
	count *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	return n, err
}

// loggable is a URL without its secrets: the query can hold a token, or the
// signature of a blob's address.
func loggable(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// route is what a request asks for, by the paths of the distribution-spec,
// "Endpoints".
type route struct {
	resource  string // "manifests", "blobs", "uploads", "referrers"; anything else for a token or a ping
	reference string // tag, digest or session
}

// routeOf takes the path from before any redirects: a blob's address on a
// storage service says nothing.
func routeOf(req *http.Request) route {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	rest, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) < 3 { // name, resource, reference
		return route{}
	}
	return route{parts[len(parts)-2], parts[len(parts)-1]}
}

// isUpload reports whether a request sends a blob or completes an upload. The
// registry chooses its URL (the Location of the upload).
func isUpload(req *http.Request) bool {
	return req.Method == http.MethodPatch || req.Method == http.MethodPut && routeOf(req).resource != "manifests"
}

// uploadedTo returns the repository of an upload, with the host that is asked. It is
// "" if the registry has chosen a URL that does not say.
func uploadedTo(req *http.Request) string {
	rest, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	if path, _, found := strings.Cut(rest, "/blobs/uploads/"); ok && found {
		return req.URL.Host + "/" + path
	}
	return ""
}

// closeBody closes the body of a request that a RoundTripper does not pass on,
// as [http.RoundTripper] demands.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
