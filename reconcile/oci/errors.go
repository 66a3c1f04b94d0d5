package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"tagline/reconcile/registry"
)

// lastingError is an answer, or our own refusal, that a retry would not change.
type lastingError struct{ error }

func lasting(err error) error { return &lastingError{err} }

func (e *lastingError) Unwrap() error { return e.error }

// hostError is a lastingError that concerns a whole host. The wrapped error
// does not name the host.
type hostError struct {
	host string // with its port
	error
}

func ofHost(host string, err error) error { return lasting(&hostError{host, err}) }

func (e *hostError) Error() string { return e.host + ": " + e.error.Error() }
func (e *hostError) Unwrap() error { return e.error }

// isOfHost reports whether a failure concerns the host and not what was asked
// for: the host can't be reached, refuses a token or GET /v2/, or refuses so
// many requests.
func isOfHost(err error) bool {
	var (
		ours *hostError
		way  *proxyError
		dns  *net.DNSError
		dial *net.OpError
		cert *tls.CertificateVerificationError
	)
	if status := statusOf(err); status != nil {
		return routeOf(status.Request).resource == "" || status.StatusCode == http.StatusTooManyRequests
	}
	return errors.As(err, &ours) || errors.As(err, &way) || errors.As(err, &dns) || errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &cert)
}

// advised is an error with advice. The advice is our own text and is never cut
// short.
type advised struct {
	error
	advice string
}

func (e *advised) Error() string { return e.error.Error() + "; " + e.advice }
func (e *advised) Unwrap() error { return e.error }

// requestError is a request that got no usable answer. errors.As finds it among
// the wrappers of go-containerregistry, which add URLs and whole bodies.
type requestError struct{ error }

func (e *requestError) Unwrap() error { return e.error }

// failure is an error that prints as one line, whatever its causes would print.
type failure struct {
	text   string
	cause  string // see [registry.Cause]
	causes []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Cause() string   { return f.cause }
func (f *failure) Unwrap() []error { return f.causes }

// failure says what went wrong with a subject of this repository, with advice
// if there is any.
func (r repository) failure(subject string, err error) error {
	reason, advice := r.reason(err), ""
	if status := statusOf(err); status != nil {
		switch status.StatusCode {
		case http.StatusUnauthorized:
			advice = fmt.Sprintf("; log in, or log in again, with \"docker login %s\"", r.Host)
		case http.StatusForbidden:
			advice = fmt.Sprintf("; the credentials for %s do not allow this", r.Host)
		}
	}
	if cert := (x509.CertificateInvalidError{}); errors.As(err, &cert) && cert.Reason == x509.Expired {
		advice = "; check this machine's clock, and the registry's certificate"
	}
	causes := []error{err}
	if status := statusOf(err); status != nil && status.StatusCode/100 == 4 && status.StatusCode != http.StatusRequestTimeout && !mayBeDone(status) {
		causes = append(causes, registry.ErrRefused)
	}
	if isOfHost(err) {
		causes = append(causes, &registry.HostError{Host: r.Host, Reason: reason + advice})
	}
	return &failure{subject + ": " + reason + advice, r.cause(err, reason) + advice, causes}
}

// cause is the cause of an error with this reason. It leaves out what differs from
// request to request: the registry's own message, addresses and ports, and how long
// is still to be waited.
func (r repository) cause(err error, reason string) string {
	var (
		wait *waitError
		dial *net.OpError
	)
	switch status := statusOf(err); {
	case errors.Is(err, context.Canceled):
	case status != nil:
		reason = fmt.Sprintf("%d %s", status.StatusCode, http.StatusText(status.StatusCode))
	case errors.As(err, &wait):
		reason = fmt.Sprintf("the registry asks to wait (Retry-After), longer than the %v that tagline waits", wait.limit)
	case errors.As(err, &dial):
		reason = printable(dial.Err.Error())
	}
	return r.Host + ": " + reason
}

// answer is failure, but wraps ErrNotFound if the registry said that the
// manifest, blob or list of tags does not exist. A 404 for GET /v2/ or for a
// token does not say that. The error does not hold the request, since a run keeps
// one for each alias that is yet to be made.
func (r repository) answer(subject string, err error) error {
	if !isAbsent(err) {
		return r.failure(subject, err)
	}
	text := fmt.Sprintf("%s: %v", subject, registry.ErrNotFound)
	if message := message(statusOf(err)); message != "" {
		text += ": " + message
	}
	causes := []error{lasting(registry.ErrNotFound)}
	if slices.ContainsFunc(statusOf(err).Errors, func(d transport.Diagnostic) bool { return d.Code == transport.NameUnknownErrorCode }) {
		causes = append(causes, registry.ErrNoRepository)
	}
	return &failure{text, "", causes}
}

func statusOf(err error) *transport.Error {
	var status *transport.Error
	errors.As(err, &status)
	return status
}

// Refused reports whether a registry rejected the credentials, or does not
// allow them to do what was asked.
func Refused(err error) bool {
	status := statusOf(err)
	return status != nil && (status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden)
}

func isAbsent(err error) bool {
	status := statusOf(err)
	if status == nil || status.StatusCode != http.StatusNotFound {
		return false
	}
	resource := routeOf(status.Request).resource
	return resource == "manifests" || resource == "blobs" || resource == "tags"
}

// reason is the text of an error without the URLs around it.
func (r repository) reason(err error) string {
	if known := (*advised)(nil); errors.As(err, &known) && !errors.Is(err, context.Canceled) {
		return r.reason(known.error) + "; " + known.advice
	}
	var (
		host    *hostError
		ours    *failure
		request *requestError
		outer   *url.Error
		dial    *net.OpError
	)
	switch status := statusOf(err); {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &host) && r.isOn(host.host):
		return printable(host.error.Error()) // the caller prints the host
	case host != nil:
		return printable(host.Error())
	case errors.As(err, &ours):
		return ours.text
	case status != nil:
		text := fmt.Sprintf("%d %s", status.StatusCode, http.StatusText(status.StatusCode))
		if u := status.Request.URL; routeOf(status.Request).resource == "" {
			text += " from " + u.Host + u.Path // GET /v2/, or a token
		}
		if message := message(status); message != "" {
			text += ": " + message
		}
		return printable(text)
	case errors.As(err, &dial) && dial.Op == "dial" && dial.Addr != nil && r.isOn(dial.Addr.String()):
		return printable(dial.Err.Error()) // without the address
	case errors.As(err, &request):
		return printable(request.Error())
	case errors.As(err, &outer):
		return printable(outer.Err.Error())
	}
	return printable(err.Error())
}

// isOn reports whether this repository is on a host, under either of the host's
// names.
func (r repository) isOn(host string) bool {
	return strings.EqualFold(host, r.Host) || r.err == nil && strings.EqualFold(host, r.name.RegistryStr())
}

// message is the registry's own message: code, text and detail of each error
// (distribution-spec, "Error Codes"), or else the body, unless it is HTML.
func message(status *transport.Error) string {
	var said []string
	for _, e := range status.Errors {
		text := strings.Trim(fmt.Sprintf("%s: %s", e.Code, e.Message), ": ")
		if more := detail(e.Detail); more != "" && !slices.Contains(restating, e.Code) {
			text += " (" + more + ")"
		}
		said = append(said, text)
	}
	if len(said) == 0 {
		// Only this text gives access to the body.
		_, body, _ := strings.Cut(status.Error(), fmt.Sprintf("%d %s: ", status.StatusCode, http.StatusText(status.StatusCode)))
		if body = strings.TrimSpace(body); !strings.HasPrefix(body, "<") {
			said = append(said, body)
		}
	}
	return printable(strings.Join(said, "; "))
}

// restating are the codes whose detail only says what was asked for.
var restating = []transport.ErrorCode{transport.UnauthorizedErrorCode, transport.ManifestUnknownErrorCode, transport.NameUnknownErrorCode}

// detail is what else a registry says about an error: a text, or JSON of its own
// making. It is "" if that says nothing.
func detail(said any) string {
	if text, ok := said.(string); ok {
		return text
	}
	encoded, err := json.Marshal(said)
	if text := string(encoded); err == nil && !slices.Contains([]string{"null", "{}", "[]"}, text) {
		return text
	}
	return ""
}

// printable is a text in one line of at most 200 characters, without control
// characters.
func printable(s string) string {
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
