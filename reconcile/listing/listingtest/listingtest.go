// Package listingtest has what emulators of registries' own APIs stand on: a real
// registry, and the record of every manifest in it, which no OCI registry lists.
package listingtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/demo"
)

// Registry is an embedded registry that remembers what is pushed to it.
type Registry struct {
	Host string           // of the emulator, which speaks plain HTTP
	Now  func() time.Time // when a push happens; the time of day if nil

	upstream  http.Handler
	mu        sync.Mutex
	manifests map[string]map[string]*Manifest // by repository and digest
	next      int
	requests  []string
	around    func(http.ResponseWriter, *http.Request, http.HandlerFunc)
}

// Manifest is a manifest that the registry has.
type Manifest struct {
	Number       int // counts the pushes, from 1
	Digest       string
	MediaType    string
	ArtifactType string
	Size         int64
	Tags         []string
	Pushed       time.Time
	Updated      time.Time // the last time that a tag came or went
	Children     []ocispec.Descriptor
	Subject      string
}

// Start serves a registry whose requests an emulator sees first. It ends with the
// test. The emulator answers what its API has, and hands the rest to
// [Registry.ServeHTTP].
func Start(t testing.TB, emulate func(*Registry) http.Handler) *Registry {
	t.Helper()
	r := &Registry{manifests: map[string]map[string]*Manifest{}, upstream: demo.Handler()}
	emulator := emulate(r)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.requests = append(r.requests, req.Method+" "+req.URL.EscapedPath())
		around := r.around
		r.mu.Unlock()
		if around != nil {
			around(w, req, emulator.ServeHTTP)
			return
		}
		emulator.ServeHTTP(w, req)
	}))
	r.Host = server.Listener.Addr().String()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return r
}

// Around lets a test answer requests in the emulator's place, or pass them on. With
// nil, all are passed on again.
func (r *Registry) Around(do func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.around = do
}

// Requests returns those since the last call: "GET /v2/app/tags/list".
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.requests = nil }()
	return r.requests
}

var manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)

// ServeHTTP speaks the OCI protocol, and remembers manifests.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	found := manifestPath.FindStringSubmatch(req.URL.Path)
	if found == nil || req.Method != http.MethodPut && req.Method != http.MethodDelete {
		r.upstream.ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(body))
	answer := &recorded{ResponseWriter: w}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.upstream.ServeHTTP(answer, req)
	if answer.status/100 != 2 {
		return
	}
	if req.Method == http.MethodPut {
		r.put(found[1], found[2], req.Header.Get("Content-Type"), body)
	} else {
		r.remove(found[1], found[2])
	}
}

type recorded struct {
	http.ResponseWriter
	status int
}

func (w *recorded) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (r *Registry) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Registry) put(repository, reference, mediaType string, body []byte) {
	var parsed struct {
		ArtifactType string
		Config       ocispec.Descriptor
		Manifests    []ocispec.Descriptor
		Subject      *ocispec.Descriptor
	}
	_ = json.Unmarshal(body, &parsed) // the registry has accepted it
	all := r.manifests[repository]
	if all == nil {
		all = map[string]*Manifest{}
		r.manifests[repository] = all
	}
	id := digest.FromBytes(body).String()
	m := all[id]
	if m == nil {
		r.next++
		m = &Manifest{
			Number: r.next, Digest: id, MediaType: mediaType, ArtifactType: parsed.ArtifactType, Size: int64(len(body)),
			Pushed: r.now(), Updated: r.now(), Children: parsed.Manifests,
		}
		if parsed.Subject != nil {
			m.Subject = parsed.Subject.Digest.String()
		}
		all[id] = m
	}
	if strings.Contains(reference, ":") || slices.Contains(m.Tags, reference) {
		return
	}
	r.untag(repository, reference)
	m.Tags = append(m.Tags, reference)
	slices.Sort(m.Tags)
	m.Updated = r.now()
}

func (r *Registry) untag(repository, tag string) {
	for _, m := range r.manifests[repository] {
		if i := slices.Index(m.Tags, tag); i >= 0 {
			m.Tags, m.Updated = slices.Delete(m.Tags, i, i+1), r.now()
		}
	}
}

func (r *Registry) remove(repository, reference string) {
	if strings.Contains(reference, ":") {
		delete(r.manifests[repository], reference)
	} else {
		r.untag(repository, reference)
	}
}

// Manifests returns copies of the manifests of a repository, the newest first.
// There is no such repository if the result is nil.
func (r *Registry) Manifests(repository string) []Manifest {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, ok := r.manifests[repository]
	if !ok {
		return nil
	}
	sorted := []Manifest{}
	for _, m := range all {
		one := *m
		one.Tags, one.Children = slices.Clone(m.Tags), slices.Clone(m.Children)
		sorted = append(sorted, one)
	}
	slices.SortFunc(sorted, func(a, b Manifest) int { return b.Number - a.Number })
	return sorted
}

// Delete deletes a tag, or a manifest by its digest, as a DELETE of the OCI
// protocol does, and returns the status of the answer.
func (r *Registry) Delete(repository, reference string) int {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/v2/"+repository+"/manifests/"+reference, nil))
	return w.Code
}
