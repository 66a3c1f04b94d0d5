package ocitest

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Fault is one line of a script: which requests go wrong, and how.
//
//	proxy.Script(
//		ocitest.Fault{Method: "GET", Path: "manifests/10.10$", Times: 2, Do: ocitest.Status(503)},
//		ocitest.Fault{Method: "PUT", Path: "/manifests/", Skip: 3, Do: ocitest.LoseAnswer()},
//	)
type Fault struct {
	Method string // empty: every method
	Path   string // a regular expression that matches part of the URL's path; empty: every path
	Skip   int    // the number of matching requests to leave alone first
	Times  int    // the number of requests to act on; 0: no limit
	Do     Action
}

// Action answers a request, with or without asking the upstream registry.
type Action func(w http.ResponseWriter, r *http.Request, upstream http.Handler)

// line is a fault and how often it has matched.
type line struct {
	fault   Fault
	path    *regexp.Regexp
	matched int
}

// script is the faults of a proxy, in their order.
type script []*line

func newScript(faults []Fault) script {
	s := make(script, len(faults))
	for i, f := range faults {
		s[i] = &line{fault: f, path: regexp.MustCompile(f.Path)}
	}
	return s
}

// action returns the action for a request, or nil. It counts the request, so calls must
// follow one another.
func (s script) action(r *http.Request) Action {
	for _, l := range s {
		f := l.fault
		if f.Method != "" && f.Method != r.Method || !l.path.MatchString(r.URL.Path) {
			continue
		}
		l.matched++
		if l.matched > f.Skip && (f.Times == 0 || l.matched <= f.Skip+f.Times) {
			return f.Do
		}
	}
	return nil
}

func pass(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
	upstream.ServeHTTP(w, r)
}

// Respond answers in place of the registry. Headers come in pairs:
// "Retry-After", "2".
func Respond(status int, body string, headers ...string) Action {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for pair := range slices.Chunk(headers, 2) {
			w.Header().Set(pair[0], pair[1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// Status is [Respond] without a body.
func Status(status int, headers ...string) Action { return Respond(status, "", headers...) }

// HTML answers 200 with a page, as a captive portal does.
func HTML() Action {
	return Respond(http.StatusOK, "<!doctype html><title>Welcome</title>", "Content-Type", "text/html; charset=utf-8")
}

// Redirect answers 307 to the same path on another host.
func Redirect(host string) Action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, "http://"+host+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}
}

// TagAsDigest asks for the digest that a tag sha256-<hex> is named after, as GitLab's
// registry does.
func TagAsDigest() Action {
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		r = r.Clone(r.Context())
		r.URL.Path = strings.Replace(r.URL.Path, "/manifests/sha256-", "/manifests/sha256:", 1)
		upstream.ServeHTTP(w, r)
	}
}

// Before calls happen before it asks the registry. happen may ask the registry
// too.
func Before(happen func()) Action {
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		happen()
		upstream.ServeHTTP(w, r)
	}
}

// Delay waits before it asks the registry, so that the headers come late.
func Delay(d time.Duration) Action {
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		sleep(r.Context(), d)
		upstream.ServeHTTP(w, r)
	}
}

// Reset resets the connection before the registry has seen the request.
//
// net/http repeats a GET or HEAD by itself if the connection had served a
// request before, so a client may not notice a single reset.
func Reset() Action {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { reset(w) }
}

// LoseAnswer lets the registry carry out the request, then resets the
// connection.
func LoseAnswer() Action {
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		upstream.ServeHTTP(httptest.NewRecorder(), r)
		reset(w)
	}
}

func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err) // the proxy serves HTTP/1.1 only
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // RST, not FIN
	}
	_ = conn.Close()
}

// Truncate announces the whole body and sends only its first n bytes.
func Truncate(n int) Action {
	return edit(func(header http.Header, body []byte) []byte {
		header.Set("Content-Length", strconv.Itoa(len(body)))
		return body[:min(n, len(body))] // net/http notices the difference and closes the connection
	})
}

// TruncateChunked sends the first n bytes in chunks, without a last chunk.
func TruncateChunked(n int) Action {
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		answer := ask(r, upstream)
		body := answer.Body.Bytes()
		answer.Header().Del("Content-Length")
		send(w, answer, body[:min(n, len(body))])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Drip sends the body a byte at a time.
func Drip(interval time.Duration) Action {
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		answer := ask(r, upstream)
		send(w, answer, nil)
		for b := range slices.Chunk(answer.Body.Bytes(), 1) {
			if http.NewResponseController(w).Flush() != nil {
				return // the client has hung up
			}
			sleep(r.Context(), interval)
			_, _ = w.Write(b)
		}
	}
}

// SetHeader changes a header of the answer: to a wrong Docker-Content-Digest, a
// wrong Content-Type, a Link that leads in a circle.
func SetHeader(key, value string) Action {
	return edit(func(header http.Header, body []byte) []byte {
		header.Set(key, value)
		return body
	})
}

// StripHeader removes a header of the answer.
func StripHeader(key string) Action {
	return edit(func(header http.Header, body []byte) []byte {
		header[http.CanonicalHeaderKey(key)] = nil // if the key were missing, net/http would guess a Content-Type
		return body
	})
}

// ReplaceBody changes the body and its length, and leaves the
// Docker-Content-Digest.
func ReplaceBody(change func(body []byte) []byte) Action {
	return edit(func(header http.Header, body []byte) []byte {
		body = change(body)
		header.Set("Content-Length", strconv.Itoa(len(body)))
		return body
	})
}

// ForgeBody is [ReplaceBody] with a matching Docker-Content-Digest.
func ForgeBody(change func(body []byte) []byte) Action {
	return edit(func(header http.Header, body []byte) []byte {
		body = change(body)
		header.Set("Content-Length", strconv.Itoa(len(body)))
		header.Set("Docker-Content-Digest", digest.FromBytes(body).String())
		return body
	})
}

// Oversize pads the body with blanks to n bytes; JSON stays valid.
func Oversize(n int) Action {
	return ReplaceBody(func(body []byte) []byte {
		return append(body, bytes.Repeat([]byte{' '}, max(0, n-len(body)))...)
	})
}

// edit sends the registry's answer after change has edited its header and body.
func edit(change func(header http.Header, body []byte) []byte) Action {
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		answer := ask(r, upstream)
		send(w, answer, change(answer.Header(), answer.Body.Bytes()))
	}
}

// ask returns the registry's answer. It turns a HEAD into a GET, so that a
// changed body shows in the headers of both; net/http drops the body of a HEAD.
func ask(r *http.Request, upstream http.Handler) *httptest.ResponseRecorder {
	if r.Method == http.MethodHead {
		r = r.Clone(r.Context())
		r.Method = http.MethodGet
	}
	answer := httptest.NewRecorder()
	upstream.ServeHTTP(answer, r)
	return answer
}

func send(w http.ResponseWriter, answer *httptest.ResponseRecorder, body []byte) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body) // fails only if the client has hung up
}

// sleep returns early if the request ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
