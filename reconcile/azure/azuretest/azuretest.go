// Package azuretest emulates what Azure Container Registry adds to the OCI
// protocol. Where it does not name a source, it follows azure-rest-api-specs
// (data-plane/Azure.ContainerRegistry, stable/2021-07-01) and the recordings in
// azure-sdk-for-go (azcontainerregistry/testdata). What no source says is marked
// "invented".
package azuretest

import (
	"cmp"
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

// Registry is an emulated registry. Its fields may be set before the first request.
type Registry struct {
	*listingtest.Registry
	User, Password string // who gets a token; invented: anyone if both are empty
	Refresh        string // an identity token that gets a token too
	Page           int    // the most items on a page; 1000 if zero
	Untyped        bool   // no manifest says its media type, as in the specification's examples

	mu     sync.Mutex
	locks  map[string]Locks // by "repository", "repository:tag" and "repository@digest"
	denied map[string]bool  // actions that no token gets
}

// Locks are changeableAttributes.
type Locks struct {
	Delete bool `json:"deleteEnabled"`
	Write  bool `json:"writeEnabled"`
	Read   bool `json:"readEnabled"`
	List   bool `json:"listEnabled"`
}

var unlocked = Locks{true, true, true, true}

// Start serves an empty registry until the test ends.
func Start(t testing.TB) *Registry {
	t.Helper()
	e := &Registry{locks: map[string]Locks{}, denied: map[string]bool{}}
	e.Registry = listingtest.Start(t, func(*listingtest.Registry) http.Handler { return http.HandlerFunc(e.admit) })
	return e
}

// Lock sets the locks of "repository", "repository:tag" or "repository@digest", as
// a PATCH of the API does.
func (e *Registry) Lock(item string, change func(*Locks)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.of(item)
	change(&l)
	e.locks[item] = l
}

func (e *Registry) of(item string) Locks {
	if l, ok := e.locks[item]; ok {
		return l
	}
	return unlocked
}

// Deny withholds an action from tokens, as a role without the permission does.
func (e *Registry) Deny(action string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.denied[action] = true
}

var (
	acrPath      = regexp.MustCompile(`^/acr/v1/(.+?)(?:/(_tags|_manifests)(?:/([^/]+))?)?$`)
	v2Path       = regexp.MustCompile(`^/v2/(.+)/(?:manifests|blobs|tags|referrers)/`)
	manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)
	tagsPath     = regexp.MustCompile(`^/v2/(.+)/tags/list$`)
)

// admit answers a request if its token allows that.
func (e *Registry) admit(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/oauth2/token" {
		e.token(w, req)
		return
	}
	acr, v2 := acrPath.FindStringSubmatch(req.URL.Path), v2Path.FindStringSubmatch(req.URL.Path)
	repository, action := "", ""
	switch {
	case acr != nil:
		repository, action = acr[1], map[string]string{http.MethodDelete: "delete", http.MethodPatch: "metadata_write"}[req.Method]
		action = cmp.Or(action, "metadata_read")
	case v2 != nil:
		repository, action = v2[1], map[string]string{http.MethodGet: "pull", http.MethodHead: "pull", http.MethodDelete: "delete"}[req.Method]
		action = cmp.Or(action, "push")
	}
	if !e.admitted(req, repository, action) {
		e.challenge(w, repository, action)
		return
	}
	switch {
	case acr != nil:
		e.acr(w, req, acr[1], acr[2], acr[3])
	case !e.refused(w, req):
		e.ServeHTTP(w, req) // the OCI protocol
		if found := manifestPath.FindStringSubmatch(req.URL.Path); found != nil && req.Method == http.MethodDelete {
			e.deleteReferrers(found[1], found[2])
		}
	}
}

// deleteReferrers deletes what refers to a manifest that is gone: the service cleans
// it up (Azure/acr-cli, cmd/common/image_functions.go). That it does so at once, and
// to any depth, is invented.
func (e *Registry) deleteReferrers(repository, digest string) {
	all := e.Manifests(repository)
	if slices.ContainsFunc(all, func(m listingtest.Manifest) bool { return m.Digest == digest }) {
		return
	}
	for _, m := range all {
		if m.Subject == digest {
			e.Delete(repository, m.Digest)
			e.deleteReferrers(repository, m.Digest)
		}
	}
}

// token grants what is asked for, but for what is denied: the registry answers what
// the token lacks. A token is opaque to clients, so its form is invented.
func (e *Registry) token(w http.ResponseWriter, req *http.Request) {
	_ = req.ParseForm()
	user, password, _ := req.BasicAuth()
	allowed := user == e.User && password == e.Password
	if req.Method == http.MethodPost {
		allowed = req.PostForm.Get("grant_type") == "refresh_token" && e.Refresh != "" && req.PostForm.Get("refresh_token") == e.Refresh
	}
	if !allowed || req.Form.Get("service") != e.Host {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information.", nil)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	granted := []string{"emulated"}
	for _, scope := range strings.Fields(strings.Join(req.Form["scope"], " ")) {
		colon := strings.LastIndexByte(scope, ':') + 1
		for action := range strings.SplitSeq(scope[colon:], ",") {
			if !e.denied[action] {
				granted = append(granted, scope[:colon]+action)
			}
		}
	}
	answer(w, map[string]string{"access_token": url.QueryEscape(strings.Join(granted, " "))})
}

func (e *Registry) admitted(req *http.Request, repository, action string) bool {
	token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	granted, err := url.QueryUnescape(token)
	return ok && token != "" && err == nil && (action == "" || slices.Contains(strings.Fields(granted), "repository:"+repository+":"+action))
}

func (e *Registry) challenge(w http.ResponseWriter, repository, action string) {
	header := fmt.Sprintf(`Bearer realm="http://%s/oauth2/token",service="%s"`, e.Host, e.Host)
	var detail any
	if action != "" {
		header += fmt.Sprintf(`,scope="repository:%s:%s"`, repository, action)
		detail = []map[string]string{{"Type": "repository", "Name": repository, "Action": action}}
	}
	w.Header().Set("WWW-Authenticate", header)
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information.", detail)
}

// refused answers what a lock forbids, and what asks for something that is not
// there.
func (e *Registry) refused(w http.ResponseWriter, req *http.Request) bool {
	if found := tagsPath.FindStringSubmatch(req.URL.Path); found != nil && e.Manifests(found[1]) == nil {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry", map[string]string{"name": found[1]}) // Azure/acr#79
		return true
	}
	found := manifestPath.FindStringSubmatch(req.URL.Path)
	if found == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	repository, reference := found[1], found[2]
	all := e.Manifests(repository)
	isDigest := strings.Contains(reference, ":")
	switch req.Method {
	case http.MethodPut:
		tagged := !isDigest && slices.ContainsFunc(all, func(m listingtest.Manifest) bool { return slices.Contains(m.Tags, reference) })
		if !e.of(repository).Write || tagged && !e.of(repository+":"+reference).Write {
			disallow(w)
			return true
		}
	case http.MethodDelete:
		if !isDigest { // "a manifest can only be deleted by digest"; the answer is invented
			refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.", nil)
			return true
		}
		at := slices.IndexFunc(all, func(m listingtest.Manifest) bool { return m.Digest == reference })
		if at < 0 && e.deletable(repository) { // recording TestClient_DeleteManifest, hello-world-test
			w.WriteHeader(http.StatusAccepted)
			return true
		}
		items := []string{repository, repository + "@" + reference}
		if at >= 0 { // invented: a tag's lock holds its manifest
			for _, tag := range all[at].Tags {
				items = append(items, repository+":"+tag)
			}
		}
		if !e.deletable(items...) {
			disallow(w)
			return true
		}
	}
	return false
}

// deletable: writeEnabled forbids a deletion too (Azure/acr#561).
func (e *Registry) deletable(items ...string) bool {
	return !slices.ContainsFunc(items, func(item string) bool { l := e.of(item); return !l.Delete || !l.Write })
}

// disallow answers as in Azure/acr-cli#70.
func disallow(w http.ResponseWriter) {
	refuse(w, http.StatusMethodNotAllowed, "REGISTRY_DISALLOWED_OPERATION",
		"The operation is disallowed on this registry, repository or image. View troubleshooting steps at https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation", map[string]string{})
}

type tagItem struct {
	Name    string    `json:"name"`
	Digest  string    `json:"digest"`
	Created time.Time `json:"createdTime"`
	Updated time.Time `json:"lastUpdateTime"`
	Signed  bool      `json:"signed"`
	Locks   Locks     `json:"changeableAttributes"`
}

type manifestItem struct {
	Digest    string    `json:"digest"`
	Size      int64     `json:"imageSize"`
	Created   time.Time `json:"createdTime"`
	Updated   time.Time `json:"lastUpdateTime"`
	MediaType string    `json:"mediaType,omitempty"`
	Tags      []string  `json:"tags,omitempty"` // none at all if there are none (Azure/azure-cli#30382)
	Locks     Locks     `json:"changeableAttributes"`
}

// mostTags is how many tags a manifest says: not all of them (Azure/acr#529), ten
// by Azure/azure-cli#7438.
const mostTags = 10

// acr answers the API.
func (e *Registry) acr(w http.ResponseWriter, req *http.Request, repository, list, item string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.Manifests(repository)
	if all == nil {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("repository %q is not found", repository), nil)
		return
	}
	tags, manifests, hidden := e.listed(repository, all)
	body := map[string]any{"registry": e.Host, "imageName": repository}
	switch {
	case list == "_tags" && item != "" && req.Method == http.MethodDelete:
		e.untag(w, repository, item, tags)
		return
	case list == "" && req.Method == http.MethodDelete:
		for _, m := range all {
			e.Delete(repository, m.Digest)
		}
		w.WriteHeader(http.StatusAccepted)
		return
	case req.Method == http.MethodPatch: // its answer has more
		name := repository + map[string]string{"_tags": ":", "_manifests": "@"}[list] + item
		l := e.of(name)
		if err := json.NewDecoder(req.Body).Decode(&l); err != nil {
			refuse(w, http.StatusBadRequest, "INVALID", err.Error(), nil) // invented
			return
		}
		e.locks[name] = l
		answer(w, body)
		return
	case req.Method != http.MethodGet || item != "":
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.", nil) // invented: not needed here
		return
	case list == "":
		body["manifestCount"], body["tagCount"], body["changeableAttributes"] = len(all), len(tags)+hidden, e.of(repository)
		body["createdTime"], body["lastUpdateTime"] = all[len(all)-1].Pushed, all[0].Updated
	case list == "_tags":
		if digest := req.URL.Query().Get("digest"); digest != "" {
			tags = slices.DeleteFunc(tags, func(t tagItem) bool { return t.Digest != digest })
		}
		page, ok := paged(e, w, req, repository, list, tags, func(t tagItem) string { return t.Name })
		if !ok {
			return
		}
		body["tags"] = page
	case list == "_manifests":
		// "timedesc" is by the last update (azure-sdk-for-go,
		// ArtifactManifestOrderByLastUpdatedOnDescending).
		if req.URL.Query().Get("orderby") == "timedesc" {
			slices.SortStableFunc(manifests, func(a, b manifestItem) int { return b.Updated.Compare(a.Updated) })
		} else {
			slices.SortFunc(manifests, func(a, b manifestItem) int { return strings.Compare(a.Digest, b.Digest) })
		}
		page, ok := paged(e, w, req, repository, list, manifests, func(m manifestItem) string { return m.Digest })
		if !ok {
			return
		}
		body["manifests"] = page
	}
	answer(w, body)
}

// listed returns the tags, by name, and the manifests that listEnabled does not hide. It
// counts the hidden tags: that they count all the same is invented.
func (e *Registry) listed(repository string, all []listingtest.Manifest) (tags []tagItem, manifests []manifestItem, hidden int) {
	for _, m := range all {
		for _, name := range m.Tags {
			if l := e.of(repository + ":" + name); l.List {
				tags = append(tags, tagItem{Name: name, Digest: m.Digest, Created: m.Updated, Updated: m.Updated, Locks: l}) // invented: its times
			} else {
				hidden++
			}
		}
		one := manifestItem{Digest: m.Digest, Size: m.Size, Created: m.Pushed, Updated: m.Updated, MediaType: m.MediaType, Locks: e.of(repository + "@" + m.Digest)}
		one.Tags = slices.DeleteFunc(slices.Clone(m.Tags), func(tag string) bool { return !e.of(repository + ":" + tag).List })
		one.Tags = one.Tags[:min(len(one.Tags), mostTags)]
		if e.Untyped {
			one.MediaType = ""
		}
		if one.Locks.List {
			manifests = append(manifests, one)
		}
	}
	slices.SortFunc(tags, func(a, b tagItem) int { return strings.Compare(a.Name, b.Name) })
	return tags, manifests, hidden
}

// untag deletes a tag and leaves its manifest. Code and text of the 404 are those of
// TestClient_GetTagProperties_wrongTag.
func (e *Registry) untag(w http.ResponseWriter, repository, name string, tags []tagItem) {
	switch {
	case !slices.ContainsFunc(tags, func(t tagItem) bool { return t.Name == name }):
		refuse(w, http.StatusNotFound, "TAG_UNKNOWN", "the specified tag does not exist", nil)
	case !e.deletable(repository, repository+":"+name):
		disallow(w)
	default:
		e.Delete(repository, name)
		w.WriteHeader(http.StatusAccepted)
	}
}

// paged returns the items after "last", and links to those that follow. There are a
// hundred on a page, or "n" of them, but never more than a thousand (Azure/acr#749).
func paged[T any](e *Registry, w http.ResponseWriter, req *http.Request, repository, list string, items []T, id func(T) string) ([]T, bool) {
	query := req.URL.Query()
	n, err := strconv.Atoi(cmp.Or(query.Get("n"), "100"))
	if err != nil || n < 1 {
		refuse(w, http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "invalid number of results requested", nil) // invented
		return nil, false
	}
	n = min(n, cmp.Or(e.Page, 1000))
	if last := query.Get("last"); last != "" {
		at := slices.IndexFunc(items, func(item T) bool { return id(item) == last })
		if at < 0 && list == "_manifests" { // invented
			refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest "+last+" is not found", nil)
			return nil, false
		}
		if at < 0 { // "values lexically after last"
			at = slices.IndexFunc(items, func(item T) bool { return id(item) > last }) - 1
			if at < -1 {
				at = len(items) - 1
			}
		}
		items = items[at+1:]
	}
	if len(items) > n {
		items = items[:n]
		w.Header().Set("Link", fmt.Sprintf(`</acr/v1/%s/%s?last=%s&n=%d&orderby=%s>; rel="next"`,
			url.PathEscape(repository), list, url.QueryEscape(id(items[n-1])), n, query.Get("orderby")))
	}
	return items, true
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, code, message string, detail any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	one := map[string]any{"code": code, "message": message}
	if detail != nil {
		one["detail"] = detail
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{one}})
}
