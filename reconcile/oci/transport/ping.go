package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync"

	"golang.org/x/sync/singleflight"
)

// pings keeps each host's answer to GET /v2/, so that a host is asked once per
// run. go-containerregistry asks once per repository, and for hosts that may
// speak plain HTTP once per scheme, https first (transport/ping.go).
type pings struct {
	flights singleflight.Group
	settled sync.Map // host -> *pong
}

// pong is the scheme that a host speaks, with its answer or the error of its
// certificate.
type pong struct {
	scheme string
	resp   *http.Response
	body   []byte
	err    error
}

func (p *pong) answer(req *http.Request) (*http.Response, error) {
	switch {
	case p.err != nil:
		return nil, p.err
	case p.scheme != req.URL.Scheme:
		return nil, http.ErrSchemeMismatch // the request for the other scheme follows, and is answered
	}
	resp := *p.resp
	resp.Header = p.resp.Header.Clone()
	resp.Body = io.NopCloser(bytes.NewReader(p.body))
	return &resp, nil
}

type pinger struct {
	next  http.RoundTripper
	pings *pings
}

func (p *pinger) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || req.URL.Path != "/v2/" || req.Header.Get("Authorization") != "" {
		return p.next.RoundTrip(req)
	}
	ctx, scheme, host := req.Context(), req.URL.Scheme, req.URL.Host
	for {
		if known, ok := p.pings.settled.Load(host); ok {
			return known.(*pong).answer(req)
		}
		// Waiting requests share the flight's answer, but not its cancellation:
		// go-containerregistry cancels the slower scheme.
		flight := p.pings.flights.DoChan(scheme+"://"+host, func() (any, error) { return p.ask(req) })
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case result := <-flight:
			if IsContextError(result.Err) && ctx.Err() == nil {
				continue
			}
			if result.Err != nil {
				return nil, result.Err
			}
			return result.Val.(*pong).answer(req)
		}
	}
}

// ask settles a host on an answer that will not change: it wants credentials,
// it wants none, or its https certificate is not trusted. In the last case an
// attempt over plain HTTP would only hide the reason.
func (p *pinger) ask(req *http.Request) (*pong, error) {
	if known, ok := p.pings.settled.Load(req.URL.Host); ok {
		return known.(*pong), nil // another flight settled it meanwhile
	}
	resp, err := p.next.RoundTrip(req) //nolint:bodyclose // readDocument closes it
	if err != nil {
		if cert := (*tls.CertificateVerificationError)(nil); errors.As(err, &cert) {
			p.pings.settled.LoadOrStore(req.URL.Host, &pong{err: err})
		}
		return nil, err
	}
	body, err := readDocument(resp)
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme == "http" && speaksHTTPSAlone(resp.StatusCode, body) {
		return nil, http.ErrSchemeMismatch // the error over https is the reason to report
	}
	answer := &pong{scheme: req.URL.Scheme, resp: resp, body: body}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized {
		p.pings.settled.LoadOrStore(req.URL.Host, answer)
	}
	return answer, nil
}

// speaksPlainHTTP reports whether an error comes from a TLS handshake with a
// server without TLS. net/http turns it into ErrSchemeMismatch.
func speaksPlainHTTP(err error) bool {
	var notTLS tls.RecordHeaderError
	return errors.As(err, &notTLS) || errors.Is(err, http.ErrSchemeMismatch)
}

// speaksHTTPSAlone reports whether an answer to plain HTTP comes from a port
// for TLS: net/http, nginx and Apache say so in the body.
func speaksHTTPSAlone(status int, body []byte) bool {
	return status == http.StatusBadRequest && (bytes.Contains(body, []byte("HTTPS")) || bytes.Contains(body, []byte("SSL")))
}

// IsContextError reports whether an error says that the context of a caller has ended.
func IsContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
