// Package harbortest emulates what Harbor adds to the OCI protocol, as the source of
// goharbor/harbor has it.
package harbortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/reconcile/listing/listingtest"
)

// Harbor is a registry and its API. A project exists once it is pushed to
// (invented: in Harbor, an administrator makes it).
type Harbor struct {
	*listingtest.Registry
	Immutable func(repository, tag string) bool // whether a rule of the project matches; none does if nil
	Proxies   map[string]bool                   // projects that are proxy caches
	// Robots are the logins, with their passwords and permissions, such as "List
	// Artifact". Without any, anybody may do anything (invented).
	Robots map[string]Robot
	// Answer answers a request to the API in place of the emulator, if it returns
	// true.
	Answer func(w http.ResponseWriter, req *http.Request) bool

	mu     sync.Mutex
	pulled map[string]time.Time // by repository and digest
}

// Robot is a robot account, "robot$name".
type Robot struct {
	Password    string
	Permissions []string
}

// Start serves an empty registry until the test ends.
func Start(t testing.TB) *Harbor {
	t.Helper()
	h := &Harbor{Proxies: map[string]bool{}, Robots: map[string]Robot{}, pulled: map[string]time.Time{}}
	listingtest.Start(t, func(r *listingtest.Registry) http.Handler {
		h.Registry = r
		return http.HandlerFunc(h.serve)
	})
	return h
}

var (
	apiPath      = regexp.MustCompile(`^/api/v2\.0/projects/([^/]+)/repositories/([^/]+)/artifacts(?:/([^/]+)(?:/tags/([^/]+))?)?$`)
	distribution = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags|referrers)/(.+)$`)
)

func (h *Harbor) serve(w http.ResponseWriter, req *http.Request) {
	if found := apiPath.FindStringSubmatch(req.URL.EscapedPath()); found != nil {
		h.api(w, req, found)
		return
	}
	if strings.HasPrefix(req.URL.Path, "/api/") {
		Refuse(w, http.StatusNotFound, "NOT_FOUND", "The resource is not found")
		return
	}
	found := distribution.FindStringSubmatch(req.URL.Path)
	if found == nil {
		if _, ok := h.allowed(req, ""); !ok { // GET /v2/
			challenge(w)
			return
		}
		h.ServeHTTP(w, req)
		return
	}
	repository, resource, reference := found[1], found[2], found[3]
	project, _, ok := strings.Cut(repository, "/")
	permission := map[string]string{http.MethodGet: "Pull Repository", http.MethodHead: "Pull Repository", http.MethodDelete: "Delete Repository"}[req.Method]
	if permission == "" {
		permission = "Push Repository"
	}
	_, allowed := h.allowed(req, permission)
	write := req.Method == http.MethodPut || req.Method == http.MethodPost
	switch {
	case !allowed:
		challenge(w)
	case !ok: // src/server/middleware/artifactinfo/artifact_info.go; the text is invented
		Refuse(w, http.StatusBadRequest, "BAD_REQUEST", "invalid repository name: "+repository)
	case write && h.Proxies[project]: // src/server/middleware/repoproxy/proxy.go
		Refuse(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "can not push artifact to a proxy project: "+project)
	case resource == "tags" && h.Manifests(repository) == nil: // src/server/registry/tag.go
		Refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "repository "+repository+" not found") // the code is invented
	case resource == "manifests" && req.Method == http.MethodPut && h.fixed(repository, reference): // src/server/middleware/immutable/pushmf.go; the text is invented
		Refuse(w, http.StatusPreconditionFailed, "PRECONDITION", fmt.Sprintf("Failed to process request due to '%s:%s' configured as immutable.", repository, reference))
	case resource == "manifests" && req.Method == http.MethodDelete && !strings.Contains(reference, ":"): // src/server/registry/manifest.go
		Refuse(w, http.StatusBadRequest, "UNSUPPORTED", "unsupported digest "+reference)
	case resource == "manifests" && req.Method == http.MethodDelete:
		h.remove(w, repository, reference, http.StatusAccepted)
	default:
		if resource == "manifests" && req.Method == http.MethodGet {
			h.pull(repository, reference)
		}
		h.ServeHTTP(w, req)
	}
}

// fixed reports whether a tag exists and can't be moved.
func (h *Harbor) fixed(repository, tag string) bool {
	return h.Immutable != nil && slices.ContainsFunc(h.Manifests(repository), func(m listingtest.Manifest) bool {
		return slices.Contains(m.Tags, tag) && h.Immutable(repository, tag)
	})
}

func (h *Harbor) pull(repository, reference string) {
	if m := find(h.Manifests(repository), reference); m != nil {
		now := time.Now
		if h.Now != nil {
			now = h.Now
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pulled[repository+"@"+m.Digest] = now()
	}
}

// find returns a manifest by tag or by digest.
func find(all []listingtest.Manifest, reference string) *listingtest.Manifest {
	for i, m := range all {
		if m.Digest == reference || slices.Contains(m.Tags, reference) {
			return &all[i]
		}
	}
	return nil
}

// allowed reports whether a request has a login, and whether that may do
// something.
func (h *Harbor) allowed(req *http.Request, permission string) (known, may bool) {
	if len(h.Robots) == 0 {
		return true, true
	}
	user, password, _ := req.BasicAuth()
	robot, known := h.Robots[user]
	known = known && robot.Password == password
	return known, known && (permission == "" || slices.Contains(robot.Permissions, permission))
}

// challenge is invented in that Harbor offers tokens to those without a login
// (src/server/middleware/v2auth/auth.go).
func challenge(w http.ResponseWriter) {
	w.Header().Set("Www-Authenticate", `Basic realm="harbor"`)
	Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized to access repository")
}

// Refuse answers with an error (src/lib/errors/errors.go, src/lib/http/error.go).
func Refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

// api answers what src/server/v2.0/handler/artifact.go does.
func (h *Harbor) api(w http.ResponseWriter, req *http.Request, path []string) {
	name, err := url.PathUnescape(path[2]) // once by the server
	if err == nil {
		name, err = url.PathUnescape(name) // and once by the handler: unescapePathParams
	}
	repository, reference, tag := path[1]+"/"+name, path[3], path[4]
	permission := map[string]string{
		"GET list": "List Artifact", "GET one": "Read Artifact", "DELETE one": "Delete Artifact", "DELETE tag": "Delete Tag",
	}[req.Method+" "+map[bool]string{reference == "": "list", tag != "": "tag", reference != "" && tag == "": "one"}[true]]
	known, may := h.allowed(req, permission)
	switch {
	case h.Answer != nil && h.Answer(w, req):
	case err != nil || permission == "":
		Refuse(w, http.StatusBadRequest, "BAD_REQUEST", "bad request")
	case !known:
		Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized")
	case !may:
		Refuse(w, http.StatusForbidden, "FORBIDDEN", "forbidden")
	case reference == "":
		h.list(w, req, repository)
	case tag != "":
		h.untag(w, repository, reference, tag)
	case req.Method == http.MethodDelete:
		h.remove(w, repository, reference, http.StatusOK)
	default:
		all := h.Manifests(repository)
		m := find(all, reference)
		if m == nil {
			h.absent(w, repository, reference)
			return
		}
		answer(w, h.shown(repository, *m, all, req.URL.Query()))
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func (h *Harbor) absent(w http.ResponseWriter, repository, reference string) {
	Refuse(w, http.StatusNotFound, "NOT_FOUND", fmt.Sprintf("artifact %s:%s not found", repository, reference))
}

// list has the newest first (src/pkg/artifact/dao/model.go, GetDefaultSorts).
// Accessories are left out of a page once it is full, and are not counted
// (src/controller/artifact/controller.go, List and Count). A repository that does
// not exist has no artifacts.
func (h *Harbor) list(w http.ResponseWriter, req *http.Request, repository string) {
	query := req.URL.Query()
	n, _ := strconv.Atoi(query.Get("page"))
	size, _ := strconv.Atoi(query.Get("page_size"))
	if size > 100 || size < 1 || n < 1 { // goharbor/harbor#13765
		Refuse(w, http.StatusUnprocessableEntity, "UNPROCESSABLE_ENTITY", "page_size in query should be less than or equal to 100")
		return
	}
	all := h.Manifests(repository)
	var rows []listingtest.Manifest
	total := 0
	for _, m := range all {
		listed := len(parents(all, m.Digest)) == 0 || len(m.Tags) > 0 // src/pkg/artifact/dao/dao.go
		switch query.Get("q") {
		case "base=*":
			listed = true
		case "tags=*":
			listed = len(m.Tags) > 0
		}
		if listed {
			rows = append(rows, m)
			if accessoryOf(m, all) == "" {
				total++
			}
		}
	}
	shown := []map[string]any{}
	for _, m := range rows[min(len(rows), (n-1)*size):min(len(rows), n*size)] {
		if accessoryOf(m, all) == "" {
			shown = append(shown, h.shown(repository, m, all, query))
		}
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(total))
	answer(w, shown)
}

func parents(all []listingtest.Manifest, digest string) (found []string) {
	for _, m := range all {
		for _, child := range m.Children {
			if child.Digest.String() == digest {
				found = append(found, m.Digest)
			}
		}
	}
	return found
}

var signature = regexp.MustCompile(`^sha256-([0-9a-f]{64})\.sig$`)

// accessoryOf returns the subject of an accessory: of a manifest that says so
// (src/server/middleware/subject/subject.go), or of a signature by its tag
// (src/server/middleware/cosign/cosign.go).
func accessoryOf(m listingtest.Manifest, all []listingtest.Manifest) string {
	if m.Subject != "" {
		return m.Subject
	}
	for _, tag := range m.Tags {
		if found := signature.FindStringSubmatch(tag); found != nil && find(all, "sha256:"+found[1]) != nil {
			return "sha256:" + found[1]
		}
	}
	return ""
}

// shown is an artifact as the API shows it (api/v2.0/swagger.yaml, definitions
// Artifact, Tag, Reference and Accessory; src/server/v2.0/handler/model/artifact.go:
// what is empty is null).
func (h *Harbor) shown(repository string, m listingtest.Manifest, all []listingtest.Manifest, query url.Values) map[string]any {
	h.mu.Lock()
	pulled := h.pulled[repository+"@"+m.Digest]
	h.mu.Unlock()
	var references, accessories, tags []map[string]any
	for _, child := range m.Children {
		references = append(references, map[string]any{"child_digest": child.Digest, "platform": child.Platform})
	}
	for _, other := range all {
		if accessoryOf(other, all) == m.Digest {
			kind := "subject.accessory"
			if other.Subject == "" {
				kind = "signature.cosign"
			}
			accessories = append(accessories, map[string]any{"digest": other.Digest, "type": kind, "creation_time": date(other.Pushed), "size": other.Size})
		}
	}
	for _, tag := range m.Tags {
		t := map[string]any{"name": tag, "push_time": date(m.Updated), "pull_time": date(pulled)}
		if query.Get("with_immutable_status") == "true" {
			t["immutable"] = h.Immutable != nil && h.Immutable(repository, tag)
		}
		tags = append(tags, t)
	}
	shown := map[string]any{
		"id": m.Number, "digest": m.Digest, "manifest_media_type": m.MediaType, "size": m.Size,
		"push_time": date(m.Pushed), "pull_time": date(pulled), "references": references, "tags": nil, "accessories": nil,
	}
	if query.Get("with_tag") == "true" {
		shown["tags"] = tags
	}
	if query.Get("with_accessory") == "true" {
		shown["accessories"] = accessories
	}
	return shown
}

// date is a time as go-openapi/strfmt writes it; the zero time is in the year 1.
func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// untag deletes a tag of the artifact that a reference names (DeleteTag;
// src/controller/tag/controller.go, Delete).
func (h *Harbor) untag(w http.ResponseWriter, repository, reference, tag string) {
	m := find(h.Manifests(repository), reference)
	switch {
	case m == nil:
		h.absent(w, repository, reference)
	case !slices.Contains(m.Tags, tag):
		Refuse(w, http.StatusNotFound, "NOT_FOUND", fmt.Sprintf("tag %s attached to artifact %d not found", tag, m.Number))
	case h.fixed(repository, tag):
		Refuse(w, http.StatusPreconditionFailed, "PRECONDITION", fmt.Sprintf("the tag %s configured as immutable, cannot be deleted", tag))
	default:
		h.Delete(repository, tag)
		w.WriteHeader(http.StatusOK)
	}
}

// remove deletes an artifact, and with it its tags, its accessories, and what only
// it lists and no tag names (src/controller/artifact/controller.go, deleteDeeply).
// It happens as a whole or not at all.
func (h *Harbor) remove(w http.ResponseWriter, repository, reference string, done int) {
	d := deletion{h, repository, map[string]*listingtest.Manifest{}, nil}
	all := h.Manifests(repository)
	for i, m := range all {
		d.left[m.Digest] = &all[i]
	}
	m := find(all, reference)
	if m == nil {
		h.absent(w, repository, reference)
		return
	}
	if code, message := d.deeply(m.Digest, true); code != "" {
		Refuse(w, http.StatusPreconditionFailed, code, message)
		return
	}
	for _, digest := range d.gone {
		h.Delete(repository, digest)
	}
	w.WriteHeader(done)
}

// deletion is a transaction.
type deletion struct {
	*Harbor
	repository string
	left       map[string]*listingtest.Manifest
	gone       []string
}

func (d *deletion) all() (all []listingtest.Manifest) {
	for _, m := range d.left {
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b listingtest.Manifest) int { return a.Number - b.Number })
	return all
}

func (d *deletion) deeply(digest string, root bool) (code, message string) {
	m := d.left[digest]
	switch {
	case m == nil:
		return "", ""
	case !root && len(m.Tags) > 0:
		return "", ""
	case len(parents(d.all(), digest)) > 0 && !root:
		return "", ""
	case len(parents(d.all(), digest)) > 0:
		return "VIOLATE_FOREIGN_KEY_CONSTRAINT", "the deleting artifact is referenced by others"
	}
	for _, other := range d.all() {
		if accessoryOf(other, d.all()) == digest {
			listed := len(parents(d.all(), other.Digest)) > 0 // goharbor/harbor#20073, of version 2.11
			if code, message := d.deeply(other.Digest, !listed); code != "" {
				return code, message
			}
		}
	}
	for len(m.Children) > 0 {
		child := m.Children[0].Digest.String()
		m.Children = m.Children[1:]
		if code, message := d.deeply(child, false); code != "" {
			return code, message
		}
	}
	for _, tag := range m.Tags {
		if d.fixed(d.repository, tag) {
			return "PRECONDITION", fmt.Sprintf("the tag %s configured as immutable, cannot be deleted", tag)
		}
	}
	delete(d.left, digest)
	d.gone = append(d.gone, digest)
	return "", ""
}
