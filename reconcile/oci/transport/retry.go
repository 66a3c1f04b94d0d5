package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// retries repeats requests that may be repeated. If the last attempt ends with
// a status, that answer is returned, so that its message can be reported.
//
// A refusal by a rate limit does not use up an attempt as long as the host
// answers other requests: then it is a matter of time.
type retries struct {
	next     http.RoundTripper
	hosts    *hosts
	patience Patience
	counts   *counters
	log      *slog.Logger
}

func (r *retries) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, h := req.Context(), r.hosts.of(req.URL)
	repeat := repeatable(req)
	attempts := r.patience.Attempts
	if h.down.Load() {
		attempts = 1
	}
	if repeat == always {
		defer closeBody(req) // each attempt has its own body
	}
	answered := h.answered.Load()
	for attempt, first := 1, true; ; attempt, first = attempt+1, false {
		if err := h.turn(req, r.patience, !first); err != nil {
			if first {
				closeBody(req)
			}
			return nil, err
		}
		try, err := withBodyOf(req, first && repeat != always, repeat)
		if err != nil {
			return nil, err
		}
		sent := time.Now()
		resp, err := r.next.RoundTrip(try)
		switch {
		case err != nil && IsLasting(err):
			return nil, err
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && !Transient(resp.StatusCode) && !forbiddenForNow(resp):
			h.down.Store(false)
			if !isCheck(ctx) {
				h.answered.Add(1)
			}
			h.pace.answered()
			return resp, nil
		}

		asked, isLimit := limited(resp, err)
		if isLimit {
			h.pace.refused(sent)
			if now := h.answered.Load(); now > answered {
				attempt, answered = 1, now
			}
		}
		wait := r.patience.Backoff << (attempt - 1)
		wait = max(wait/2+rand.N(wait), asked)
		if wait > r.patience.MaxRetryAfter && asked > 0 {
			h.pause(asked)
			discard(resp)
			return nil, h.tooLong(asked, r.patience.MaxRetryAfter)
		}
		again := repeat == always || repeat == ifRefused && err == nil && resp.StatusCode == http.StatusTooManyRequests
		switch {
		case h.down.Load():
			h.pause(asked)
		case isLimit, !again: // the next request waits, whatever it is
			h.pause(wait)
		}
		if !again || attempt == attempts || attempt == 2 && isTimeout(err) {
			if repeat == always {
				h.down.Store(true)
			}
			return resp, err
		}
		if err != nil || resp.StatusCode/100 == 5 {
			markLost(ctx)
		}
		r.counts.retries.Add(1)
		pause := max(h.left(), 0)
		if !isLimit {
			pause = max(pause, wait)
		}
		r.tell(ctx, h, req, resp, err, attempt, pause)
		if err == nil {
			discard(resp)
		}
		if !isLimit {
			if err := Sleep(ctx, wait); err != nil {
				return nil, err
			}
		}
	}
}

// tell logs a retry, and how long the request waits before it. It warns once per host
// and reason, since a registry in trouble gives the same answer for hundreds of aliases.
func (r *retries) tell(ctx context.Context, h *host, req *http.Request, resp *http.Response, err error, attempt int, wait time.Duration) {
	why, kind := slog.Any("error", err), "error"
	if err == nil {
		why, kind = slog.Int("status", resp.StatusCode), strconv.Itoa(resp.StatusCode)
	}
	level, note := slog.LevelWarn, "asking again; -vv logs every time"
	if _, known := h.told.LoadOrStore(kind, true); known {
		level, note = slog.LevelDebug, "asking again"
	}
	args := append([]any{"method", req.Method, "url", loggable(req.URL)}, subject(req)...)
	r.log.Log(ctx, level, note, append(args, "attempt", attempt, why, "wait_seconds", wait.Round(time.Millisecond).Seconds())...)
}

// limited reports whether an answer refuses a request because there are too
// many, and how long the registry asks to wait, or 0 if it does not say.
func limited(resp *http.Response, err error) (asked time.Duration, is bool) {
	if err != nil {
		return 0, false
	}
	asked, told := retryAfter(resp, time.Now())
	return asked, told || resp.StatusCode == http.StatusTooManyRequests || forbiddenForNow(resp)
}

// forbiddenForNow reports whether a 403 is a rate limit of GitHub's API (GitHub
// REST API, "Rate limits for the REST API", "Exceeding the rate limit").
func forbiddenForNow(resp *http.Response) bool {
	return resp.StatusCode == http.StatusForbidden &&
		(resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-Ratelimit-Remaining") == "0")
}

// Transient reports whether a status may be gone at the next attempt.
func Transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// IsLasting reports whether a retry would end with the same error.
func IsLasting(err error) bool {
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

// isTimeout reports whether a host did not answer in time. Two time-outs are
// enough: waiting costs more than asking.
func isTimeout(err error) bool {
	var timeout *timeoutError
	return errors.As(err, &timeout)
}

// retryAfter reads the Retry-After header (RFC 9110, section 10.2.3): seconds
// or a date. Without it, a limit that is used up tells when it is renewed, as
// GitHub's does, in seconds since 1970. It ignores anything else, and a time that
// is not in the future.
func retryAfter(resp *http.Response, now time.Time) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable && !forbiddenForNow(resp) {
		return 0, false
	}
	header := resp.Header.Get("Retry-After")
	if header == "" && resp.Header.Get("X-Ratelimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
			if sent, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
				now = sent // the two are of one clock
			}
			left := time.Unix(reset, 0).Sub(now)
			return left, left > 0
		}
	}
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, seconds > 0
	}
	date, err := http.ParseTime(header)
	return date.Sub(now), err == nil && date.After(now)
}
