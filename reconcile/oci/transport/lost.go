package transport

import (
	"context"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// lostKey is where the context of a request has whether an attempt had no answer.
type lostKey struct{}

// withLost returns a context that remembers a lost answer.
func withLost(ctx context.Context) context.Context {
	return context.WithValue(ctx, lostKey{}, new(atomic.Bool))
}

// markLost notes that an attempt may have been done without an answer that says so.
func markLost(ctx context.Context) {
	if lost, ok := ctx.Value(lostKey{}).(*atomic.Bool); ok {
		lost.Store(true)
	}
}

// MayBeDone reports whether what a registry refused may have been done by an earlier
// attempt.
func MayBeDone(refusal *transport.Error) bool {
	if refusal.Request == nil {
		return false
	}
	lost, ok := refusal.Request.Context().Value(lostKey{}).(*atomic.Bool)
	return ok && lost.Load()
}
