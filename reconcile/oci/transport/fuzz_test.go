package transport

import (
	"net/http"
	"testing"
	"time"
)

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "7", "-7", "0", "3600", "1e9", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 9999 07:28:00 GMT", "soon", " 7", "7 "} {
		f.Add(seed)
	}
	now := time.Date(2026, 10, 21, 7, 28, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, header string) {
		resp := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {header}}}
		switch wait, ok := retryAfter(resp, now); {
		case ok && wait <= 0:
			t.Fatalf("%q waits %v", header, wait)
		case ok && wait > time.Hour:
			h := &host{name: "ghcr.io"}
			h.pause(wait)
			if _, err := h.await(t.Context(), time.Minute, time.Microsecond); err == nil {
				t.Fatalf("%q is waited out", header)
			}
		}
	})
}
