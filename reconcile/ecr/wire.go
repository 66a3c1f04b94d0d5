package ecr

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/oci/transport"
)

// attempts is how often a call is tried. ECR does not publish most of its
// rates, so throttling is only found by calls.
const attempts = 8

// The longest waits between two attempts: after throttling, and after anything
// else.
const (
	throttledBackoff = 20 * time.Second
	otherBackoff     = 2 * time.Second
)

// retryer is the SDK's, with more attempts. The SDK retries LimitExceeded like
// a throttle; in ECR it means a full quota, which stays full (API_PutImage,
// Errors). If a host has left as many attempts in a row unanswered, whatever
// the calls, no call is retried.
//
// The SDK's limit on retries across calls is removed: with so many calls in
// flight, one throttled second would use it up.
func (r *run) retryer(w *wire) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = cmp.Or(r.options.OCI.Patience.Attempts, attempts)
		o.RateLimiter = ratelimit.None
		o.Backoff = backoff{
			throttled: retry.NewExponentialJitterBackoff(cmp.Or(r.options.OCI.Patience.Backoff, throttledBackoff)),
			other:     retry.NewExponentialJitterBackoff(cmp.Or(r.options.OCI.Patience.Backoff, otherBackoff)),
		}
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			var full *types.LimitExceededException
			if errors.As(err, &full) || errors.As(err, new(*unsentError)) || transport.ByProxy(err) != nil || w.unanswered.Load() >= int64(o.MaxAttempts) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})}, o.Retryables...)
	})
}

// backoff waits longer after throttling than after other errors.
type backoff struct {
	throttled, other *retry.ExponentialJitterBackoff
}

// BackoffDelay implements [retry.BackoffDelayer].
func (b backoff) BackoffDelay(attempt int, err error) (time.Duration, error) {
	if retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary {
		return b.throttled.BackoffDelay(attempt, err)
	}
	return b.other.BackoffDelay(attempt, err)
}

// wire is between the SDK and the network. It limits the requests in flight,
// and counts and logs each attempt, but never its contents.
//
// It gives net/http its own copy of the body. The SDK closes its body as soon
// as an answer begins. If net/http has not read the body's end by then, it
// takes that for a failed write and cuts the connection while the answer
// arrives (smithy-go v1.28.8, transport/http/internal/io/safe.go).
type wire struct {
	next  ecr.HTTPClient
	run   *run
	slots transport.Slots
	// unanswered counts the attempts since the last one that was answered.
	unanswered atomic.Int64
	told       atomic.Bool // whether a retry has been logged as a warning
}

// checkKey is where the context of a write has what to ask before the SDK sends it again.
type checkKey struct{}

// withCheck returns a context for a PutImage or a BatchDeleteImage. ask is called before
// that is sent again, and before it is sent at all if it had to wait for a second. If ask
// returns an error, it is not sent.
func withCheck(ctx context.Context, ask func(context.Context) error) context.Context {
	return context.WithValue(ctx, checkKey{}, ask)
}

// unsentError is why a call was not sent again.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error { return e.error }

// Do implements [ecr.HTTPClient].
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	attempt, _, again := strings.Cut(strings.TrimPrefix(req.Header.Get("Amz-Sdk-Request"), "attempt="), ";")
	again = again && attempt != "1"
	var check func(context.Context) error
	if operation == "PutImage" || operation == "BatchDeleteImage" {
		check, _ = req.Context().Value(checkKey{}).(func(context.Context) error)
	}
	if check != nil && again {
		if err := check(req.Context()); err != nil {
			return nil, &unsentError{err}
		}
	}
	leave, err := w.slots.Enter(req.Context(), check)
	if req.Context().Err() != nil && err != nil {
		return nil, req.Context().Err()
	}
	if err != nil {
		return nil, &unsentError{err}
	}
	defer leave()
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	sent := req.Clone(req.Context())
	sent.Body = io.NopCloser(bytes.NewReader(body))

	began := time.Now()
	if again {
		level, note := slog.LevelDebug, "asking again"
		if !w.told.Swap(true) { // once: in a throttled run they would fill the log
			level, note = slog.LevelWarn, "asking again; -vv logs every time"
		}
		w.run.options.OCI.Logger.Log(req.Context(), level, note, append([]any{"operation", operation, "host", req.URL.Host, "attempt", attempt}, subject(body)...)...)
	}
	resp, err := w.next.Do(sent)
	w.run.counts.add(operation, resp, again)
	if err == nil {
		w.unanswered.Store(0)
	} else if req.Context().Err() == nil {
		w.unanswered.Add(1)
	}
	log := w.run.options.OCI.Logger.With("operation", operation, "host", req.URL.Host, "duration_seconds", time.Since(began).Round(time.Microsecond).Seconds()).With(subject(body)...)
	if err != nil {
		log.DebugContext(req.Context(), "request", "error", root(err).Error())
	} else {
		log.DebugContext(req.Context(), "request", "status", resp.StatusCode)
	}
	return resp, err
}

// subject is the repository of a call, and the tag of an image that it writes, for
// the log.
func subject(body []byte) []any {
	var call struct{ RepositoryName, ImageTag string }
	if err := json.Unmarshal(body, &call); err != nil || call.RepositoryName == "" {
		return nil
	}
	about := []any{"repository", call.RepositoryName}
	if call.ImageTag != "" {
		about = append(about, "reference", call.ImageTag)
	}
	return about
}
