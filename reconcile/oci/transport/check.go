package transport

import (
	"context"
	"net/http"
	"path"
	"time"
)

// A registry can't compare and swap a tag, so whoever writes one reads it just before.
// A write that has to wait, or that is sent again, checks what that was for once more.

// LongAgo is how long a write may wait to be sent without another look at its tag.
const LongAgo = time.Second

type checkKey struct{}

type check struct {
	of  string // what the path of the write ends with
	ask func(context.Context) error
}

// WithCheck returns a context for the PUT or DELETE whose path ends with a tag or an
// id. ask is called before that is sent again, and before it is sent at all if its turn,
// or a slot after that, took more than a second. If ask returns an error, that is the
// write's.
func WithCheck(ctx context.Context, of string, ask func(context.Context) error) context.Context {
	return context.WithValue(ctx, checkKey{}, &check{of, ask})
}

// checkOf returns what has to be asked before a request that is late, or nil.
func checkOf(req *http.Request) func(context.Context) error {
	c, ok := req.Context().Value(checkKey{}).(*check)
	if !ok || req.Method != http.MethodPut && req.Method != http.MethodDelete || path.Base(original(req).URL.Path) != c.of {
		return nil
	}
	return c.ask
}
