package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// NewDialer returns a dialer that refuses link-local addresses, whether from a name
// or from a redirect. No registry has one, but every cloud has a service there that
// hands out the machine's credentials.
func NewDialer() *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		if to, err := netip.ParseAddrPort(address); err != nil || isLinkLocal(to.Addr()) {
			return OfHost(address, errors.New("link-local addresses are refused: no registry is there, but the credentials of a cloud machine are"))
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
	next     http.RoundTripper
	insecure insecure
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
	return nil, &RequestError{err}
}

// redacted removes the request's credentials from a refusal, which is going to
// be reported: some servers send back what they received.
func redacted(resp *http.Response) (*http.Response, error) {
	if resp.StatusCode < 400 || resp.Request.Header.Get("Authorization") == "" {
		return resp, nil
	}
	body, err := readDocument(resp)
	if err != nil {
		return nil, &RequestError{err}
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
	plain := e.insecure.plainHTTP(req.URL.Host)
	if req.URL.Scheme == "http" && !plain {
		// On its own, go-containerregistry would speak it to RFC 1918
		// addresses.
		closeBody(req)
		return nil, OfHost(req.URL.Host, errors.New("plain http refused: if that is meant, name the host with --insecure-registry"))
	}
	if ip, err := netip.ParseAddr(req.URL.Hostname()); err == nil && isLinkLocal(ip) { // a proxy could dial it, and not our dialer
		closeBody(req)
		return nil, OfHost(req.URL.Host, errors.New("link-local address refused"))
	}
	redirects := 0
	for r := req; r.Response != nil && r.Response.Request != nil; r = r.Response.Request {
		redirects++
	}
	if redirects >= maxRedirects {
		closeBody(req)
		return nil, Lasting(fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, req.URL.Host))
	}
	resp, err := e.next.RoundTrip(req)
	if speaksPlainHTTP(err) && !plain {
		return nil, OfHost(req.URL.Host, errors.New("it speaks plain http: if that is meant, name the host with --insecure-registry"))
	}
	return resp, err
}

// insecure are the hosts that the user named: their certificate need not be trusted,
// or they have none.
type insecure []string

func (named insecure) has(host string) bool {
	return slices.ContainsFunc(named, func(n string) bool { return strings.EqualFold(n, host) })
}

// plainHTTP reports whether plain HTTP is allowed to a host.
func (named insecure) plainHTTP(host string) bool {
	if named.has(host) {
		return true
	}
	hostname := (&url.URL{Host: host}).Hostname()
	if hostname == "localhost" || strings.HasSuffix(hostname, ".localhost") { // RFC 6761, section 6.3
		return true
	}
	ip, err := netip.ParseAddr(hostname)
	return err == nil && ip.Unmap().IsLoopback()
}
