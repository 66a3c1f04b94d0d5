package oci

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"tagline/reconcile/registry"
)

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
