package transport

import (
	"context"
	"net/http"
	"path"
	"time"
)

// A registry can't compare and swap a tag, so whoever writes one reads it just before.
// A write that has to wait, or that is sent again, checks what that was for once more.

// longAgo is how long a write may wait to be sent without a check.
const longAgo = time.Second

type checkKey struct{}

type check struct {
	of  string // what the path of the write ends with
	ask func(context.Context) error
}

// WithCheck returns a context for the PUT or DELETE whose path ends with a tag or an
// id. ask is called before that is sent again, and before it is sent at all if it had to
// wait for more than a second. If ask returns an error, that is the write's.
func WithCheck(ctx context.Context, of string, ask func(context.Context) error) context.Context {
	return context.WithValue(ctx, checkKey{}, &check{of, ask})
}

// checking is where the context of a check's own requests says so, and which slot of
// its write they are sent in, if that has one.
type checking struct{}

// ofCheck returns the context of a check's requests.
func ofCheck(ctx context.Context, slots Slots) context.Context {
	return context.WithValue(ctx, checking{}, slots)
}

// isCheck reports whether a request is part of a check. That a host answers it does not
// mean that it will answer the write.
func isCheck(ctx context.Context) bool { return ctx.Value(checking{}) != nil }

// checkOf returns what has to be asked before a request that is late, or nil.
func checkOf(req *http.Request) func(context.Context) error {
	c, ok := req.Context().Value(checkKey{}).(*check)
	if !ok || req.Method != http.MethodPut && req.Method != http.MethodDelete || path.Base(original(req).URL.Path) != c.of {
		return nil
	}
	return c.ask
}

// turn waits until a request may be sent. again says that it has been sent before. A
// check comes after that wait: its requests have turns of their own, and the write
// follows at once.
func (h *host) turn(req *http.Request, patience Patience, again bool) error {
	ask := checkOf(req)
	for {
		waited, err := h.await(req.Context(), patience.MaxRetryAfter, patience.Backoff/2)
		if err != nil || ask == nil || !again && waited <= longAgo {
			return err
		}
		if err := ask(ofCheck(req.Context(), nil)); err != nil {
			return Lasting(err)
		}
		if h.left() <= 0 {
			return nil
		}
		again = true // the registry has asked for a pause meanwhile
	}
}
