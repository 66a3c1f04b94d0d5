package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// lastingError is an answer, or our own refusal, that a retry would not change.
type lastingError struct{ error }

// Lasting marks an error that a retry would not change.
func Lasting(err error) error { return &lastingError{err} }

func (e *lastingError) Unwrap() error { return e.error }

// HostError is a lasting error that concerns a whole host.
type HostError struct {
	Host string // with its port
	Err  error  // does not name the host
}

// OfHost returns a lasting [HostError].
func OfHost(host string, err error) error { return Lasting(&HostError{host, err}) }

func (e *HostError) Error() string { return e.Host + ": " + e.Err.Error() }
func (e *HostError) Unwrap() error { return e.Err }

// IsOfHost reports whether a failure concerns the host and not what was asked
// for: the host can't be reached, refuses a token or GET /v2/, or refuses so
// many requests.
func IsOfHost(err error) bool {
	var (
		ours *HostError
		way  *proxyError
		dns  *net.DNSError
		dial *net.OpError
		cert *tls.CertificateVerificationError
	)
	if status := StatusOf(err); status != nil {
		return RouteOf(status.Request).Resource == "" || status.StatusCode == http.StatusTooManyRequests
	}
	return errors.As(err, &ours) || errors.As(err, &way) || errors.As(err, &dns) || errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &cert)
}

// Advised is an error with advice. The advice is our own text and is never cut
// short.
type Advised struct {
	Err    error
	Advice string
}

func (e *Advised) Error() string { return e.Err.Error() + "; " + e.Advice }
func (e *Advised) Unwrap() error { return e.Err }

// RequestError is a request that got no usable answer. errors.As finds it among
// the wrappers of go-containerregistry, which add URLs and whole bodies.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }
func (e *RequestError) Unwrap() error { return e.Err }

// StatusOf returns the answer of a registry that an error is about, or nil.
func StatusOf(err error) *transport.Error {
	var status *transport.Error
	errors.As(err, &status)
	return status
}

// Printable is a text in one line of at most 200 characters, without control
// characters.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > 200 {
		s = string(runes[:199]) + "…"
	}
	return s
}

// proxyError is a failure of the proxy in front of a host.
type proxyError struct {
	proxy  string // host and port: the rest of its URL may hold a password
	reason string
	cause  error
}

func (e *proxyError) Error() string { return fmt.Sprintf("proxy %s: %s", e.proxy, e.reason) }
func (e *proxyError) Unwrap() error { return e.cause }
