package oci

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// What differs from request to request is no part of the cause.
func TestCause(t *testing.T) {
	refused := func(status int) func(path string) error {
		return func(path string) error {
			req, err := http.NewRequest(http.MethodGet, "https://r.test/v2/"+path+"/manifests/1", nil)
			if err != nil {
				t.Fatal(err)
			}
			return &ggcr.Error{StatusCode: status, Request: req, Errors: []ggcr.Diagnostic{{Code: "DENIED", Message: "no access to " + path}}}
		}
	}
	for _, test := range []struct {
		name string
		err  func(path string) error
		want string
	}{
		{"401", refused(http.StatusUnauthorized), `r.test: 401 Unauthorized; log in, or log in again, with "docker login r.test"`},
		{"403", refused(http.StatusForbidden), "r.test: 403 Forbidden; the credentials for r.test do not allow this"},
		{"503", refused(http.StatusServiceUnavailable), "r.test: 503 Service Unavailable"},
		{"reset", func(path string) error {
			return &transport.RequestError{Err: &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: len(path)}, Err: syscall.ECONNRESET}}
		}, "r.test: connection reset by peer"},
		{"asks to wait", func(path string) error {
			return transport.OfHost("r.test", &transport.WaitError{Asked: time.Duration(len(path)) * time.Hour, Limit: time.Minute})
		}, "r.test: the registry asks to wait (Retry-After), longer than the 1m0s that tagline waits"},
		{"of the host", func(string) error { return transport.OfHost("r.test", errors.New("link-local address refused")) }, "r.test: link-local address refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, path := range []string{"app", "team/other"} {
				r := repository{Repository: config.Repository{Host: "r.test", Path: path}}
				err := fmt.Errorf("source %q: %w", "1", r.failure(r.subject("1"), test.err(path)))
				if got := registry.Cause(err); got != test.want {
					t.Errorf("%v is caused by %q, want %q", err, got, test.want)
				}
			}
		})
	}
	if got := registry.Cause(errors.New("no space left on device")); got != "" {
		t.Errorf("no registry is behind it, and it is caused by %q", got)
	}
}
