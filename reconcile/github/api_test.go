package github_test

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/github/githubtest"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

var intel = []string{"linux/amd64"}

// push pushes single images, and returns their digests by tag.
func push(t testing.TB, g *githubtest.GitHub, repository string, tags ...string) map[string]string {
	t.Helper()
	var images []demo.Image
	for _, tag := range tags {
		images = append(images, demo.Image{Tag: tag, Platforms: intel})
	}
	digests, err := demo.Push(t.Context(), g.Host, repository, images)
	if err != nil {
		t.Fatal(err)
	}
	g.Requests()
	return digests
}

func apiRequests(g *githubtest.GitHub) []string {
	var all []string
	for _, r := range g.Requests() {
		if method, path, ok := strings.Cut(r, " /api/v3"); ok {
			all = append(all, method+" "+path)
		}
	}
	return all
}

// A no-op of many tags is the listing and nothing else.
func TestOneRequestForAllTags(t *testing.T) {
	g := githubtest.Start(t)
	tags := strings.Fields("1.0 1.1 1.2 1.3 1.4")
	digests := push(t, g, "owner/app", tags...)
	c, _ := open(t, g.Host, oci.Options{})
	for i, answer := range c.Reader(config.Repository{Host: g.Host, Path: "owner/app"}).Resolve(t.Context(), tags) {
		if answer.Err != nil || answer.Value.Digest != digests[tags[i]] {
			t.Errorf("%s: %+v, want %s", tags[i], answer, digests[tags[i]])
		}
	}
	if got := g.Requests(); !slices.Equal(got, []string{"GET /api/v3/orgs/owner/packages/container/app/versions"}) {
		t.Errorf("requests are %q", got)
	}
}

// An owner is an organization, another user, or the token's own. It is found once.
func TestOwners(t *testing.T) {
	for name, test := range map[string]struct {
		login string
		user  bool
		want  []string
	}{
		"organization": {"someone", false, []string{"GET /orgs/owner/", "GET /orgs/owner/"}},
		"own":          {"Owner", true, []string{"GET /orgs/owner/", "GET /user", "GET /user/", "GET /user/"}},
		"another user": {"someone", true, []string{"GET /orgs/owner/", "GET /user", "GET /users/owner/", "GET /users/owner/"}},
		"by a job":     {"", true, []string{"GET /orgs/owner/", "GET /user", "GET /users/owner/", "GET /users/owner/"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.Start(t)
			g.Login, g.Users["owner"], g.Users["Owner"] = test.login, test.user, test.user
			if name == "own" {
				g.Login = "owner"
			}
			for _, repository := range []string{"owner/app", "owner/a/b/c"} {
				push(t, g, repository, "1")
			}
			c, _ := open(t, g.Host, oci.Options{})
			for _, path := range []string{"owner/app", "owner/a/b/c"} {
				all, err := c.Reader(config.Repository{Host: g.Host, Path: path}).Inventory(t.Context())
				if err != nil || len(all.Manifests) != 1 {
					t.Errorf("%s: %+v, %v", path, all, err)
				}
			}
			var got []string
			for _, r := range apiRequests(g) {
				before, _, _ := strings.Cut(r, "packages/container/app/versions")
				before, _, _ = strings.Cut(before, "packages/container/a%2Fb%2Fc/versions")
				got = append(got, before)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("requests are %q, want %q", got, test.want)
			}
		})
	}
}

// Where the API can't be used, nothing is deleted, and tags are asked for one by
// one. The error says what is missing.
func TestListingRefused(t *testing.T) {
	answer := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
			return true
		}
	}
	aDigest := "sha256:" + strings.Repeat("a", 64)
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		env    map[string]string
		want   string
		lacks  bool // the kind
	}{
		"no token":             {nil, map[string]string{"GITHUB_TOKEN": ""}, "set GITHUB_TOKEN, or log in", true},
		"another token":        {nil, map[string]string{"GITHUB_TOKEN": "ghp_another"}, "401 Unauthorized: Bad credentials; GitHub does not accept the token", false},
		"no permission":        {answer(403, `{"message":"You need at least read:packages scope to list packages."}`), nil, "the token needs the permission read:packages", false},
		"a package not shown":  {answer(404, `{"message":"Package not found."}`), nil, "the token may lack the permission read:packages", false},
		"a server in trouble":  {answer(502, `<html>`), nil, "502 Bad Gateway", false},
		"no JSON":              {answer(200, `<html>`), nil, "is no JSON that is understood", false},
		"another document":     {answer(200, `{"versions":[]}`), nil, "is no JSON that is understood", false},
		"another package type": {answer(200, `[{"id":1,"name":"1.0.0","metadata":{"package_type":"npm"}}]`), nil, "is not that of a container package", false},
		"no tags said":         {answer(200, `[{"id":1,"name":"`+aDigest+`"}]`), nil, "is not that of a container package", false},
		"secondary limit":      {answer(403, `{"message":"You have exceeded a secondary rate limit."}`), nil, "too many requests; wait a minute", false},
		"another API":          {nil, map[string]string{"GITHUB_API_URL": ""}, "GITHUB_API_URL has to name its API", false},
		"no address":           {nil, map[string]string{"GITHUB_API_URL": "http://[::1"}, "GITHUB_API_URL", false},
		"no API at all":        {nil, map[string]string{"GITHUB_API_URL": "http://127.0.0.1:1"}, "GitHub's API, 127.0.0.1:1", false},
		"limit for an hour": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Ratelimit-Remaining", "0")
			w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
			githubtest.Refuse(w, http.StatusForbidden, "API rate limit exceeded for installation.")
			return true
		}, nil, "asks to wait", false},
		"the next page is elsewhere": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Link", `<http://127.0.0.1:1/steal?page=2>; rel="next"`)
			_, _ = fmt.Fprint(w, `[]`)
			return true
		}, nil, "the next page of the listing is at", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.Start(t)
			digests := push(t, g, "owner/app", "1.0", "1.1", "1.2")
			g.Answer = test.answer
			t.Setenv("GH_TOKEN", "")
			for key, value := range test.env {
				t.Setenv(key, value)
			}
			c, w := open(t, g.Host, oci.Options{})
			repository := config.Repository{Host: g.Host, Path: "owner/app"}
			r := c.Reader(repository)
			if test.lacks && r.Listed() {
				t.Errorf("it lists: %v", r.Listed())
			}
			tags := []string{"1.0", "1.1", "1.2"}
			for i, a := range r.Resolve(t.Context(), tags) {
				if name == "limit for an hour" { // here the registry is on the same host
					break
				}
				if a.Err != nil || a.Value.Digest != digests[tags[i]] || a.Value.MediaType == "" {
					t.Errorf("%s: %+v", tags[i], a)
				}
			}
			_, err := r.Inventory(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrUnsupported) != test.lacks {
				t.Errorf("inventory: %v, want %q", err, test.want)
			}
			writer := w.Writer(repository)
			if name != "a package not shown" { // which could be one that was never pushed
				for _, err := range slices.Concat(writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0")), writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.1", Digest: digests["1.1"]}})) {
					if err == nil || !strings.Contains(err.Error(), test.want) {
						t.Errorf("delete: %v, want %q", err, test.want)
					}
				}
			}
			if err := writer.Deletes(t.Context()); errors.Is(err, registry.ErrUnsupported) != test.lacks {
				t.Errorf("deletes: %v", err)
			}
			if left := g.Manifests("owner/app"); len(left) != 3 {
				t.Errorf("%d manifests are left", len(left))
			}
		})
	}
}

// ghcr.io belongs to api.github.com: the token of an enterprise goes nowhere else,
// and a package of the same name there is another one.
func TestPublicHostHasThePublicAPI(t *testing.T) {
	githubtest.Start(t) // names its API
	c, _ := open(t, "unused.test", oci.Options{})
	_, err := c.Reader(config.Repository{Host: "ghcr.io", Path: "owner/app"}).Inventory(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ghcr.io does not belong to http://127.0.0.1") {
		t.Errorf("got %v", err)
	}
}

type login struct{ authn.AuthConfig }

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) { return l, nil }
func (l login) Authorization() (*authn.AuthConfig, error)           { return &l.AuthConfig, nil }

// Without a variable, the token is the password of the registry's login.
func TestTokenOfTheLogin(t *testing.T) {
	for name, set := range map[string]func(t *testing.T) oci.Options{
		"login": func(*testing.T) oci.Options {
			return oci.Options{Keychain: login{authn.AuthConfig{Username: "x", Password: githubtest.Token}}}
		},
		"GH_TOKEN": func(t *testing.T) oci.Options { t.Setenv("GH_TOKEN", githubtest.Token); return oci.Options{} },
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.Start(t)
			t.Setenv("GITHUB_TOKEN", "")
			t.Setenv("GH_TOKEN", "")
			push(t, g, "owner/app", "1")
			c, _ := open(t, g.Host, set(t))
			if all, err := c.Reader(config.Repository{Host: g.Host, Path: "owner/app"}).Inventory(t.Context()); err != nil || len(all.Manifests) != 1 {
				t.Errorf("%+v, %v", all, err)
			}
		})
	}
}

// many fills a package without pushes: the API alone has it.
func many(g *githubtest.GitHub, n int, page func(at int)) {
	g.Answer = func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodGet || !strings.HasSuffix(req.URL.Path, "/versions") {
			return false
		}
		at := max(1, number(req.URL.Query().Get("page")))
		if page != nil {
			page(at)
		}
		if at*100 < n {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=%d>; rel="next", <http://%s%s?page=%d>; rel="last"`, g.Host, req.URL.Path, at+1, g.Host, req.URL.Path, (n+99)/100))
		}
		var all []string
		for i := (at - 1) * 100; i < min(at*100, n); i++ {
			all = append(all, fmt.Sprintf(`{"id":%d,"name":"sha256:%064x","created_at":"2026-01-02T03:04:05Z","metadata":{"package_type":"container","container":{"tags":[]}}}`, n-i, n-i))
		}
		_, _ = fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
		return true
	}
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// A deletion reads a listing of 100,000 manifests and keeps none of them.
func TestFlatMemory(t *testing.T) {
	g := githubtest.Start(t)
	var heap []uint64
	many(g, 100_000, func(at int) {
		if at%300 == 100 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			heap = append(heap, m.HeapAlloc)
		}
	})
	_, w := open(t, g.Host, oci.Options{})
	digest := fmt.Sprintf("sha256:%064x", 1<<30) // none of them
	if err := w.Writer(config.Repository{Host: g.Host, Path: "owner/app"}).DeleteManifests(t.Context(), registry.Removals(digest))[0]; err != nil {
		t.Error(err)
	}
	if len(heap) < 3 || int64(heap[len(heap)-1])-int64(heap[0]) > 4<<20 {
		t.Errorf("the heap grows page by page: %v", heap)
	}
}

// A listing that changes while it is read is read again, also if the change is on a
// page that has been read already.
func TestTornListing(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, g *githubtest.GitHub){
		"push":     func(t *testing.T, g *githubtest.GitHub) { push(t, g, "owner/app", "new") },
		"deletion": func(_ *testing.T, g *githubtest.GitHub) { g.Delete("owner/app", g.Manifests("owner/app")[150].Digest) },
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.Start(t)
			var tags []string
			for i := range 210 {
				tags = append(tags, fmt.Sprintf("1.%d", i))
			}
			push(t, g, "owner/app", tags...)
			if name == "deletion" {
				for _, tag := range tags[:170] {
					g.Delete("owner/app", tag) // what moves from page to page has no tag that would tell
				}
			}
			c, _ := open(t, g.Host, oci.Options{})
			pages, second, done := 0, false, false
			g.Answer = func(_ http.ResponseWriter, req *http.Request) bool {
				pages++
				if second && !done { // and before the third page
					done = true
					change(t, g)
				}
				second = second || req.URL.Query().Get("page") == "2"
				return false
			}
			all, err := c.Reader(config.Repository{Host: g.Host, Path: "owner/app"}).Inventory(t.Context())
			if err != nil || len(all.Manifests) != len(g.Manifests("owner/app")) {
				t.Errorf("%d manifests, want %d: %v", len(all.Manifests), len(g.Manifests("owner/app")), err)
			}
			if pages < 8 {
				t.Errorf("the listing was not read again: %d pages", pages)
			}
		})
	}
}

// Refusals concern one version each, and are named.
func TestRefusedDeletions(t *testing.T) {
	g := githubtest.Start(t)
	digests := push(t, g, "owner/app", "1.0", "1.1", "1.2", "1.3")
	g.Popular[digests["1.1"]] = true
	g.Answer = func(w http.ResponseWriter, req *http.Request) bool {
		forbidden := req.Method == http.MethodDelete && strings.HasSuffix(req.URL.Path, "/3")
		if forbidden {
			githubtest.Refuse(w, http.StatusForbidden, "Must have admin rights to Repository.")
		}
		return forbidden
	}
	_, w := open(t, g.Host, oci.Options{})
	writer := w.Writer(config.Repository{Host: g.Host, Path: "owner/app"})
	for i, err := range writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0", "1.1", "1.2", "1.3")) {
		want := []string{"", "more than 5,000 times", "delete:packages", ""}[i]
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || errors.Is(err, registry.ErrUnsupported)) {
			t.Errorf("1.%d: %v, want %q", i, err, want)
		}
	}
	g.Answer, g.Popular = nil, nil
	errs := writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.1", Digest: digests["1.1"]}, {Tag: "1.2", Digest: digests["1.2"]}})
	if errs[0] != nil || errs[1] == nil || !strings.Contains(errs[1].Error(), "delete the package instead") {
		t.Errorf("the last version with a tag: %v", errs)
	}
	if left := g.Manifests("owner/app"); len(left) != 1 || left[0].Digest != digests["1.2"] {
		t.Errorf("left are %+v", left)
	}
}

// A limit in the middle of deletions is waited for.
func TestLimitsWhileDeleting(t *testing.T) {
	for name, limit := range map[string]func(w http.ResponseWriter){
		"429": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "0") // package transport tests the wait
			githubtest.Refuse(w, http.StatusTooManyRequests, "You have exceeded a secondary rate limit.")
		},
		"403 with Retry-After": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "0") // package transport tests the wait
			githubtest.Refuse(w, http.StatusForbidden, "You have exceeded a secondary rate limit.")
		},
		"403 with a reset": func(w http.ResponseWriter) {
			w.Header().Set("X-Ratelimit-Remaining", "0")
			w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Unix(), 10))
			githubtest.Refuse(w, http.StatusForbidden, "API rate limit exceeded for user ID 1.")
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := githubtest.Start(t)
			digests := push(t, g, "owner/app", "1.0", "1.1", "1.2", "1.3")
			deletions := 0
			g.Answer = func(w http.ResponseWriter, req *http.Request) bool {
				if req.Method != http.MethodDelete {
					return false
				}
				if deletions++; deletions != 2 {
					return false
				}
				limit(w)
				return true
			}
			_, w := open(t, g.Host, oci.Options{Patience: transport.Patience{Attempts: 3, Backoff: time.Millisecond}})
			for i, err := range w.Writer(config.Repository{Host: g.Host, Path: "owner/app"}).DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0", "1.1", "1.2")) {
				if err != nil {
					t.Errorf("1.%d: %v", i, err)
				}
			}
			if deletions != 4 || len(g.Manifests("owner/app")) != 1 {
				t.Errorf("%d deletions, %d manifests are left", deletions, len(g.Manifests("owner/app")))
			}
		})
	}
}

// What the API and the registry do not agree on is left alone.
func TestDisagreement(t *testing.T) {
	g := githubtest.Start(t)
	digests := push(t, g, "owner/app", "1.0", "1.1", "1.2")
	repository := config.Repository{Host: g.Host, Path: "owner/app"}
	t.Run("the registry alone has it", func(t *testing.T) {
		g.Hidden[digests["1.1"]] = true
		defer clear(g.Hidden)
		c, w := open(t, g.Host, oci.Options{})
		if _, err := c.Reader(repository).Inventory(t.Context()); err == nil || !strings.Contains(err.Error(), `only the list of tags has the tag "1.1"`) {
			t.Errorf("inventory: %v", err)
		}
		writer := w.Writer(repository)
		for _, err := range append(writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.1")), writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.1", Digest: digests["1.1"]}})...) {
			if err == nil || !strings.Contains(err.Error(), "does not list it") {
				t.Errorf("delete: %v", err)
			}
		}
	})
	t.Run("the tag has moved", func(t *testing.T) {
		_, w := open(t, g.Host, oci.Options{})
		err := w.Writer(repository).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.1", Digest: digests["1.0"]}})[0]
		if moved := (*registry.MovedError)(nil); !errors.As(err, &moved) || moved.Now != digests["1.1"] {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a tag comes at the last moment", func(t *testing.T) {
		inner := g.Answer
		defer func() { g.Answer = inner }()
		g.Answer = func(_ http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodGet && !strings.HasSuffix(req.URL.Path, "/versions") {
				if _, err := demo.Push(t.Context(), g.Host, "owner/app", []demo.Image{{Tag: "stable", Platforms: intel, Version: "1.1"}}); err != nil {
					t.Error(err)
				}
			}
			return false
		}
		_, w := open(t, g.Host, oci.Options{})
		err := w.Writer(repository).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.1", Digest: digests["1.1"]}})[0]
		if err == nil || !strings.Contains(err.Error(), "got other tags meanwhile") {
			t.Errorf("got %v", err)
		}
		g.Answer = inner
		err = w.Writer(repository).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.1", Digest: digests["1.1"]}})[0]
		if !errors.Is(err, registry.ErrUnsupported) || !strings.Contains(err.Error(), `also has the tag "stable"`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a tag comes while a deletion waits", func(t *testing.T) {
		inner, deletions := g.Answer, 0
		defer func() { g.Answer = inner }()
		g.Answer = func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodDelete {
				deletions++
				if _, err := demo.Push(t.Context(), g.Host, "owner/app", []demo.Image{{Tag: "latest", Platforms: intel, Version: "1.0"}}); err != nil {
					t.Error(err)
				}
				githubtest.Refuse(w, http.StatusTooManyRequests, "You have exceeded a secondary rate limit.")
			}
			return req.Method == http.MethodDelete
		}
		_, w := open(t, g.Host, oci.Options{Patience: transport.Patience{Attempts: 3, Backoff: time.Millisecond}})
		err := w.Writer(repository).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})[0]
		if err == nil || !strings.Contains(err.Error(), "got other tags meanwhile") || deletions != 1 {
			t.Errorf("got %v after %d deletions", err, deletions)
		}
	})
	t.Run("a deletion is hidden or sent elsewhere", func(t *testing.T) {
		for _, status := range []int{http.StatusNotFound, http.StatusMovedPermanently} {
			inner := g.Answer
			g.Answer = func(w http.ResponseWriter, req *http.Request) bool {
				if req.Method == http.MethodDelete {
					w.Header().Set("Location", "http://"+g.Host+"/api/v3/user")
					githubtest.Refuse(w, status, "Not Found")
				}
				return req.Method == http.MethodDelete
			}
			_, w := open(t, g.Host, oci.Options{})
			err := w.Writer(repository).DeleteManifests(t.Context(), kindstest.Removals(digests, "1.2"))[0]
			if err == nil || status == http.StatusNotFound && !strings.Contains(err.Error(), "delete:packages") {
				t.Errorf("%d: %v", status, err)
			}
			g.Answer = inner
		}
	})
	if left := g.Manifests("owner/app"); len(left) != 3 {
		t.Errorf("%d manifests are left", len(left))
	}
}

// A repository that was never pushed has nothing, and one without an owner is a
// mistake.
func TestNoPackage(t *testing.T) {
	g := githubtest.Start(t)
	c, w := open(t, g.Host, oci.Options{})
	for path, want := range map[string]string{"owner/none": "404 Not Found: Package not found.", "none": "has an owner, as in"} {
		repository := config.Repository{Host: g.Host, Path: path}
		_, err := c.Reader(repository).Inventory(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, registry.ErrNotFound) != (path == "owner/none") {
			t.Errorf("%s: %v", path, err)
		}
		if err := w.Writer(repository).DeleteManifests(t.Context(), registry.Removals("sha256:"+strings.Repeat("a", 64)))[0]; (err == nil) != (path == "owner/none") {
			t.Errorf("delete in %s: %v", path, err)
		}
	}
}
