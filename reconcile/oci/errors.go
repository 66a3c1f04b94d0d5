package oci

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	ggcr "github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// failure says what went wrong with a subject of this repository, with advice
// if there is any.
func (r repository) failure(subject string, err error) error {
	reason, advice := r.reason(err), ""
	if status := transport.StatusOf(err); status != nil {
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
	if status := transport.StatusOf(err); status != nil && status.StatusCode/100 == 4 && status.StatusCode != http.StatusRequestTimeout && !transport.MayBeDone(status) {
		causes = append(causes, registry.ErrRefused)
	}
	if transport.IsOfHost(err) {
		causes = append(causes, &registry.HostError{Host: r.Host, Reason: reason + advice})
	}
	return registry.Explain(subject+": "+reason+advice, r.cause(err, reason)+advice, causes...)
}

// cause is the cause of an error with this reason. It leaves out what differs from
// request to request: the registry's own message, addresses and ports, and how long
// is still to be waited.
func (r repository) cause(err error, reason string) string {
	var (
		wait *transport.WaitError
		dial *net.OpError
	)
	switch status := transport.StatusOf(err); {
	case errors.Is(err, context.Canceled):
	case status != nil:
		reason = fmt.Sprintf("%d %s", status.StatusCode, http.StatusText(status.StatusCode))
	case errors.As(err, &wait):
		reason = fmt.Sprintf("the registry asks to wait (Retry-After), longer than the %v that tagline waits", wait.Limit)
	case errors.As(err, &dial):
		reason = transport.Printable(dial.Err.Error())
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
	if message := message(transport.StatusOf(err)); message != "" {
		text += ": " + message
	}
	causes := []error{transport.Lasting(registry.ErrNotFound)}
	if slices.ContainsFunc(transport.StatusOf(err).Errors, func(d ggcr.Diagnostic) bool { return d.Code == ggcr.NameUnknownErrorCode }) {
		causes = append(causes, registry.ErrNoRepository)
	}
	return registry.Explain(text, "", causes...)
}

// Refused reports whether a registry rejected the credentials, or does not
// allow them to do what was asked.
func Refused(err error) bool {
	status := transport.StatusOf(err)
	return status != nil && (status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden)
}

func isAbsent(err error) bool {
	status := transport.StatusOf(err)
	if status == nil || status.StatusCode != http.StatusNotFound {
		return false
	}
	resource := transport.RouteOf(status.Request).Resource
	return resource == "manifests" || resource == "blobs" || resource == "tags"
}

// reason is the text of an error without the URLs around it.
func (r repository) reason(err error) string {
	if known := (*transport.Advised)(nil); errors.As(err, &known) && !errors.Is(err, context.Canceled) {
		return r.reason(known.Err) + "; " + known.Advice
	}
	var (
		host    *transport.HostError
		ours    *registry.Explained
		request *transport.RequestError
		outer   *url.Error
		dial    *net.OpError
	)
	switch status := transport.StatusOf(err); {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &host) && r.isOn(host.Host):
		return transport.Printable(host.Err.Error()) // the caller prints the host
	case host != nil:
		return transport.Printable(host.Error())
	case errors.As(err, &ours):
		return ours.Error()
	case status != nil:
		text := fmt.Sprintf("%d %s", status.StatusCode, http.StatusText(status.StatusCode))
		if u := status.Request.URL; transport.RouteOf(status.Request).Resource == "" {
			text += " from " + u.Host + u.Path // GET /v2/, or a token
		}
		if message := message(status); message != "" {
			text += ": " + message
		}
		return transport.Printable(text)
	case errors.As(err, &dial) && dial.Op == "dial" && dial.Addr != nil && r.isOn(dial.Addr.String()):
		return transport.Printable(dial.Err.Error()) // without the address
	case errors.As(err, &request):
		return transport.Printable(request.Error())
	case errors.As(err, &outer):
		return transport.Printable(outer.Err.Error())
	}
	return transport.Printable(err.Error())
}

// isOn reports whether this repository is on a host, under either of the host's
// names.
func (r repository) isOn(host string) bool {
	return strings.EqualFold(host, r.Host) || r.err == nil && strings.EqualFold(host, r.name.RegistryStr())
}

// message is the registry's own message: code, text and detail of each error
// (distribution-spec, "Error Codes"), or else the body, unless it is HTML.
func message(status *ggcr.Error) string {
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
	return transport.Printable(strings.Join(said, "; "))
}

// restating are the codes whose detail only says what was asked for.
var restating = []ggcr.ErrorCode{ggcr.UnauthorizedErrorCode, ggcr.ManifestUnknownErrorCode, ggcr.NameUnknownErrorCode}

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
