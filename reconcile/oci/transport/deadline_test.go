package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const someBlob = "https://ghcr.io/v2/app/blobs/sha256:1"

func newDeadlines(next roundTripper) *deadlines {
	return &deadlines{next: next, headers: time.Minute, idle: time.Minute, body: time.Minute}
}

// never answers until it is cancelled.
func never(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func TestHeadersDeadline(t *testing.T) {
	for name, tt := range map[string]struct {
		method, url string
		want        time.Duration
	}{
		"manifest":            {http.MethodGet, someManifest, time.Minute},
		"blob":                {http.MethodGet, someBlob, time.Minute},
		"push of manifest":    {http.MethodPut, someManifest, time.Minute},
		"commit of an upload": {http.MethodPut, "https://ghcr.io/v2/app/blobs/uploads/1", 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := newDeadlines(never).RoundTrip(request(t, tt.method, tt.url, nil))
				if timeout := (*timeoutError)(nil); !errors.As(err, &timeout) || errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
				if d := time.Since(start); d != tt.want {
					t.Errorf("gave up after %v, want %v", d, tt.want)
				}
			})
		})
	}
}

// The answer to a request that was given up is not used.
func TestAnswerThatRacesWithItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadlines(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		})
		if resp, err := d.RoundTrip(request(t, http.MethodGet, someManifest, nil)); err == nil || err.Error() != "no answer within 1m0s" {
			t.Errorf("answer %v, error %v", resp, err)
		}
	})
}

// An upload may take any time as long as bytes keep moving.
func TestUploadThatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadlines(func(req *http.Request) (*http.Response, error) {
			for {
				select {
				case <-time.After(9 * time.Minute):
				case <-req.Context().Done():
					return nil, req.Context().Err()
				}
				if _, err := req.Body.Read(make([]byte, 1)); err != nil {
					return &http.Response{StatusCode: 202, Body: http.NoBody}, nil
				}
			}
		})
		resp, err := d.RoundTrip(request(t, http.MethodPatch, "https://ghcr.io/v2/app/blobs/uploads/1", strings.NewReader("an hour and more")))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	})
}

// dripping is a body that returns one byte at a time. As with http.Transport,
// its reads end with the request's context.
type dripping struct {
	ctx   context.Context
	every time.Duration
	left  int
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(d.every):
		d.left--
		p[0] = 'x'
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func (d *dripping) Close() error { return nil }

func TestBodyDeadlines(t *testing.T) {
	tests := []struct {
		name, url string
		every     time.Duration
		after     time.Duration // 0: it may go on to its end
		err       string
	}{
		{"a manifest in time", someManifest, time.Second, 0, ""},
		{"a dripping manifest", someManifest, 10 * time.Second, time.Minute, "not complete within 1m0s"},
		{"a dripping token", "https://auth.example/token", 10 * time.Second, time.Minute, "not complete within 1m0s"},
		{"a dripping blob", someBlob, 10 * time.Second, 0, ""},
		{"a blob that stalls", someBlob, 2 * time.Minute, time.Minute, "no bytes within 1m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDeadlines(func(req *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: &dripping{req.Context(), tt.every, 20}}, nil
				})
				start := time.Now()
				resp, err := d.RoundTrip(request(t, http.MethodGet, tt.url, nil))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if tt.err == "" {
					if len(body) != 20 || err != nil {
						t.Errorf("%d bytes, %v", len(body), err)
					}
					return
				}
				if err == nil || err.Error() != tt.err {
					t.Errorf("error %v, want %s", err, tt.err)
				}
				if d := time.Since(start); d != tt.after {
					t.Errorf("gave up after %v, want %v", d, tt.after)
				}
			})
		})
	}
}

// endsWhenCanceled is a body that ends in good order once the client hangs up.
type endsWhenCanceled struct{ dripping }

func (e *endsWhenCanceled) Read(p []byte) (int, error) {
	n, err := e.dripping.Read(p)
	if err != nil {
		err = io.EOF
	}
	return n, err
}

func TestBodyThatEndsAtTheDeadlineIsNotComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadlines(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: &endsWhenCanceled{dripping{req.Context(), 7 * time.Second, 20}}}, nil
		})
		resp, err := d.RoundTrip(request(t, http.MethodGet, someManifest, nil))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil || err.Error() != "not complete within 1m0s" {
			t.Errorf("%d bytes, error %v", len(body), err)
		}
	})
}

// In a copy, the other end may be the slow one.
func TestSlowReaderIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadlines(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: &dripping{req.Context(), time.Second, 3}}, nil
		})
		resp, err := d.RoundTrip(request(t, http.MethodGet, someBlob, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		for range 3 {
			if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Hour)
		}
	})
}
