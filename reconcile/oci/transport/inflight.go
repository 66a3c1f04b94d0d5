package transport

import (
	"context"
	"time"
)

// Slots is how many requests may be sent at a time.
type Slots chan struct{}

// Enter waits for a slot. If a write waited for long, check is called then, unless it is
// nil. Its requests are sent in that slot: if each took another one, checks and writes
// could wait for each other for ever. The error is that of the check, or of the context.
func (s Slots) Enter(ctx context.Context, check func(context.Context) error) (leave func(), err error) {
	if of, _ := ctx.Value(checking{}).(Slots); of == s {
		return func() {}, nil
	}
	began := time.Now()
	select {
	case s <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	leave = func() { <-s }
	if check != nil && time.Since(began) > LongAgo {
		if err := check(ofCheck(ctx, s)); err != nil {
			leave()
			return nil, Lasting(err)
		}
	}
	return leave, nil
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
