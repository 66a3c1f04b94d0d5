package ocitest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Zot starts an empty registry that drops manifests as zot does (v2.1, default
// configuration; pkg/storage/common, CheckIfIndexNeedsUpdate): when a tag moves
// or is deleted, its old manifest is deleted too, unless another tag names it.
// That holds even if an index lists the manifest. In all else it is like
// [Olareg].
func Zot(t testing.TB) string {
	t.Helper()
	return serve(t, &zot{upstream: forward(t, Olareg(t))})
}

type zot struct {
	upstream http.Handler
	writes   sync.Mutex // writes of tags, one at a time
}

var reTagPath = regexp.MustCompile(`^(/v2/.+)/manifests/([^/:]+)$`)

func (z *zot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := reTagPath.FindStringSubmatch(r.URL.Path)
	if path == nil || r.Method != http.MethodPut && r.Method != http.MethodDelete {
		z.upstream.ServeHTTP(w, r)
		return
	}
	z.writes.Lock()
	defer z.writes.Unlock()
	old := z.digest(r, r.URL.Path)
	answer := httptest.NewRecorder()
	z.upstream.ServeHTTP(answer, r)
	if answer.Code < http.StatusBadRequest && old != "" && !z.isNamed(r, path[1], old) {
		z.ask(r, http.MethodDelete, path[1]+"/manifests/"+old)
	}
	send(w, answer, answer.Body.Bytes())
}

// digest returns what a tag names, or "" if the tag does not exist.
func (z *zot) digest(like *http.Request, path string) string {
	return z.ask(like, http.MethodHead, path).Header().Get("Docker-Content-Digest")
}

// isNamed reports whether any tag of a repository names a digest.
func (z *zot) isNamed(like *http.Request, repository, digest string) bool {
	var list struct{ Tags []string }
	if err := json.NewDecoder(z.ask(like, http.MethodGet, repository+"/tags/list").Body).Decode(&list); err != nil {
		panic(err) // our own registry's answer is valid
	}
	for _, tag := range list.Tags {
		if z.digest(like, repository+"/manifests/"+tag) == digest {
			return true
		}
	}
	return false
}

// ask sends our own request to the registry.
func (z *zot) ask(like *http.Request, method, path string) *httptest.ResponseRecorder {
	r := like.Clone(like.Context())
	r.Method, r.URL.Path, r.URL.RawPath, r.URL.RawQuery = method, path, "", ""
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(nil)), 0
	r.Header = http.Header{"Accept": {strings.Join([]string{
		"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
	}, ", ")}}
	answer := httptest.NewRecorder()
	z.upstream.ServeHTTP(answer, r)
	return answer
}
