package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// hosts is what a run knows of each host it speaks to.
type hosts struct {
	concurrency int
	known       sync.Map // "https://ghcr.io" -> *host
	retried     atomic.Int64
}

type host struct {
	name  string
	slots chan struct{}
	// down: a request used up all its attempts, and none has succeeded since.
	// Two hundred tags of a dead registry must not take an hour.
	down atomic.Bool

	mu     sync.Mutex
	resume time.Time // the registry asked for silence until then
}

func (h *hosts) of(u *url.URL) *host {
	key := u.Scheme + "://" + u.Host
	known, ok := h.known.Load(key)
	if !ok {
		known, _ = h.known.LoadOrStore(key, &host{name: u.Host, slots: make(chan struct{}, h.concurrency)})
	}
	return known.(*host)
}

// pause has every request to the host wait, however it is told.
func (h *host) pause(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until := time.Now().Add(d); until.After(h.resume) {
		h.resume = until
	}
}

// await waits for the end of a pause, or fails at once on one that is too long.
func (h *host) await(ctx context.Context, limit, jitter time.Duration) error {
	for {
		h.mu.Lock()
		left := time.Until(h.resume)
		h.mu.Unlock()
		if left <= 0 {
			return ctx.Err()
		}
		if left > limit {
			return ofHost(fmt.Errorf("%s asks to wait %v (Retry-After), longer than the %v that tagline waits",
				h.name, left.Round(time.Second), limit))
		}
		if err := sleep(ctx, left+rand.N(jitter)); err != nil {
			return err
		}
	}
}

// retries asks again what may be asked again. When its attempts are used up on
// a status, that answer is the answer, so that its message can be reported.
type retries struct {
	next     http.RoundTripper
	hosts    *hosts
	patience Patience
	log      *slog.Logger
}

func (r *retries) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, h := req.Context(), r.hosts.of(req.URL)
	repeat := repeatable(req)
	attempts := r.patience.Attempts
	if !repeat || h.down.Load() {
		attempts = 1
	}
	if repeat {
		defer closeBody(req) // each attempt has a body of its own
	}
	for attempt := 1; ; attempt++ {
		if err := h.await(ctx, r.patience.MaxRetryAfter, r.patience.Backoff); err != nil {
			closeBody(req)
			return nil, err
		}
		try, err := withFreshBody(req, repeat)
		if err != nil {
			return nil, err
		}
		resp, err := r.next.RoundTrip(try)
		switch {
		case err != nil && isLasting(err):
			return nil, err
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && !transient(resp.StatusCode):
			h.down.Store(false)
			return resp, nil
		}

		wait := r.patience.Backoff << (attempt - 1)
		wait = wait/2 + rand.N(wait)
		why := slog.Any("error", err)
		if err == nil {
			why = slog.Int("status", resp.StatusCode)
			if asked, ok := retryAfter(resp, time.Now()); ok {
				h.pause(asked)
				wait = 0 // await does it, together with everybody else
			}
		}
		if attempt == attempts || attempt == 2 && isTimeout(err) {
			if repeat {
				h.down.Store(true)
			}
			return resp, err
		}
		r.hosts.retried.Add(1)
		r.log.WarnContext(ctx, "asking again", "method", req.Method, "url", loggable(req.URL), "attempt", attempt, why, "wait", wait)
		if err == nil {
			discard(resp)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// repeatable tells whether a request can be sent twice and mean the same: no
// upload of a blob, whose session has moved on.
func repeatable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return true
	case http.MethodPut:
		return routeOf(req).resource == "manifests"
	case http.MethodPost: // a token, by OAuth2
		return req.Header.Get("Content-Type") == "application/x-www-form-urlencoded"
	}
	return false
}

// withFreshBody gives every attempt the body from its start, the first one too:
// go-containerregistry sends the same request again when a token has expired
// (transport/bearer.go), with its body read to the end. A body that cannot be
// repeated loses its GetBody, since net/http would call it below a slot, and
// for a copy it opens another request to the same host.
func withFreshBody(req *http.Request, repeat bool) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	try := req.Clone(req.Context())
	if !repeat {
		try.GetBody = nil
		return try, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	try.Body = body
	return try, nil
}

// transient are the statuses that tomorrow may not have.
func transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// isLasting tells whether an error would be the same tomorrow.
func isLasting(err error) bool {
	var (
		own  *lastingError
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
	)
	return errors.As(err, &own) ||
		errors.As(err, &dns) && dns.IsNotFound ||
		errors.As(err, &cert) ||
		speaksPlainHTTP(err)
}

// isTimeout tells of a host that does not answer. Two times out of patience
// are enough: to wait for it costs more than to ask.
func isTimeout(err error) bool {
	var timeout *timeoutError
	return errors.As(err, &timeout)
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds, or a date.
// What is neither, or not in the future, says nothing.
func retryAfter(resp *http.Response, now time.Time) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	header := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, seconds > 0
	}
	date, err := http.ParseTime(header)
	return date.Sub(now), err == nil && date.After(now)
}

// discard reads what is left of a small answer, so that its connection can be
// used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
