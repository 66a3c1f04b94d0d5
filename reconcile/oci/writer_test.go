package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

func TestAReaderCannotWrite(t *testing.T) {
	c := newClient(t, Options{})
	if _, ok := any(c).(registry.Writers); ok {
		t.Error("a client hands out writers")
	}
	if _, ok := c.Reader(serve(t, nil).app()).(registry.Writer); ok {
		t.Error("a reader writes")
	}
}

const otherIndex = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"n":"2"}}`

var otherManifest = answer(http.StatusOK, otherIndex, "Content-Type", "application/vnd.oci.image.index.v1+json", "Docker-Content-Digest", digestOf([]byte(otherIndex)))

func TestDeleteTags(t *testing.T) {
	gone := answer(404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, "Content-Type", "application/json")
	tests := []struct {
		name         string
		delete, head http.HandlerFunc // head is goodManifest if nil
		after        http.HandlerFunc // the answer to HEAD after the DELETE, if it differs
		err          string
		is           error
		unsupported  bool
	}{
		{name: "202", delete: answer(202, "")},
		{name: "200", delete: answer(200, "")},
		{name: "204", delete: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{name: "501", delete: answer(501, ""), err: "not supported by this registry (501 Not Implemented)", unsupported: true},
		{name: "gone already", head: gone, err: "not found", is: registry.ErrNotFound},
		{name: "gone a moment later", delete: gone, after: gone},
		{name: "moved", head: otherManifest, err: "it now names " + digestOf([]byte(otherIndex)), is: registry.ErrMoved},
		{name: "it cannot be read", head: answer(500, ""), err: "500 Internal Server Error"},
		{name: "405", delete: answer(405, `{"errors":[{"code":"UNSUPPORTED","message":"no"}]}`),
			err: "not supported by this registry (405 Method Not Allowed: UNSUPPORTED: no)", unsupported: true},
		{name: "400", delete: answer(400, `{"errors":[{"code":"DIGEST_INVALID","message":"no digest"}]}`),
			err: "not supported by this registry (400 Bad Request: DIGEST_INVALID: no digest)", unsupported: true},
		{name: "404 for a tag that is there", delete: gone,
			err: "not supported by this registry (404 Not Found: MANIFEST_UNKNOWN: manifest unknown, though the tag is there)", unsupported: true},
		{name: "404 for a tag that cannot be read", delete: gone, after: answer(500, ""), err: "500 Internal Server Error"},
		{name: "404 as HTML", delete: answer(404, html, "Content-Type", "text/html"), err: "answered 404 with a page of HTML: is there a proxy or a login page in front?"},
		{name: "a page of HTML", delete: answer(200, html, "Content-Type", "text/html; charset=utf-8"), err: "deletion answered with a page of HTML: is there a proxy or a login page in front?"},
		{name: "202 that says it is HTML", delete: answer(202, "", "Content-Type", "text/html; charset=utf-8")},
		{name: "403", delete: answer(403, ""), err: "403 Forbidden; the credentials for HOST do not allow this"},
		{name: "500", delete: answer(500, ""), err: "500 Internal Server Error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			head := tt.head
			if head == nil {
				head = goodManifest()
			}
			deleted := false
			server := serve(t, map[string]http.HandlerFunc{
				"DELETE /v2/app/manifests/9": func(w http.ResponseWriter, r *http.Request) {
					deleted = true
					if tt.delete == nil {
						t.Error("it was deleted")
						return
					}
					tt.delete(w, r)
				},
				"GET /v2/app/manifests/9": func(w http.ResponseWriter, r *http.Request) { // and HEAD
					if deleted && tt.after != nil {
						tt.after(w, r)
						return
					}
					head(w, r)
				},
			})
			err := NewWriters(newClient(t, Options{})).Writer(server.app()).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "9", Digest: digestOf([]byte(index))}})[0]
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			for _, line := range server.trace() {
				if strings.Contains(line, "sha256:") {
					t.Errorf("asked %s", line)
				}
			}
			if errors.Is(err, registry.ErrUnsupported) != tt.unsupported {
				t.Errorf("unsupported is %v", !tt.unsupported)
			}
			want := "delete tag " + server.host + "/app:9: " + strings.ReplaceAll(tt.err, "HOST", server.host)
			if (tt.err == "") != (err == nil) || err != nil && err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
		})
	}
}

func TestDeleteManifests(t *testing.T) {
	gone := answer(404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, "Content-Type", "application/json")
	for _, tt := range []struct {
		name         string
		delete, head http.HandlerFunc
		err          string
		unsupported  bool
	}{
		{name: "202", delete: answer(202, "")},
		{name: "204", delete: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{name: "501", delete: answer(501, ""), err: "not supported by this registry (501 Not Implemented)", unsupported: true},
		{name: "gone already", delete: gone, head: gone},
		{name: "405", delete: answer(405, `{"errors":[{"code":"UNSUPPORTED","message":"no"}]}`),
			err: "not supported by this registry (405 Method Not Allowed: UNSUPPORTED: no)", unsupported: true},
		{name: "400", delete: answer(400, ""), err: "not supported by this registry (400 Bad Request)", unsupported: true},
		{name: "an index lists it", delete: answer(405, `{"errors":[{"code":"UNSUPPORTED","message":"Requested image referenced by manifest list: [sha256:1]"}]}`),
			err: "405 Method Not Allowed: UNSUPPORTED: Requested image referenced by manifest list: [sha256:1]"},
		{name: "404 for one that is there", delete: gone, head: goodManifest(),
			err: "not supported by this registry (404 Not Found: MANIFEST_UNKNOWN: manifest unknown, though the manifest is there)", unsupported: true},
		{name: "404 for one that cannot be read", delete: gone, head: answer(500, ""), err: "500 Internal Server Error"},
		{name: "a page of HTML", delete: answer(200, html, "Content-Type", "text/html"), err: "deletion answered with a page of HTML: is there a proxy or a login page in front?"},
		{name: "202 that says it is HTML", delete: answer(202, "", "Content-Type", "text/html; charset=utf-8")},
		{name: "403", delete: answer(403, ""), err: "403 Forbidden; the credentials for HOST do not allow this"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			digest := digestOf([]byte(index))
			handlers := map[string]http.HandlerFunc{"DELETE /v2/app/manifests/" + digest: tt.delete}
			if tt.head != nil {
				handlers["GET /v2/app/manifests/"+digest] = tt.head // and HEAD
			}
			server := serve(t, handlers)
			err := NewWriters(newClient(t, Options{})).Writer(server.app()).DeleteManifests(t.Context(), registry.Removals(digest))[0]
			if errors.Is(err, registry.ErrUnsupported) != tt.unsupported {
				t.Errorf("unsupported is %v", !tt.unsupported)
			}
			want := "delete " + server.host + "/app@" + digest + ": " + strings.ReplaceAll(tt.err, "HOST", server.host)
			if (tt.err == "") != (err == nil) || err != nil && err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
		})
	}
}

// A registry that supports no deletions of a kind is asked once. The other
// kind, and another repository, have their own answer. After one success, a
// refusal concerns only its own deletion.
func TestDeletionsNotSupported(t *testing.T) {
	for _, test := range []struct {
		name        string
		status      []int // in order; the last one repeats
		sent        int   // of six, in two batches
		unsupported int
	}{
		{"never", []int{405}, 1, 6},
		{"not by an API either", []int{501}, 1, 6},
		{"always", []int{202}, 6, 0},
		{"one of them", []int{202, 405, 202}, 6, 1},
		{"forbidden", []int{403}, 6, 0},
		{"after one that failed", []int{403, 405}, 4, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, kind := range []string{"tag", "manifest"} {
				var mu sync.Mutex
				sent := map[string]int{}
				do := func(repository string) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) {
						mu.Lock()
						defer mu.Unlock()
						if r.Method != http.MethodDelete {
							goodManifest()(w, r)
							return
						}
						w.WriteHeader(test.status[min(sent[repository], len(test.status)-1)])
						sent[repository]++
					}
				}
				server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/": do("app"), "/v2/other/manifests/": do("other")})
				writers := NewWriters(newClient(t, Options{Concurrency: 1, Patience: transport.Patience{Attempts: 1}}))
				for _, repository := range []string{"app", "other"} {
					unsupported := 0
					for batch := range 2 {
						var tags []registry.TagDigest
						var digests []string
						for i := range 3 {
							tag := fmt.Sprintf("tag-%d-%d", batch, i)
							digests = append(digests, digestOf([]byte(tag)))
							tags = append(tags, registry.TagDigest{Tag: tag, Digest: digestOf([]byte(index))})
						}
						w := writers.Writer(config.Repository{Host: server.host, Path: repository})
						remove := func() []error { return w.DeleteTags(t.Context(), tags) }
						if kind == "manifest" {
							remove = func() []error { return w.DeleteManifests(t.Context(), registry.Removals(digests...)) }
						}
						for _, err := range remove() {
							if errors.Is(err, registry.ErrUnsupported) {
								unsupported++
							}
						}
					}
					if sent[repository] != test.sent || unsupported != test.unsupported {
						t.Errorf("%ss of %s: %d sent, %d not supported; want %d, %d", kind, repository, sent[repository], unsupported, test.sent, test.unsupported)
					}
				}
			}
		})
	}
}

// An interruption starts no new write, and cuts none off.
func TestInterruptedWrites(t *testing.T) {
	synced := make(chan struct{}) // closed when two writes have begun and the run is interrupted
	arrived := make(chan struct{}, 10)
	server := serve(t, map[string]http.HandlerFunc{
		"/v2/app/manifests/": func(w http.ResponseWriter, _ *http.Request) {
			arrived <- struct{}{}
			<-synced
			w.WriteHeader(http.StatusCreated)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		<-arrived
		cancel()
		close(synced)
	}()
	c := newClient(t, Options{Concurrency: 2})
	c.admitted.Store(server.app(), true)
	var pushes []registry.TaggedManifest
	for _, tag := range []string{"1", "2", "3", "4", "5", "6"} {
		pushes = append(pushes, registry.TaggedManifest{Tag: tag, Manifest: registry.RawManifest{Body: []byte(index), MediaType: "application/vnd.oci.image.index.v1+json"}})
	}
	done, interrupted := 0, 0
	for i, err := range NewWriters(c).Writer(server.app()).Put(ctx, pushes) {
		switch {
		case err == nil:
			done++
		case errors.Is(err, context.Canceled) && strings.HasSuffix(err.Error(), ": interrupted"):
			interrupted++
		default:
			t.Errorf("push %d: %v", i, err)
		}
	}
	if done != 2 || interrupted != 4 || server.count("PUT ") != 2 {
		t.Errorf("%d done, %d interrupted, %d sent; want 2, 4, 2", done, interrupted, server.count("PUT "))
	}
}

// Only an answer that holds for all deletions counts.
func TestDeletes(t *testing.T) {
	for _, tt := range []struct {
		status      int
		unsupported bool
	}{{202, false}, {404, false}, {405, true}, {501, true}, {400, false}, {401, false}, {403, false}} {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			asked := 0
			server := serve(t, map[string]http.HandlerFunc{
				"DELETE /v2/app/manifests/" + noManifest: func(w http.ResponseWriter, r *http.Request) {
					asked++
					answer(tt.status, "")(w, r)
				},
			})
			err := NewWriters(newClient(t, Options{})).Writer(server.app()).Deletes(t.Context())
			if errors.Is(err, registry.ErrUnsupported) != tt.unsupported || (err != nil) != tt.unsupported || asked == 0 {
				t.Errorf("got %v after %d requests", err, asked)
			}
		})
	}
}
