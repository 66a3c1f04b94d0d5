package oci

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

const (
	typeIndex = string(types.OCIImageIndex)
	html      = "<!doctype html><title>Log in</title>"
	someHash  = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
)

func TestManifest(t *testing.T) {
	hash := digestOf([]byte(index))
	page := answer(200, html, "Content-Type", "text/html; charset=utf-8")
	tests := []struct {
		name      string
		reference string // 10 if empty
		answer    http.HandlerFunc
		err       string // empty if the answer is good
		requests  int    // 1 if 0
	}{
		{name: "good", answer: goodManifest()},
		{name: "good, by digest", reference: hash, answer: goodManifest()},
		{name: "no digest", answer: answer(200, index, "Content-Type", typeIndex)},
		{name: "a type with parameters", answer: answer(200, index, "Content-Type", typeIndex+"; charset=utf-8")},
		{name: "Docker list", answer: answer(200, index, "Content-Type", string(types.DockerManifestList))},
		{name: "another digest than it claims", answer: answer(200, index, "Content-Type", typeIndex, "Docker-Content-Digest", someHash),
			err: "body has the digest " + hash + ", not " + someHash},
		{name: "a digest that is none", answer: answer(200, index, "Content-Type", typeIndex, "Docker-Content-Digest", "sha256:x"),
			err: "body has the digest " + hash + ", not sha256:x"},
		{name: "another digest than asked for", reference: someHash, answer: goodManifest(),
			err: "body has the digest " + hash + ", not " + someHash},
		{name: "HTML", answer: page,
			err: "answered with text/html, not a manifest: is there a proxy or a login page in front?"},
		{name: "no type", answer: answer(200, index, "Content-Type", ""),
			err: "answered without a Content-Type, not with a manifest: is there a proxy or a login page in front?"},
		{name: "schema 1", answer: answer(200, "{}", "Content-Type", string(types.DockerManifestSchema1Signed)),
			err: "manifest of Docker schema 1 (application/vnd.docker.distribution.manifest.v1+prettyjws), which no current tool reads: build and push the image again"},
		{name: "404 as HTML", answer: answer(404, html, "Content-Type", "text/html"),
			err: "answered 404 with a page of HTML: is there a proxy or a login page in front?"},
		{name: "too long, announced", answer: answer(200, strings.Repeat(" ", registry.MaxManifest+1), "Content-Type", typeIndex, "Content-Length", strconv.Itoa(registry.MaxManifest+1)),
			err: "answer of 4194305 bytes, more than the 4194304 that tagline reads"},
		{name: "too long, not announced", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", typeIndex)
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(make([]byte, registry.MaxManifest+1))
		}, err: "answer of more than the 4194304 bytes that tagline reads"},
		{name: "cut short", answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			goodManifest()(w, r)
		}, err: "body of the answer: unexpected EOF", requests: 3},
		{name: "cut short in chunks", answer: func(w http.ResponseWriter, r *http.Request) {
			goodManifest()(w, r)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, err: "body of the answer: unexpected EOF", requests: 3},
		{name: "cut short once", answer: func() http.HandlerFunc {
			asked := false
			return func(w http.ResponseWriter, r *http.Request) {
				if !asked {
					w.Header().Set("Content-Length", "1000")
				}
				asked = true
				goodManifest()(w, r)
			}
		}(), requests: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reference, requests := tt.reference, max(tt.requests, 1)
			if reference == "" {
				reference = "10"
			}
			server := serve(t, map[string]http.HandlerFunc{"GET /v2/app/manifests/" + reference: tt.answer})
			got, err := fetch(t, newClient(t, Options{}), server.app(), reference)
			if n := server.count("GET /v2/app/manifests/"); n != requests {
				t.Errorf("%d requests, want %d", n, requests)
			}
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if string(got.Body) != index || got.Digest != hash || !registry.KnownType(got.MediaType) {
					t.Errorf("got %+v", got)
				}
				return
			}
			if err == nil || !strings.HasSuffix(err.Error(), ": "+tt.err) {
				t.Errorf("error %v\nwant  …: %s", err, tt.err)
			}
			if errors.Is(err, registry.ErrNotFound) {
				t.Error("reads as absent")
			}
		})
	}
}

// A HEAD whose answer decides nothing is followed by one GET, which decides.
func TestHead(t *testing.T) {
	hash := digestOf([]byte(index))
	length := strconv.Itoa(len(index))
	absent := answer(404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, "Content-Type", "application/json")
	page404 := answer(404, html, "Content-Type", "text/html")
	tests := []struct {
		name      string
		head, get http.HandlerFunc
		gets      int
		err       string // empty if the answer is good
		absent    bool
	}{
		{name: "good", head: goodManifest()},
		{name: "absent", head: absent, get: absent, gets: 1, err: "not found: MANIFEST_UNKNOWN: manifest unknown", absent: true},
		{name: "absent, without a type", head: answer(404, "", "Content-Type", ""), get: answer(404, "", "Content-Type", ""), gets: 1, err: "not found", absent: true},
		{name: "absent by HEAD alone", head: absent, get: goodManifest(), gets: 1},
		{name: "absent by HEAD, and then not to be read", head: absent, get: answer(500, ""), gets: 3, err: "500 Internal Server Error"},
		{name: "no digest", head: answer(200, "", "Content-Type", typeIndex, "Content-Length", length), get: goodManifest(), gets: 1},
		{name: "garbage for a digest", head: answer(200, "", "Content-Type", typeIndex, "Content-Length", length, "Docker-Content-Digest", "sha256:1"), get: goodManifest(), gets: 1},
		{name: "no type", head: answer(200, "", "Content-Type", "", "Content-Length", length, "Docker-Content-Digest", hash), get: goodManifest(), gets: 1},
		{name: "no length", head: answer(200, "", "Content-Type", typeIndex, "Docker-Content-Digest", hash), get: goodManifest(), gets: 1},
		{name: "HTML for both", head: answer(200, html, "Content-Type", "text/html"), get: answer(200, html, "Content-Type", "text/html"), gets: 1,
			err: "answered with text/html, not a manifest: is there a proxy or a login page in front?"},
		{name: "400", head: answer(400, ""), get: goodManifest(), gets: 1},
		{name: "401", head: answer(401, ""), get: goodManifest(), gets: 1},
		{name: "403", head: answer(403, ""), get: goodManifest(), gets: 1},
		{name: "405", head: answer(405, ""), get: goodManifest(), gets: 1},
		{name: "501", head: answer(501, ""), get: goodManifest(), gets: 1},
		{name: "403 for both", head: answer(403, ""), get: answer(403, `{"errors":[{"code":"DENIED","message":"not yours"}]}`), gets: 1,
			err: "403 Forbidden: DENIED: not yours; the credentials for HOST do not allow this"},
		{name: "401 for both", head: answer(401, ""), get: answer(401, ""), gets: 1,
			err: `401 Unauthorized; log in, or log in again, with "docker login HOST"`},
		{name: "405, then absent", head: answer(405, ""), get: absent, gets: 1, err: "not found: MANIFEST_UNKNOWN: manifest unknown", absent: true},
		{name: "HTML, then absent", head: page404, get: absent, gets: 1, err: "not found: MANIFEST_UNKNOWN: manifest unknown", absent: true},
		{name: "HTML, then there", head: page404, get: goodManifest(), gets: 1},
		{name: "HTML, then HTML", head: page404, get: page404, gets: 1, err: "answered 404 with a page of HTML: is there a proxy or a login page in front?"},
		{name: "429 is no reason to ask more", head: answer(429, ""), err: "429 Too Many Requests"},
		{name: "500 is no reason to ask more", head: answer(500, ""), err: "500 Internal Server Error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			handlers := map[string]http.HandlerFunc{"HEAD /v2/app/manifests/10": tt.head}
			if tt.get != nil {
				handlers["GET /v2/app/manifests/10"] = tt.get
			}
			server := serve(t, handlers)
			got, err := resolve(t, newClient(t, Options{}), server.app(), "10")
			if n := server.count("GET /v2/app/manifests/"); n != tt.gets {
				t.Errorf("%d GETs, want %d", n, tt.gets)
			}
			if tt.err == "" {
				want := registry.Descriptor{Digest: hash, MediaType: typeIndex, Size: int64(len(index))}
				if err != nil || got != want {
					t.Errorf("got %+v, %v, want %+v", got, err, want)
				}
				return
			}
			want := server.host + "/app:10: " + strings.ReplaceAll(tt.err, "HOST", server.host)
			if err == nil || err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
			if errors.Is(err, registry.ErrNotFound) != tt.absent {
				t.Errorf("absent is %v", !tt.absent)
			}
			if tt.absent && transport.StatusOf(err) != nil {
				t.Error("the error holds the request")
			}
		})
	}
}

func TestPut(t *testing.T) {
	hash := digestOf([]byte(index))
	tests := []struct {
		name   string
		answer http.HandlerFunc
		err    string
	}{
		{"created", answer(201, "", "Docker-Content-Digest", hash), ""},
		{"created, without a digest", answer(201, ""), ""},
		{"200 with the digest", answer(200, "", "Docker-Content-Digest", hash), ""},
		{"202 with the digest", answer(202, "", "Docker-Content-Digest", hash), ""},
		{"200 without a digest", answer(200, ""), "push answered with 200 and no digest, not with 201 Created"},
		{"another digest", answer(201, "", "Docker-Content-Digest", someHash), "registry stored " + someHash + ", not the " + hash + " that was pushed"},
		{"HTML", answer(200, html, "Content-Type", "text/html"), "push answered with a page of HTML: is there a proxy or a login page in front?"},
		{"created, and said to be HTML", answer(201, "OK", "Content-Type", "text/html; charset=utf-8", "Docker-Content-Digest", hash), ""},
		{"HTML with 201", answer(201, html, "Content-Type", "text/html"), "push answered with a page of HTML: is there a proxy or a login page in front?"},
		{"denied", answer(403, `{"errors":[{"code":"DENIED","message":"tag is immutable"}]}`), "403 Forbidden: DENIED: tag is immutable; the credentials for HOST do not allow this"},
		{"no such repository", answer(404, `{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}`), "404 Not Found: NAME_UNKNOWN: no such repository"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, map[string]http.HandlerFunc{"PUT /v2/app/manifests/10": tt.answer})
			writer := NewWriters(newClient(t, Options{})).Writer(server.app())
			err := writer.Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: registry.RawManifest{
				Digest: hash, MediaType: typeIndex, Body: []byte(index),
			}}})[0]
			if tt.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want := "push " + server.host + "/app:10: " + strings.ReplaceAll(tt.err, "HOST", server.host)
			if err == nil || err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
			if errors.Is(err, registry.ErrNotFound) {
				t.Error("reads as absent")
			}
		})
	}
}

// A refusal says that nothing was done, unless an earlier attempt had no answer.
func TestRefused(t *testing.T) {
	hash, denied := digestOf([]byte(index)), answer(403, "")
	for _, tt := range []struct {
		name    string
		first   http.HandlerFunc
		refused bool
	}{
		{"at once", denied, true},
		{"after a limit", answer(429, ""), true},
		{"after an answer that was lost", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
		{"after a 502", answer(502, ""), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/10": func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodHead: // before the push is sent again
					http.NotFound(w, r)
				case asked.Add(1) == 1:
					tt.first(w, r)
				default:
					denied(w, r)
				}
			}})
			err := NewWriters(newClient(t, Options{})).Writer(server.app()).Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: registry.RawManifest{
				Digest: hash, MediaType: typeIndex, Body: []byte(index),
			}}})[0]
			if err == nil || errors.Is(err, registry.ErrRefused) != tt.refused {
				t.Errorf("%v; refused is not %v", err, tt.refused)
			}
		})
	}
}

func TestConfigs(t *testing.T) {
	const config = `{"os":"linux"}`
	hash := digestOf([]byte(config))
	tests := []struct {
		name   string
		answer http.HandlerFunc
		err    string
	}{
		{"good", answer(200, config), ""},
		{"other bytes", answer(200, "{}"), "body has the digest " + digestOf([]byte("{}")) + ", not " + hash},
		{"too long", answer(200, strings.Repeat(" ", registry.MaxManifest+1), "Content-Length", strconv.Itoa(registry.MaxManifest+1)),
			"answer of 4194305 bytes, more than the 4194304 that tagline reads"},
		{"absent", answer(404, ""), "not found"},
		{"404 as HTML", answer(404, html, "Content-Type", "text/html"), "answered 404 with a page of HTML: is there a proxy or a login page in front?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			storage := serve(t, map[string]http.HandlerFunc{"/somewhere": tt.answer})
			server := serve(t, map[string]http.HandlerFunc{
				"GET /v2/app/blobs/" + hash: http.RedirectHandler("http://"+storage.host+"/somewhere?signature=secret", http.StatusTemporaryRedirect).ServeHTTP,
			})
			got := newClient(t, Options{}).Reader(server.app()).Configs(t.Context(), []string{hash})[0]
			if tt.err == "" {
				if string(got.Value) != config || got.Err != nil {
					t.Errorf("got %q, %v", got.Value, got.Err)
				}
				return
			}
			if want := server.host + "/app@" + hash + ": " + tt.err; got.Err == nil || got.Err.Error() != want {
				t.Errorf("error %v\nwant  %s", got.Err, want)
			}
			if errors.Is(got.Err, registry.ErrNotFound) != (tt.name == "absent") {
				t.Error("absent and unreadable are mixed up")
			}
		})
	}
}
