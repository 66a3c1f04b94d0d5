package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// uploadPatience is how many times longer a registry may take to answer a blob
// than anything else: it hashes the blob, and may move it, before it answers.
const uploadPatience = 10

// deadlines ends requests that make no progress. A blob may take any time as
// long as bytes keep coming. Everything else is small and must be complete
// within a fixed time.
type deadlines struct {
	next                http.RoundTripper
	headers, idle, body time.Duration
}

func (d *deadlines) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	end := func(what string, after time.Duration) *time.Timer {
		return time.AfterFunc(after, func() { cancel(&timeoutError{what, after}) })
	}

	patience := d.headers
	if IsUpload(req) {
		patience *= uploadPatience
	}
	headers := end("no answer", patience)
	try := req.WithContext(ctx)
	if try.Body != nil && try.Body != http.NoBody {
		try.Body = &movingBody{try.Body, func() { headers.Reset(patience) }}
	}
	resp, err := d.next.RoundTrip(try)
	if !headers.Stop() && err == nil {
		// The deadline passed, but net/http returned an answer that came at the
		// same moment. The cancellation may have caused it, so it is dropped.
		_ = resp.Body.Close()
		<-ctx.Done()
		err = ctx.Err()
	}
	if err != nil {
		cancel(nil)
		return nil, timedOut(ctx, err)
	}

	body := &deadlineBody{ReadCloser: resp.Body, ctx: ctx, idle: d.idle, cancel: cancel}
	body.stalled = end("no bytes", d.idle)
	body.stalled.Stop()
	if !isBlob(req) {
		body.whole = end("not complete", d.body)
	}
	resp.Body = body
	return resp, nil
}

// movingBody calls moved on every read of a request's body.
type movingBody struct {
	io.ReadCloser
	moved func()
}

func (b *movingBody) Read(p []byte) (int, error) {
	b.moved()
	return b.ReadCloser.Read(p)
}

type deadlineBody struct {
	io.ReadCloser
	ctx     context.Context // of this one answer, as http.Request has one
	cancel  context.CancelCauseFunc
	idle    time.Duration
	stalled *time.Timer // runs only during a Read, so a slow reader does not count as a slow registry
	whole   *time.Timer // may be nil
}

func (b *deadlineBody) Read(p []byte) (int, error) {
	b.stalled.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	b.stalled.Stop()
	if err != nil {
		// A server that sees the client hang up may still end its body in good
		// order. After the deadline such an end does not count either.
		err = timedOut(b.ctx, err)
	}
	return n, err
}

func (b *deadlineBody) Close() error {
	b.stalled.Stop()
	if b.whole != nil {
		b.whole.Stop()
	}
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// timeoutError is a deadline of this transport. It is no
// context.DeadlineExceeded, which means that the caller's time is up.
type timeoutError struct {
	what  string
	after time.Duration
}

func (e *timeoutError) Error() string { return fmt.Sprintf("%s within %v", e.what, e.after) }

// timedOut returns the deadline that ended a request, or else err. net/http
// reports a deadline as a canceled context.
func timedOut(ctx context.Context, err error) error {
	var timeout *timeoutError
	if errors.As(context.Cause(ctx), &timeout) {
		return timeout
	}
	return err
}
