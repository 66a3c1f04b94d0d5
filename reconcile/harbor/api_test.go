package harbor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/listing/listingtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

func at(h *harbortest.Harbor) config.Repository { return config.Repository{Host: h.Host, Path: app} }

// wants checks the text of an error.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %q", texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v\nlacks %q", err, text)
		}
	}
}

// single are images of one platform: a manifest each.
func single(tags ...string) (images []demo.Image) {
	for _, tag := range tags {
		images = append(images, demo.Image{Tag: tag, Platforms: intel})
	}
	return images
}

// artifacts is the path of the listing: the name is escaped twice.
const artifacts = "/api/v2.0/projects/project/repositories/team%252Fapp/artifacts"

// A no-op of many tags is the listing and nothing else. What that lacks is asked for.
func TestOneRequestForAllTags(t *testing.T) {
	h := harbortest.Start(t)
	tags := strings.Fields("1.0 1.1 1.2 1.3 1.4")
	digests := seed(t, h, single(tags...)...)
	c, _ := clients(t, h.Host, oci.Options{})
	h.Requests()
	for i, answer := range c.Reader(at(h)).Resolve(t.Context(), append(tags, "none")) {
		if i == len(tags) {
			if !errors.Is(answer.Err, registry.ErrNotFound) {
				t.Errorf("what is not there: %+v", answer)
			}
		} else if answer.Err != nil || answer.Value.Digest != digests[tags[i]] || answer.Value.MediaType == "" {
			t.Errorf("%s: %+v, want %s", tags[i], answer, digests[tags[i]])
		}
	}
	none := "/v2/" + app + "/manifests/none"
	if got := h.Requests(); !slices.Equal(got, []string{"GET /v2/", "GET " + artifacts, "HEAD " + none, "GET " + none}) {
		t.Errorf("requests are %q", got)
	}
}

// What is an accessory by its tag or by its subject is in no listing, and in the
// inventory all the same, with tags, and with the time of its push.
func TestAccessories(t *testing.T) {
	h := harbortest.Start(t)
	pushed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h.Now = func() time.Time { return pushed }
	seed(t, h, demo.Image{Tag: "1.0", Platforms: both, Provenance: true, Artifact: true}) // two attestations with a subject
	signed := seed(t, h, single("1.1")...)["1.1"]
	signature := "sha256-" + strings.TrimPrefix(signed, "sha256:") + ".sig"
	seed(t, h, demo.Image{Tag: signature, Platforms: intel, Version: "signature"})
	pulled := pushed.Add(time.Hour)
	h.Now = func() time.Time { return pulled }
	c, w := clients(t, h.Host, oci.Options{})
	if a := w.Writer(at(h)).Resolve(t.Context(), []string{"1.1"})[0]; a.Err != nil {
		t.Fatal(a.Err)
	}
	if a := c.Client.Reader(at(h)).Manifests(t.Context(), []string{"1.1"})[0]; a.Err != nil {
		t.Fatal(a.Err)
	}
	got, err := c.Reader(at(h)).Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := h.Manifests(app)
	if len(got.Manifests) != 7 || len(all) != 7 || got.Now.IsZero() {
		t.Errorf("%d manifests of %d, now %v", len(got.Manifests), len(all), got.Now)
	}
	for _, want := range all {
		i := slices.IndexFunc(got.Manifests, func(m registry.StoredManifest) bool { return m.Digest == want.Digest })
		if i < 0 {
			t.Errorf("%s is missing: %v", want.Digest, want.Tags)
			continue
		}
		m := got.Manifests[i]
		if !slices.Equal(m.Tags, want.Tags) || !m.Pushed.Equal(pushed) || m.MediaType != want.MediaType && want.Subject == "" {
			t.Errorf("%+v, want %+v", m, want)
		}
		if m.LastPulled.IsZero() != (m.Digest != signed) || m.Digest == signed && !m.LastPulled.Equal(pulled) {
			t.Errorf("%v was pulled last %v", m.Tags, m.LastPulled)
		}
	}
	// Without a login's permission to read one, nothing is known for certain.
	h.Answer = func(w http.ResponseWriter, req *http.Request) bool {
		one := strings.Contains(req.URL.Path, "/artifacts/")
		if one {
			harbortest.Refuse(w, http.StatusForbidden, "FORBIDDEN", "forbidden")
		}
		return one
	}
	_, err = c.Reader(at(h)).Inventory(t.Context())
	wants(t, err, app+": read an artifact: 403 Forbidden: FORBIDDEN: forbidden", `"Read Artifact"`)
}

// Pages can have less than a hundred artifacts, or none, where accessories were
// left out of them.
func TestPagesOfAccessories(t *testing.T) {
	h := harbortest.Start(t)
	var images []demo.Image
	for i := range 120 {
		images = append(images, demo.Image{Tag: fmt.Sprintf("1.%d", i), Platforms: intel})
	}
	digests := seed(t, h, images...)
	var signatures []demo.Image
	for _, tag := range slices.Sorted(maps.Keys(digests)) {
		signatures = append(signatures, demo.Image{Tag: "sha256-" + strings.TrimPrefix(digests[tag], "sha256:") + ".sig", Platforms: intel, Version: tag + " signature"})
	}
	seed(t, h, signatures...) // the newest, so the first page has none but them
	c, _ := clients(t, h.Host, oci.Options{})
	got, err := c.Reader(at(h)).Inventory(t.Context())
	if err != nil || len(got.Manifests) != 240 {
		t.Errorf("%d manifests, %v", len(got.Manifests), err)
	}
}

// A repository changes while it is listed, before its second page or its third.
func TestTornListings(t *testing.T) {
	move := func(tag, to string) func(t *testing.T, h *harbortest.Harbor, _ map[string]string) {
		return func(t *testing.T, h *harbortest.Harbor, _ map[string]string) {
			seed(t, h, demo.Image{Tag: tag, Platforms: intel, Version: to})
		}
	}
	cases := map[string]struct {
		page   string
		change func(t *testing.T, h *harbortest.Harbor, digests map[string]string)
		always bool // another deletion each time that it is listed
	}{
		"a push": {page: "2", change: func(t *testing.T, h *harbortest.Harbor, _ map[string]string) { seed(t, h, single("2.0")...) }},
		"a deletion": {page: "2", change: func(_ *testing.T, h *harbortest.Harbor, digests map[string]string) {
			h.Delete(app, digests["1.249"])
		}},
		"a deletion and a push": {page: "2", change: func(t *testing.T, h *harbortest.Harbor, digests map[string]string) {
			h.Delete(app, digests["1.249"])
			seed(t, h, single("2.0")...)
		}},
		"a tag that was read moves on":     {page: "3", change: move("1.100", "1.2")},
		"a tag moves to what was read":     {page: "3", change: move("1.2", "1.100")},
		"a tag of the first page moves on": {page: "2", change: move("1.240", "1.2")},
		"a tag of the last page goes":      {page: "2", change: func(_ *testing.T, h *harbortest.Harbor, _ map[string]string) { h.Delete(app, "1.0") }},
		"a deletion whenever it is listed": {page: "2", change: func(*testing.T, *harbortest.Harbor, map[string]string) {}, always: true},
	}
	names := slices.Sorted(maps.Keys(cases))
	for _, i := range ocitest.Sample(t, len(names), 3) { // each needs more than a page
		test := cases[names[i]]
		t.Run(names[i], func(t *testing.T) {
			h := harbortest.Start(t)
			var images []demo.Image
			for i := range 250 {
				images = append(images, demo.Image{Tag: fmt.Sprintf("1.%d", i), Platforms: intel})
			}
			digests := seed(t, h, images...)
			var listings atomic.Int32
			h.Answer = func(_ http.ResponseWriter, req *http.Request) bool {
				if req.URL.Query().Get("page") == test.page {
					switch n := listings.Add(1); {
					case test.always:
						h.Delete(app, digests[fmt.Sprintf("1.%d", 240-n)])
					case n == 1:
						test.change(t, h, digests)
					}
				}
				return false
			}
			c, _ := clients(t, h.Host, oci.Options{})
			got, err := c.Reader(at(h)).Inventory(t.Context())
			if test.always {
				wants(t, err, "changed while it was read", "run again")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			read := map[string]string{}
			for _, m := range got.Manifests {
				read[m.Digest] = fmt.Sprint(m.Tags)
			}
			for _, m := range h.Manifests(app) {
				if read[m.Digest] != fmt.Sprint(m.Tags) {
					t.Errorf("%s has the tags %s, and not %s", m.Digest, m.Tags, read[m.Digest])
				}
				delete(read, m.Digest)
			}
			if len(read) > 0 {
				t.Errorf("these are not there: %v", read)
			}
		})
	}
}

// Tags that a rule of the project makes immutable are known before a push, and
// refused by name where they are not.
func TestImmutableTags(t *testing.T) {
	h := harbortest.Start(t)
	digests := seed(t, h, single("1.0", "1.1", "latest")...)
	h.Immutable = func(repository, tag string) bool { return repository == app && strings.HasPrefix(tag, "1.") }
	c, w := clients(t, h.Host, oci.Options{})
	facts, err := c.Reader(at(h)).Facts(t.Context())
	if err != nil || !facts.Tags.Fixed("1.0") || facts.Tags.Fixed("latest") || facts.Tags.Fixed("1.2") {
		t.Errorf("%+v, %v", facts, err)
	}
	writer := w.Writer(at(h))
	wants(t, writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})[0], "delete tag "+h.Host+"/"+app+":1.0", "412 Precondition Failed", "immutable")
	wants(t, writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.1"))[0], digests["1.1"], "412 Precondition Failed", "immutable")
	image := tested.Image(t, h.Host, "{aliases: {'1.0': latest}}")
	_, err = tested.Apply(t, image, kindstest.Run{AtOnce: 8})
	wants(t, err, "immutable", `"1.0"`)
	if len(h.Manifests(app)) != 3 {
		t.Error("something was deleted")
	}
}

// Robot accounts: what each permission is for.
func TestRobots(t *testing.T) {
	h := harbortest.Start(t)
	digests := seed(t, h, single("1.0", "1.1", "1.2")...)
	c, w := clients(t, h.Host, oci.Options{Keychain: login{"robot$project+tagline", "secret"}})
	may := func(permissions ...string) {
		h.Robots = map[string]harbortest.Robot{"robot$project+tagline": {Password: "secret", Permissions: append(permissions, "Pull Repository")}}
	}
	may()
	_, err := c.Reader(at(h)).Inventory(t.Context())
	wants(t, err, app+": list the artifacts: 403 Forbidden", `needs the permission "List Artifact"`, `"kind: oci"`)
	for _, a := range c.Reader(at(h)).Resolve(t.Context(), []string{"1.0", "1.1"}) {
		if a.Err != nil {
			t.Errorf("tags are still asked for one by one: %v", a.Err)
		}
	}
	if facts, err := c.Reader(at(h)).Facts(t.Context()); err != nil || !facts.Cascades || facts.Tags.Fixed("1.0") {
		t.Errorf("%+v, %v", facts, err)
	}
	writer := w.Writer(at(h))
	untag := func() error {
		return writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})[0]
	}
	remove := func() error { return writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0"))[0] }
	wants(t, untag(), "delete a tag: 403 Forbidden", `"Delete Tag"`)
	wants(t, remove(), "read an artifact: 403 Forbidden", `"Read Artifact"`)
	may("Read Artifact")
	wants(t, remove(), "delete an artifact: 403 Forbidden", `"Delete Artifact"`)
	may("List Artifact", "Read Artifact", "Delete Tag", "Delete Artifact")
	if got, err := c.Reader(at(h)).Inventory(t.Context()); err != nil || len(got.Manifests) != 3 {
		t.Errorf("%d manifests, %v", len(got.Manifests), err)
	}
	if err := errors.Join(untag(), remove()); err != nil {
		t.Error(err)
	}
	other, _ := clients(t, h.Host, oci.Options{Keychain: login{"robot$project+tagline", "wrong"}})
	_, err = other.Reader(at(h)).Inventory(t.Context())
	wants(t, err, "401 Unauthorized", "docker login "+h.Host)
}

type login struct{ user, password string }

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: l.user, Password: l.password}), nil
}

// Answers that no Harbor gives, or that say nothing.
func TestOddAnswers(t *testing.T) {
	answer := func(status int, body string, headers ...string) func(w http.ResponseWriter, req *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
			return true
		}
	}
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter, req *http.Request) bool
		want   string
	}{
		"html":             {answer(200, "<html>", "X-Total-Count", "1"), "no JSON that is understood"},
		"too long":         {answer(200, strings.Repeat(" ", 4<<20+1), "X-Total-Count", "1"), "answer of more than the 4194304 bytes that tagline reads; is there a Harbor at this host?"},
		"no count":         {answer(200, "[]"), "X-Total-Count"},
		"a negative count": {answer(200, "[]", "X-Total-Count", "-1"), "X-Total-Count"},
		"no digest":        {answer(200, `[{"digest": ""}]`, "X-Total-Count", "1"), "artifact 1 of page 1"},
		"a bad child":      {answer(200, `[{"digest": "sha256:`+strings.Repeat("a", 64)+`", "references": [{"child_digest": "x"}]}]`, "X-Total-Count", "1"), "artifact 1 of page 1"},
		"too few":          {answer(200, "[]", "X-Total-Count", "3"), "0 artifacts were read of 3"},
		"too many":         {answer(200, `[{"digest": "sha256:`+strings.Repeat("a", 64)+`"}, {"digest": "sha256:`+strings.Repeat("b", 64)+`"}]`, "X-Total-Count", "1"), "2 artifacts were read of 1"},
		"none of many":     {answer(404, `{"errors":[{"code":"NOT_FOUND","message":"not found"}]}`), "no API of Harbor's"},
		"a broken server":  {answer(500, `{"errors":[{"code":"UNKNOWN","message":"internal server error"}]}`), "500 Internal Server Error: UNKNOWN: internal server error"},
		"none, and tags":   {answer(200, "[]", "X-Total-Count", "0"), "has the tag"},
	} {
		t.Run(name, func(t *testing.T) {
			h := harbortest.Start(t)
			seed(t, h, single("1.0")...)
			h.Answer = test.answer
			c, _ := clients(t, h.Host, oci.Options{})
			_, err := c.Reader(at(h)).Inventory(t.Context())
			wants(t, err, test.want)
			if errors.Is(err, registry.ErrNotFound) && name != "none of many" {
				t.Errorf("%v is taken for an answer", err)
			}
		})
	}
}

// A host that images.yaml calls Harbor, and is not; and names without a project.
func TestNoHarbor(t *testing.T) {
	r := listingtest.Start(t, func(r *listingtest.Registry) http.Handler { return r })
	if _, err := demo.Push(t.Context(), r.Host, app, single("1.0", "1.1")); err != nil {
		t.Fatal(err)
	}
	c, _ := clients(t, r.Host, oci.Options{})
	reader := c.Reader(config.Repository{Host: r.Host, Path: app})
	_, err := reader.Inventory(t.Context())
	wants(t, err, "no API of Harbor's", `take "kind: harbor" out`)
	for _, answer := range reader.Resolve(t.Context(), []string{"1.0", "1.1"}) {
		if answer.Err != nil {
			t.Errorf("tags are still found one by one: %v", answer.Err)
		}
	}
	_, err = c.Reader(config.Repository{Host: r.Host, Path: "app"}).Inventory(t.Context())
	wants(t, err, r.Host+"/app: list the artifacts", r.Host+"/PROJECT/app")
}

// A proxy cache takes no push.
func TestProxyCache(t *testing.T) {
	h := harbortest.Start(t)
	seed(t, h, single("1.0")...)
	h.Proxies["project"] = true
	_, err := tested.Apply(t, tested.Image(t, h.Host, "{aliases: {1: {amd64: '1.0'}}}"), kindstest.Run{AtOnce: 8})
	wants(t, err, "405 Method Not Allowed", "can not push artifact to a proxy project")
}

// What the listing has and the OCI protocol does not, and the other way round.
func TestDisagreement(t *testing.T) {
	h := harbortest.Start(t)
	digests := seed(t, h, single("1.0", "1.1")...)
	_, w := clients(t, h.Host, oci.Options{})
	h.Answer = func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodDelete {
			harbortest.Refuse(w, http.StatusNotFound, "NOT_FOUND", "artifact not found")
		}
		return req.Method == http.MethodDelete
	}
	writer := w.Writer(at(h))
	for _, err := range append(
		writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0")),
		writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})...) {
		if wants(t, err, "404 Not Found", "artifact not found"); errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%v, though it is there", err)
		}
	}
}

// A rate limit in the middle of deletions is waited for.
func TestRateLimit(t *testing.T) {
	h := harbortest.Start(t)
	digests := seed(t, h, single("1.0", "1.1", "1.2", "1.3")...)
	var n atomic.Int32
	h.Answer = func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodDelete || n.Add(1) != 3 {
			return false
		}
		w.Header().Set("Retry-After", "0") // package transport tests the wait
		harbortest.Refuse(w, http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "slow down")
		return true
	}
	_, w := clients(t, h.Host, oci.Options{Concurrency: 1, Patience: transport.Patience{Attempts: 3, Backoff: time.Millisecond}})
	for _, err := range w.Writer(at(h)).DeleteManifests(t.Context(), kindstest.Removals(digests, slices.Sorted(maps.Keys(digests))...)) {
		if err != nil {
			t.Error(err)
		}
	}
	if left := len(h.Manifests(app)); left != 0 {
		t.Errorf("%d manifests are left", left)
	}
}

// A hundred thousand manifests take the memory of the list, and no more.
func TestLargeRepository(t *testing.T) {
	pages := 100
	if ocitest.All() {
		pages = 1000
	}
	var peak, before runtime.MemStats
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v2/" {
			return
		}
		if !strings.HasPrefix(req.URL.Path, "/api/") {
			_, _ = fmt.Fprint(w, `{"tags": []}`)
			return
		}
		var n int
		_, _ = fmt.Sscan(req.URL.Query().Get("page"), &n)
		all := make([]map[string]any, 100)
		for i := range all {
			all[i] = map[string]any{
				"digest": fmt.Sprintf("sha256:%064d", n*100+i), "manifest_media_type": "application/vnd.oci.image.manifest.v1+json",
				"push_time": "2026-01-02T03:04:05.000Z", "pull_time": "0001-01-01T00:00:00.000Z",
				"extra_attrs": map[string]string{"config": strings.Repeat("x", 2000)}, // is not kept
			}
		}
		w.Header().Set("X-Total-Count", fmt.Sprint(pages*100))
		_ = json.NewEncoder(w).Encode(all)
	}))
	defer server.Close()
	c, _ := clients(t, server.Listener.Addr().String(), oci.Options{})
	runtime.GC()
	runtime.ReadMemStats(&before)
	got, err := c.Reader(config.Repository{Host: server.Listener.Addr().String(), Path: app}).Inventory(t.Context())
	runtime.GC()
	runtime.ReadMemStats(&peak)
	if err != nil || len(got.Manifests) != pages*100 {
		t.Fatalf("%d manifests, %v", len(got.Manifests), err)
	}
	if grown := int64(peak.HeapAlloc) - int64(before.HeapAlloc); grown > int64(pages)<<17 { // 1.3 kB a manifest
		t.Errorf("the list takes %d MiB", grown>>20)
	}
	runtime.KeepAlive(got)
}

// A host that does not answer is said to be the host's failure.
func TestNoAnswer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	host := server.Listener.Addr().String()
	c, w := clients(t, host, oci.Options{})
	repository := config.Repository{Host: host, Path: app}
	_, err := c.Reader(repository).Inventory(t.Context())
	if of := (*registry.HostError)(nil); !errors.As(err, &of) || of.Host != host {
		t.Errorf("%v concerns no host", err)
	}
	wants(t, err, app+": list the artifacts: ")
	wants(t, w.Writer(repository).DeleteManifests(t.Context(), registry.Removals("sha256:"+strings.Repeat("a", 64)))[0], "read an artifact: ")
}

// An API that answers 404 says nothing of a repository whose tags can't be read.
func TestNotFoundAndUnread(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.URL.Path == "/v2/":
		case strings.HasPrefix(req.URL.Path, "/api/"):
			w.WriteHeader(http.StatusNotFound)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	host := server.Listener.Addr().String()
	c, _ := clients(t, host, oci.Options{})
	_, err := c.Reader(config.Repository{Host: host, Path: app}).Inventory(t.Context())
	if err == nil || errors.Is(err, registry.ErrNotFound) {
		t.Errorf("got %v, want an error that is no ErrNotFound", err)
	}
}
