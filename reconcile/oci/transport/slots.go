package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"tagline/reconcile/registry"
)

// slots limits the requests per host at a time. A request holds its slot until
// the headers of its answer arrive, and no longer: a copy within one registry
// reads a body while it sends another, and must not wait for itself.
type slots struct {
	next  http.RoundTripper
	hosts *hosts
}

func (s *slots) RoundTrip(req *http.Request) (*http.Response, error) {
	leave, err := s.hosts.of(req.URL).slots.Enter(req.Context(), checkOf(req))
	if err != nil {
		closeBody(req)
		return nil, err
	}
	defer leave()
	if !writesManifest(req) {
		return s.next.RoundTrip(req)
	}
	if err := req.Context().Err(); err != nil { // select chooses at random if both are ready
		closeBody(req)
		return nil, err
	}
	ctx, done := registry.Finishing(req.Context())
	resp, err := s.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		done()
		if req.Context().Err() != nil {
			err = Lasting(fmt.Errorf("cut off after the interruption, and it is not known whether it was done: %w", &RequestError{errors.New(Printable(err.Error()))}))
		}
		return nil, err
	}
	resp.Body = &finishingBody{resp.Body, done}
	return resp, nil
}

// writesManifest reports whether a request changes what a tag names, by the
// protocol or by an API of the registry's own. If it were cut off, the run would
// not know whether it was done.
func writesManifest(req *http.Request) bool {
	return req.Method == http.MethodDelete || req.Method == http.MethodPut && RouteOf(req).Resource == "manifests"
}

// finishingBody ends a write's context when its answer is closed.
type finishingBody struct {
	io.ReadCloser
	done context.CancelFunc
}

func (b *finishingBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
