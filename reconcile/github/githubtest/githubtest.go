// Package githubtest emulates what GitHub's container registry adds to the OCI
// protocol: the part of the Packages API that concerns versions.
package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
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

// Token is the token that the API accepts.
const Token = "ghp_a-token-for-tests"

// GitHub is a registry and its API.
type GitHub struct {
	*listingtest.Registry
	Login   string          // of the token's owner; "" if the token is that of a job
	Users   map[string]bool // owners that are users; others are organizations
	Popular map[string]bool // digests of what was downloaded more than 5,000 times
	Hidden  map[string]bool // digests that the registry has and the API does not list
	// LosesBlobs has the blobs of deleted versions go with them. No page says
	// whether they do, so it is invented.
	LosesBlobs bool
	// Answer answers a request to the API in place of the emulator, if it returns
	// true.
	Answer func(w http.ResponseWriter, req *http.Request) bool

	mu      sync.Mutex
	deleted map[string][]deleted // by repository
}

// deleted is a version that can be restored.
type deleted struct {
	listingtest.Manifest
	body []byte
}

// Start serves an empty registry until the test ends, and sets the variables
// GITHUB_API_URL and GITHUB_TOKEN.
func Start(t testing.TB) *GitHub {
	t.Helper()
	g := &GitHub{Users: map[string]bool{}, Popular: map[string]bool{}, Hidden: map[string]bool{}, deleted: map[string][]deleted{}}
	listingtest.Start(t, func(r *listingtest.Registry) http.Handler {
		g.Registry = r
		return http.HandlerFunc(g.serve)
	})
	t.Setenv("GITHUB_API_URL", "http://"+g.Host+prefix)
	t.Setenv("GITHUB_TOKEN", Token)
	return g
}

// prefix is that of a GitHub Enterprise Server (its documentation, "Getting
// started with the REST API").
const prefix = "/api/v3"

// lost reports whether a request is for a blob that went with a version.
func (g *GitHub) lost(path string) bool {
	repository, digest, ok := strings.Cut(strings.TrimPrefix(path, "/v2/"), "/blobs/")
	if !ok || !g.LosesBlobs {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.deleted[repository], func(d deleted) bool { return strings.Contains(string(d.body), digest) })
}

var manifestPath = regexp.MustCompile(`^/v2/.+/manifests/[^/]+$`)

func (g *GitHub) serve(w http.ResponseWriter, req *http.Request) {
	path, api := strings.CutPrefix(req.URL.EscapedPath(), prefix)
	switch {
	case !api && req.Method == http.MethodDelete && manifestPath.MatchString(req.URL.Path): // podman-container-tools/skopeo#1880
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusMethodNotAllowed)
		_, _ = fmt.Fprint(w, `{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}`)
	case !api && g.lost(req.URL.Path):
		http.Error(w, `{"errors":[{"code":"BLOB_UNKNOWN"}]}`, http.StatusNotFound)
	case !api:
		g.ServeHTTP(w, req)
	case g.Answer != nil && g.Answer(w, req):
	case req.Header.Get("Authorization") == "":
		Refuse(w, http.StatusUnauthorized, "Requires authentication")
	case req.Header.Get("Authorization") != "Bearer "+Token:
		Refuse(w, http.StatusUnauthorized, "Bad credentials")
	case path == "/user" && g.Login == "":
		Refuse(w, http.StatusForbidden, "Resource not accessible by integration")
	case path == "/user":
		answer(w, http.StatusOK, map[string]string{"login": g.Login})
	default:
		g.packages(w, req, path)
	}
}

// Refuse sends an error of the API (GitHub REST API, "Troubleshooting the REST
// API": message and documentation_url).
func Refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

var packagePath = regexp.MustCompile(`^/(orgs/[^/]+|users/[^/]+|user)/packages/container/([^/]+)/versions(?:/(\d+)(/restore)?)?$`)

func (g *GitHub) packages(w http.ResponseWriter, req *http.Request, path string) {
	found := packagePath.FindStringSubmatch(path)
	if found == nil {
		Refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	name, err := url.PathUnescape(found[2])
	kind, owner, _ := strings.Cut(found[1], "/")
	if kind == "user" {
		owner = g.Login
	}
	repository := owner + "/" + name
	if all := g.Manifests(repository); err != nil || (kind == "orgs") == g.Users[owner] || kind == "user" && owner == "" || len(all) == 0 {
		Refuse(w, http.StatusNotFound, "Package not found.") // dataaxiom/ghcr-cleanup-action#49
		return
	}
	id, _ := strconv.Atoi(found[3])
	switch {
	case id == 0 && req.Method == http.MethodGet:
		g.list(w, req, repository)
	case found[4] == "" && req.Method == http.MethodGet:
		if at, ok := g.version(repository, id); ok {
			answer(w, http.StatusOK, shown(at))
		} else {
			Refuse(w, http.StatusNotFound, "Package version not found.") // dataaxiom/ghcr-cleanup-action#37
		}
	case found[4] == "" && req.Method == http.MethodDelete:
		g.remove(w, repository, id)
	case found[4] != "" && req.Method == http.MethodPost:
		g.restore(w, repository, id)
	default:
		Refuse(w, http.StatusNotFound, "Not Found")
	}
}

func (g *GitHub) version(repository string, id int) (listingtest.Manifest, bool) {
	all := g.Manifests(repository)
	at := slices.IndexFunc(all, func(m listingtest.Manifest) bool { return m.Number == id })
	if at < 0 {
		return listingtest.Manifest{}, false
	}
	return all[at], true
}

// version is what the documentation shows (GitHub REST API, "Packages", "List
// package versions for a package owned by an organization", response schema).
type version struct {
	ID       int       `json:"id"`
	Name     string    `json:"name"`
	Created  time.Time `json:"created_at"`
	Updated  time.Time `json:"updated_at"`
	Metadata metadata  `json:"metadata"`
}

type metadata struct {
	Type      string    `json:"package_type"`
	Container container `json:"container"`
}

type container struct {
	Tags []string `json:"tags"`
}

func shown(m listingtest.Manifest) version {
	return version{
		ID: m.Number, Name: m.Digest, Created: m.Pushed.UTC().Truncate(time.Second), Updated: m.Updated.UTC().Truncate(time.Second),
		Metadata: metadata{"container", container{append([]string{}, m.Tags...)}},
	}
}

// list sends a page. Its size is 30, and 100 at most (the documentation of the
// parameter per_page). That the newest come first is invented: no page says it.
func (g *GitHub) list(w http.ResponseWriter, req *http.Request, repository string) {
	query := req.URL.Query()
	number := func(name string, otherwise, most int) int {
		if n, err := strconv.Atoi(query.Get(name)); err == nil && n > 0 {
			return min(n, most)
		}
		return otherwise
	}
	size, at := number("per_page", 30, 100), number("page", 1, 1<<30)
	var all []listingtest.Manifest
	if query.Get("state") == "deleted" {
		g.mu.Lock()
		for _, d := range g.deleted[repository] {
			all = append(all, d.Manifest)
		}
		g.mu.Unlock()
	} else {
		all = slices.DeleteFunc(g.Manifests(repository), func(m listingtest.Manifest) bool { return g.Hidden[m.Digest] })
	}
	versions := []version{}
	from := min((at-1)*size, len(all))
	for _, m := range all[from:min(from+size, len(all))] {
		versions = append(versions, shown(m))
	}
	pages := max(1, (len(all)+size-1)/size)
	var links []string
	add := func(rel string, to int) {
		query.Set("page", strconv.Itoa(to))
		links = append(links, fmt.Sprintf(`<http://%s%s?%s>; rel="%s"`, g.Host, req.URL.EscapedPath(), query.Encode(), rel))
	}
	if at > 1 {
		add("prev", at-1)
	}
	if at < pages { // GitHub REST API, "Using pagination in the REST API"
		add("next", at+1)
		add("last", pages)
	}
	if at > 1 {
		add("first", 1)
	}
	if len(links) > 0 {
		w.Header().Set("Link", strings.Join(links, ", "))
	}
	answer(w, http.StatusOK, versions)
}

// remove deletes a version. The messages are those of mkoepf/ghcrctl and
// dataaxiom/ghcr-cleanup-action#5.
func (g *GitHub) remove(w http.ResponseWriter, repository string, id int) {
	m, ok := g.version(repository, id)
	tagged := 0
	for _, other := range g.Manifests(repository) {
		if len(other.Tags) > 0 {
			tagged++
		}
	}
	switch {
	case !ok:
		Refuse(w, http.StatusNotFound, "Package version not found.")
		return
	case g.Popular[m.Digest]:
		Refuse(w, http.StatusBadRequest, "Publicly visible package versions with more than 5000 downloads cannot be deleted. Contact GitHub support for further assistance.")
		return
	case len(m.Tags) > 0 && tagged == 1:
		Refuse(w, http.StatusBadRequest, "You cannot delete the last tagged version of a package. You must delete the package instead.")
		return
	}
	was := httptest.NewRecorder()
	get := httptest.NewRequest(http.MethodGet, "/v2/"+repository+"/manifests/"+m.Digest, nil)
	get.Header.Set("Accept", m.MediaType)
	g.ServeHTTP(was, get)
	g.Delete(repository, m.Digest)
	g.mu.Lock()
	g.deleted[repository] = append(g.deleted[repository], deleted{m, was.Body.Bytes()})
	g.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// restore brings a version back with its tags. That they come back is invented.
func (g *GitHub) restore(w http.ResponseWriter, repository string, id int) {
	g.mu.Lock()
	at := slices.IndexFunc(g.deleted[repository], func(d deleted) bool { return d.Number == id })
	var m deleted
	if at >= 0 {
		m = g.deleted[repository][at]
		g.deleted[repository] = slices.Delete(g.deleted[repository], at, at+1)
	}
	g.mu.Unlock()
	if at < 0 {
		Refuse(w, http.StatusNotFound, "Package version not found.")
		return
	}
	for _, reference := range append([]string{m.Digest}, m.Tags...) {
		put := httptest.NewRequest(http.MethodPut, "/v2/"+repository+"/manifests/"+reference, strings.NewReader(string(m.body)))
		put.Header.Set("Content-Type", m.MediaType)
		g.ServeHTTP(httptest.NewRecorder(), put)
	}
	w.WriteHeader(http.StatusNoContent)
}
