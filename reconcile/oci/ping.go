package oci

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

// pings remembers how each host answered GET /v2/: go-containerregistry asks
// once per repository, and on hosts that may speak plain HTTP for each of the
// two schemes, https first (transport/ping.go). A host is asked once per run.
type pings struct {
	flights singleflight.Group
	settled sync.Map // host -> *pong
}

// pong is the scheme that a host speaks, and its answer or what is wrong with
// its certificate.
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
		return nil, http.ErrSchemeMismatch // the other one follows, and is answered
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
		// Those who wait share the answer, whatever it is, but no cancellation
		// that was not theirs: go-containerregistry gives up the slower scheme.
		flight := p.pings.flights.DoChan(scheme+"://"+host, func() (any, error) { return p.ask(req) })
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case result := <-flight:
			if isContextError(result.Err) && ctx.Err() == nil {
				continue
			}
			if result.Err != nil {
				return nil, result.Err
			}
			return result.Val.(*pong).answer(req)
		}
	}
}

// ask settles a host by what will not change: that it asks for credentials or
// for none, or that it speaks https with a certificate nobody trusts, where an
// attempt in plain text would only hide the reason.
func (p *pinger) ask(req *http.Request) (*pong, error) {
	if known, ok := p.pings.settled.Load(req.URL.Host); ok {
		return known.(*pong), nil // while this flight was about to begin
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
		return nil, http.ErrSchemeMismatch // what https has to say is the reason
	}
	answer := &pong{scheme: req.URL.Scheme, resp: resp, body: body}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized {
		p.pings.settled.LoadOrStore(req.URL.Host, answer)
	}
	return answer, nil
}

// speaksPlainHTTP tells the error of a TLS handshake with a server that knows
// none. net/http calls it ErrSchemeMismatch further up.
func speaksPlainHTTP(err error) bool {
	var notTLS tls.RecordHeaderError
	return errors.As(err, &notTLS) || errors.Is(err, http.ErrSchemeMismatch)
}

// speaksHTTPSAlone tells what a server answers to plain HTTP on a port that is
// for TLS: net/http, nginx and Apache say so in words.
func speaksHTTPSAlone(status int, body []byte) bool {
	return status == http.StatusBadRequest && (bytes.Contains(body, []byte("HTTPS")) || bytes.Contains(body, []byte("SSL")))
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
