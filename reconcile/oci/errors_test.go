package oci

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/registry"
)

func TestErrorsOfStatuses(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"one error", answer(500, `{"errors":[{"code":"UNKNOWN","message":"disk full","detail":{"path":"/var/lib"}}]}`), `500 Internal Server Error: UNKNOWN: disk full ({"path":"/var/lib"})`},
		{"two errors", answer(500, `{"errors":[{"code":"A","message":"one"},{"code":"B"}]}`), "500 Internal Server Error: A: one; B"},
		{"a page of HTML", answer(502, "<html>\n<h1>502 Bad Gateway</h1>", "Content-Type", "text/html"), "502 Bad Gateway"},
		{"a text", answer(503, "no healthy upstream\n"), "503 Service Unavailable: no healthy upstream"},
		{"other JSON", answer(500, `{"details":"incorrect"}`), `500 Internal Server Error: {"details":"incorrect"}`},
		{"nothing", answer(504, ""), "504 Gateway Timeout"},
		{"an unusual status", answer(418, "x"), "418 I'm a teapot: x"},
		{"control characters", answer(500, "\x1b[2J\x1b[31mgotcha"), "500 Internal Server Error: [2J [31mgotcha"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/10": tt.answer})
			_, err := fetch(t, newClient(t, Options{}), server.app(), "10")
			if want := server.host + "/app:10: " + tt.want; err == nil || err.Error() != want {
				t.Errorf("error %q\nwant  %q", err, want)
			}
		})
	}
}

func TestLongMessageIsCut(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/10": answer(403, strings.Repeat("long ", 10_000))})
	_, err := fetch(t, newClient(t, Options{}), server.app(), "10")
	if n := len(err.Error()); n > 400 {
		t.Errorf("error of %d bytes: %v", n, err)
	}
	if !strings.HasSuffix(err.Error(), "do not allow this") {
		t.Errorf("advice is lost: %v", err)
	}
}

func TestErrorsOfConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Options{})
	r := c.Reader(config.Repository{Host: host, Path: "app"})
	answers := r.Resolve(t.Context(), make([]string, 50))
	for _, a := range answers {
		if want := host + "/app:: connect: connection refused"; a.Err == nil || a.Err.Error() != want {
			t.Fatalf("error %v, want %s", a.Err, want)
		}
		if errors.Is(a.Err, registry.ErrNotFound) {
			t.Fatal("reads as absent")
		}
	}
	// Each scheme uses up its attempts once; after that there is one attempt
	// per tag.
	if n := c.Stats().Requests; n > 2*3+2*49 {
		t.Errorf("%d requests for 50 tags of a host that is down", n)
	}
}

func TestErrorsOfNames(t *testing.T) {
	c := newClient(t, Options{})
	a := c.Reader(config.Repository{Host: "no host", Path: "app"}).Resolve(t.Context(), []string{"10", "11"})
	for _, a := range a {
		if a.Err == nil || !strings.HasPrefix(a.Err.Error(), "no host/app:1") {
			t.Errorf("error %v", a.Err)
		}
	}
}

func TestErrorsOfContexts(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/": goodManifest()})
	c := newClient(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := c.Reader(server.app()), NewWriters(c).Writer(server.app())
	var errs []error
	for _, a := range r.Resolve(ctx, []string{"1", "2", "3"}) {
		errs = append(errs, a.Err)
	}
	for _, a := range r.Manifests(ctx, []string{"1", "2"}) {
		errs = append(errs, a.Err)
	}
	for _, a := range r.Configs(ctx, []string{someHash}) {
		errs = append(errs, a.Err)
	}
	_, err := r.Referrers(ctx, someHash)
	errs = append(errs, err, w.Copy(ctx, server.app(), someHash))
	errs = append(errs, w.Put(ctx, []registry.TaggedManifest{{Tag: "1", Manifest: registry.RawManifest{Body: []byte(index)}}})...)
	errs = append(errs, w.DeleteTags(ctx, []registry.TagDigest{{Tag: "1", Digest: someHash}})...)
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) || errors.Is(err, registry.ErrNotFound) {
			t.Errorf("error %d is %v", i, err)
		}
	}
}

// Few logins fail, since registries lock accounts over them. A refused HEAD is
// repeated as a GET, and one manifest may be refused for its own reason.
func TestRefusedLoginIsNotRepeated(t *testing.T) {
	tags := make([]string, 100)
	for i := range tags {
		tags[i] = string(rune('a' + i%26))
	}
	tests := map[string]struct {
		handlers map[string]http.HandlerFunc
		logins   int
		err      string
	}{
		"basic": {map[string]http.HandlerFunc{
			"/v2/": answer(401, "", "WWW-Authenticate", `Basic realm="x"`),
		}, 4, `401 Unauthorized; log in, or log in again, with "docker login HOST"`},
		"bearer": {map[string]http.HandlerFunc{
			"/v2/{$}": func(w http.ResponseWriter, r *http.Request) {
				answer(401, "", "WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)(w, r)
			},
			"/token": answer(401, `{"details":"incorrect username or password"}`),
		}, 1, `401 Unauthorized from HOST/token: {"details":"incorrect username or password"}; log in, or log in again, with "docker login HOST"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := serve(t, tt.handlers)
			answers := newClient(t, Options{Keychain: login{"me", "wrong"}}).Reader(server.app()).Resolve(t.Context(), tags)
			for i, a := range answers {
				want := server.host + "/app:" + tags[i] + ": " + strings.ReplaceAll(tt.err, "HOST", server.host)
				if a.Err == nil || a.Err.Error() != want {
					t.Fatalf("error %v\nwant  %s", a.Err, want)
				}
			}
			logins := 0
			for _, r := range server.seen {
				if r.Header.Get("Authorization") != "" {
					logins++
				}
			}
			if logins != tt.logins {
				t.Errorf("%d logins, want %d", logins, tt.logins)
			}
		})
	}
}
