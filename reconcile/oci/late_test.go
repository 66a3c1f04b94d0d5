package oci

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
)

// A write of a tag that has to be sent again reads the tag before. Where another job has
// moved it meanwhile, nothing is sent.
func TestLateWrites(t *testing.T) {
	planned, becomes, others := digestOf([]byte(index)), digestOf([]byte(otherIndex)), someHash
	tooMany, lost := ocitest.Status(429), ocitest.LoseAnswer()
	for _, tt := range []struct {
		name  string
		first ocitest.Action // the answer to the first PUT or DELETE
		now   string         // what the tag names afterwards, "" for nothing
		blind bool           // it can't be read then
		sent  [2]int         // pushes, deletions
		ends  [2]string      // what the tag names in the end
		moved [2]bool
	}{
		{name: "too many, and it stays", first: tooMany, now: planned, sent: [2]int{2, 2}, ends: [2]string{becomes, ""}},
		{name: "too many, and it moves", first: tooMany, now: others, sent: [2]int{1, 1}, ends: [2]string{others, others}, moved: [2]bool{true, true}},
		{name: "too many, and it goes", first: tooMany, sent: [2]int{1, 2}, moved: [2]bool{true, false}},
		{name: "busy, and it moves", first: ocitest.Status(503), now: others, sent: [2]int{1, 1}, ends: [2]string{others, others}, moved: [2]bool{true, true}},
		{name: "lost, and it moves", first: lost, now: others, sent: [2]int{1, 1}, ends: [2]string{others, others}, moved: [2]bool{true, true}},
		{name: "it can't be read again", first: tooMany, now: planned, blind: true, sent: [2]int{1, 1}, ends: [2]string{planned, planned}},
	} {
		for i, kind := range []string{"push", "delete"} {
			t.Run(kind+" "+tt.name, func(t *testing.T) {
				var mu sync.Mutex
				now, sent := planned, 0
				registryItself := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.Method == http.MethodPut:
						now = becomes
						w.WriteHeader(http.StatusCreated)
					case now == "":
						answer(404, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`)(w, r)
					case r.Method == http.MethodDelete:
						now = ""
						w.WriteHeader(http.StatusAccepted)
					default:
						answer(200, index, "Content-Type", typeIndex, "Docker-Content-Digest", now)(w, r)
					}
				})
				server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/10": func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					writes := r.Method == http.MethodPut || r.Method == http.MethodDelete
					if writes {
						sent++
					}
					switch {
					case writes && sent == 1:
						tt.first(w, r, registryItself)
						now = tt.now
					case !writes && sent > 0 && tt.blind:
						w.WriteHeader(http.StatusForbidden)
					default:
						registryItself.ServeHTTP(w, r)
					}
				}})
				writer := NewWriters(newClient(t, Options{})).Writer(server.app())
				var err error
				if kind == "push" {
					err = writer.Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Was: planned, Manifest: registry.RawManifest{
						Digest: becomes, MediaType: typeIndex, Body: []byte(otherIndex)}}})[0]
				} else {
					err = writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "10", Digest: planned}})[0]
				}
				mu.Lock()
				defer mu.Unlock()
				moved := (*registry.MovedError)(nil)
				if got := errors.As(err, &moved); got != tt.moved[i] || got && moved.Now != tt.now {
					t.Errorf("error %v", err)
				}
				if !tt.moved[i] && (err != nil) != tt.blind || errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
				if sent != tt.sent[i] || now != tt.ends[i] {
					t.Errorf("%d were sent, and the tag names %q, want %d and %q", sent, now, tt.sent[i], tt.ends[i])
				}
			})
		}
	}
}
