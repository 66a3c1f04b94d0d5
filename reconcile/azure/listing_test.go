package azure_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/azure"
	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

var intel = []string{"linux/amd64"}

// push pushes an image for each tag.
func push(t *testing.T, r *azuretest.Registry, repository string, tags ...string) map[string]string {
	t.Helper()
	var images []demo.Image
	for _, tag := range tags {
		images = append(images, demo.Image{Tag: tag, Platforms: intel})
	}
	digests, err := demo.Push(t.Context(), r.Host, repository, images)
	if err != nil {
		t.Fatal(err)
	}
	return digests
}

func at(r *azuretest.Registry, path string) config.Repository {
	return config.Repository{Host: r.Host, Path: path}
}

// A no-op of many tags is a listing and nothing else, and facts cost no more.
func TestRequestsForAllTags(t *testing.T) {
	r := azuretest.Start(t)
	tags := strings.Fields("1.0 1.1 1.2 1.3 1.4 1.5")
	digests := push(t, r, "team/app", tags...)
	c, _ := open(t, r)
	for _, test := range []struct {
		tags []string
		want []string
	}{
		{tags[:3], []string{ // fewer than a listing takes
			"GET /v2/", "GET /oauth2/token", "HEAD /v2/team/app/manifests/1.0", "HEAD /v2/team/app/manifests/1.1", "HEAD /v2/team/app/manifests/1.2",
		}},
		{tags, []string{"GET /oauth2/token", "GET /acr/v1/team/app", "GET /acr/v1/team/app/_tags", "GET /acr/v1/team/app/_manifests"}},
	} {
		r.Requests()
		reader := c.Reader(at(r, "team/app"))
		for i, answer := range reader.Resolve(t.Context(), test.tags) {
			if answer.Err != nil || answer.Value.Digest != digests[tags[i]] {
				t.Errorf("%s: %+v, want %s", tags[i], answer, digests[tags[i]])
			}
		}
		got := r.Requests()
		if slices.Sort(got[min(2, len(got)):]); len(test.tags) > 3 {
			slices.Sort(got)
			slices.Sort(test.want)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d tags: requests are %q, want %q", len(test.tags), got, test.want)
		}
	}
	r.Requests()
	if _, err := c.Reader(at(r, "team/app")).Facts(t.Context()); err != nil || len(r.Requests()) > 0 {
		t.Errorf("facts are asked for again, or: %v", err)
	}
}

// A manifest says ten of its tags, and all are known all the same.
func TestManyTagsOfOneManifest(t *testing.T) {
	r := azuretest.Start(t)
	r.Page = 9
	push(t, r, "app", "other")
	var want []string
	for i := range 25 {
		tag := fmt.Sprintf("1.%02d", i)
		want = append(want, tag)
		objects, err := demo.Image{Tag: tag, Version: "same", Platforms: intel}.Objects()
		if err != nil {
			t.Fatal(err)
		}
		if err := demo.PushObjects(t.Context(), r.Host, "app", tag, objects); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := open(t, r)
	all, err := c.Reader(at(r, "app")).Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all.Manifests, func(m registry.StoredManifest) bool { return slices.Equal(m.Tags, want) }) {
		t.Errorf("no manifest has the 25 tags: %+v", all.Manifests)
	}
}

// Media types come from the manifests where the list has none.
func TestNoMediaTypes(t *testing.T) {
	r := azuretest.Start(t)
	r.Untyped = true
	if _, err := demo.Push(t.Context(), r.Host, "app", demo.Samples()); err != nil {
		t.Fatal(err)
	}
	c, _ := open(t, r)
	all, err := c.Reader(at(r, "app")).Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, m := range r.Manifests("app") {
		types[m.Digest] = m.MediaType
	}
	for _, m := range all.Manifests {
		if m.MediaType != types[m.Digest] {
			t.Errorf("%s is %q, want %q", m.Digest, m.MediaType, types[m.Digest])
		}
	}
}

// once does something at the first request whose path has a suffix, before or after
// its answer.
func once(r *azuretest.Registry, suffix, last string, do func()) {
	done := false
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		next(w, req)
		if !done && strings.HasSuffix(req.URL.Path, suffix) && req.Method == http.MethodGet && (last == "" || req.URL.Query().Get("last") != "") {
			done = true
			do()
		}
	})
}

// What changes while it is read is read again, and nothing is told of one state
// that is of another.
func TestChangesBetweenPages(t *testing.T) {
	for name, test := range map[string]struct {
		suffix, last string
		change       func(t *testing.T, r *azuretest.Registry)
	}{
		"a push after the tags":            {"/_tags", "", func(t *testing.T, r *azuretest.Registry) { push(t, r, "app", "new") }},
		"a push after a page of manifests": {"/_manifests", "", func(t *testing.T, r *azuretest.Registry) { push(t, r, "app", "new") }},
		"a tag moves after the tags": {"/_tags", "", func(t *testing.T, r *azuretest.Registry) {
			objects, err := demo.Image{Tag: "1.3", Version: "moved", Platforms: intel}.Objects()
			if err == nil {
				err = demo.PushObjects(t.Context(), r.Host, "app", "1.3", objects)
			}
			if err != nil {
				t.Error(err)
			}
		}},
		"a tag goes after the tags":      {"/_tags", "", func(_ *testing.T, r *azuretest.Registry) { r.Delete("app", "1.1") }},
		"a manifest goes after the tags": {"/_tags", "", func(_ *testing.T, r *azuretest.Registry) { r.Delete("app", r.Manifests("app")[2].Digest) }},
		"a tag goes between its pages":   {"/_tags", "x", func(_ *testing.T, r *azuretest.Registry) { r.Delete("app", "1.5") }},
	} {
		t.Run(name, func(t *testing.T) {
			r := azuretest.Start(t)
			r.Page = 2
			push(t, r, "app", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
			c, _ := open(t, r)
			once(r, test.suffix, test.last, func() { test.change(t, r) })
			all, err := c.Reader(at(r, "app")).Inventory(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]string{}
			for _, m := range all.Manifests {
				got[m.Digest] = m.Tags
			}
			for _, m := range r.Manifests("app") {
				if tags, ok := got[m.Digest]; !ok || !slices.Equal(tags, m.Tags) {
					t.Errorf("%s has the tags %q, want %q", m.Digest, tags, m.Tags)
				}
			}
			if len(got) != len(r.Manifests("app")) {
				t.Errorf("%d manifests, want %d", len(got), len(r.Manifests("app")))
			}
		})
	}
}

// Answers from which no deletion may follow.
func TestListingsThatAreNotBelieved(t *testing.T) {
	replaced := func(suffix string, change func(body map[string]any, header http.Header)) func(*azuretest.Registry) {
		return func(r *azuretest.Registry) {
			r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
				answer := httptest.NewRecorder()
				next(answer, req)
				body := map[string]any{}
				if strings.HasSuffix(req.URL.Path, suffix) && answer.Code == http.StatusOK && json.Unmarshal(answer.Body.Bytes(), &body) == nil {
					change(body, answer.Header())
					answer.Body.Reset()
					_ = json.NewEncoder(answer.Body).Encode(body)
				}
				for key, values := range answer.Header() {
					w.Header()[key] = values
				}
				w.Header().Del("Content-Length")
				w.WriteHeader(answer.Code)
				_, _ = w.Write(answer.Body.Bytes())
			})
		}
	}
	for name, test := range map[string]struct {
		prepare func(*azuretest.Registry)
		want    string
	}{
		"a manifest is hidden": {func(r *azuretest.Registry) {
			r.Lock("app@"+r.Manifests("app")[0].Digest, func(l *azuretest.Locks) { l.List = false })
		}, "which is not listed"},
		"an untagged manifest is hidden": {func(r *azuretest.Registry) {
			digest := r.Manifests("app")[0].Digest
			r.Delete("app", r.Manifests("app")[0].Tags[0])
			r.Lock("app@"+digest, func(l *azuretest.Locks) { l.List = false })
		}, "3 of 4 manifests"},
		"a tag is hidden": {func(r *azuretest.Registry) {
			r.Lock("app:1.1", func(l *azuretest.Locks) { l.List = false })
		}, "3 of 4 tags"},
		"a tag is said of another manifest": {replaced("_manifests", func(body map[string]any, _ http.Header) {
			body["manifests"].([]any)[0].(map[string]any)["tags"] = []string{"1.0", "1.1"}
		}), "not its, in the list of tags"},
		"a link that leads nowhere": {replaced("_tags", func(_ map[string]any, h http.Header) { h.Set("Link", "</acr/v1/app/_tags>; rel=\"next\"") }), "link to the next page is not understood"},
		"a link that is none":       {replaced("_tags", func(_ map[string]any, h http.Header) { h.Set("Link", "next") }), "link to the next page is not understood"},
		"pages in a circle": {replaced("_tags", func(_ map[string]any, h http.Header) {
			h.Set("Link", "</acr/v1/app/_tags?last=1.1>; rel=\"next\"")
		}), "circle"},
		"an empty page that is not the last": {replaced("_tags", func(body map[string]any, h http.Header) {
			body["tags"] = nil
			h.Set("Link", "</acr/v1/app/_tags?last=1.1>; rel=\"next\"")
		}), "circle"},
		"no JSON": {func(r *azuretest.Registry) {
			r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
				if strings.HasSuffix(req.URL.Path, "_tags") && req.Header.Get("Authorization") != "" {
					_, _ = w.Write([]byte("<html>"))
					return
				}
				next(w, req)
			})
		}, "no JSON that is understood"},
	} {
		t.Run(name, func(t *testing.T) {
			r := azuretest.Start(t)
			tags := []string{"1.0", "1.1", "1.2", "1.3"}
			digests := push(t, r, "app", tags...)
			test.prepare(r)
			c, _ := open(t, r)
			reader := c.Reader(at(r, "app"))
			if _, err := reader.Inventory(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("inventory: %v, want %q", err, test.want)
			}
			for i, answer := range reader.Resolve(t.Context(), append(tags, "none")) {
				switch {
				case i < len(tags) && answer.Err == nil && answer.Value.Digest == digests[tags[i]]:
				case errors.Is(answer.Err, registry.ErrNotFound) && (i == len(tags) || name == "an untagged manifest is hidden" && i == 3):
				default:
					t.Errorf("tags are still found one by one: %d, %+v", i, answer)
				}
			}
		})
	}
}

// /v2/ and the API may differ: what one of them lacks is no answer of the other.
func TestOneSideLacksAManifest(t *testing.T) {
	r := azuretest.Start(t)
	digests := push(t, r, "app", "1.0", "1.1", "1.2", "1.3", "1.4")
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		if strings.HasSuffix(req.URL.Path, "/manifests/"+digests["1.1"]) {
			http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest is not found"}]}`, http.StatusNotFound)
			return
		}
		next(w, req)
	})
	c, _ := open(t, r)
	reader := c.Reader(at(r, "app"))
	if all, err := reader.Inventory(t.Context()); err != nil || len(all.Manifests) != 5 {
		t.Errorf("inventory: %+v, %v", all, err)
	}
	if a := reader.Manifests(t.Context(), []string{digests["1.1"]})[0]; !errors.Is(a.Err, registry.ErrNotFound) {
		t.Errorf("what /v2/ lacks: %+v", a)
	}
}

// The examples of the specification (azure-rest-api-specs, GetManifestList and
// GetTagList), as far as they say something of a manifest and a tag.
func TestPublishedExample(t *testing.T) {
	const digest, name = "sha256:110d2b6c84592561338aa040b1b14b7ab81c2f9edbd564c2285dd7d70d777086", "4.7.2-20180905-nanoserver-1803"
	const free = `"changeableAttributes": {"deleteEnabled": true, "writeEnabled": true, "readEnabled": true, "listEnabled": true}`
	answers := map[string]string{
		"/acr/v1/nanoserver":       `{"registry": "acrapi.azurecr-test.io", "imageName": "nanoserver", "createdTime": "2018-09-06T06:17:20.9983915Z", "manifestCount": 1, "tagCount": 1, ` + free + `}`,
		"/acr/v1/nanoserver/_tags": `{"imageName": "nanoserver", "tags": [{"name": "` + name + `", "digest": "` + digest + `", "createdTime": "2018-09-06T06:17:21.0856539Z", ` + free + `}]}`,
		"/acr/v1/nanoserver/_manifests": `{"imageName": "nanoserver", "manifests": [{"digest": "` + digest + `", "imageSize": 2401606, "createdTime": "2018-09-06T06:17:20.9983915Z",
			"architecture": "amd64", "os": "windows", "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "tags": ["` + name + `"], ` + free + `}]}`,
		"/v2/nanoserver/tags/list": `{"name": "nanoserver", "tags": ["` + name + `"]}`,
		"/v2/":                     `{}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { _, _ = w.Write([]byte(answers[req.URL.Path])) }))
	t.Cleanup(server.Close)
	all, err := reader(t, server.Listener.Addr().String(), "nanoserver").Inventory(t.Context())
	want := registry.StoredManifest{
		Descriptor: registry.Descriptor{Digest: digest, MediaType: "application/vnd.docker.distribution.manifest.v2+json"},
		Tags:       []string{name}, Pushed: time.Date(2018, 9, 6, 6, 17, 20, 998391500, time.UTC),
	}
	if err != nil || len(all.Manifests) != 1 || fmt.Sprint(all.Manifests[0]) != fmt.Sprint(want) || time.Since(all.Now) > time.Hour {
		t.Errorf("got %+v, %v, want %+v", all, err, want)
	}
}

// reader reads a server that asks for no token.
func reader(t *testing.T, host, path string) registry.Reader {
	t.Helper()
	c := oci.New(oci.Options{Patience: transport.Patience{Attempts: 1}})
	t.Cleanup(c.Close)
	repository := config.Repository{Host: host, Path: path}
	return azure.New(c, slog.New(slog.DiscardHandler)).Reader(repository, c.Reader(repository))
}

// A hundred thousand manifests are held as one listing, and nothing else grows.
func TestHundredThousandManifests(t *testing.T) {
	const n = 100_000
	digest := func(i int) string { return fmt.Sprintf("sha256:%064x", i) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		from := 0
		if last := req.URL.Query().Get("last"); last != "" {
			i, _ := strconv.ParseInt(strings.TrimPrefix(last, "sha256:"), 16, 64)
			from = int(i) + 1
		}
		switch {
		case strings.HasSuffix(req.URL.Path, "_manifests"):
			if from+1000 < n {
				w.Header().Set("Link", fmt.Sprintf(`</acr/v1/app/_manifests?last=%s&n=1000&orderby=timedesc>; rel="next"`, digest(from+999)))
			}
			_, _ = w.Write([]byte(`{"manifests":[`))
			for i := from; i < from+1000; i++ {
				if i > from {
					_, _ = w.Write([]byte(","))
				}
				_, _ = fmt.Fprintf(w, `{"digest":%q,"mediaType":"application/vnd.oci.image.manifest.v1+json","createdTime":"2026-01-02T03:04:05Z","architecture":"amd64","os":"linux"}`, digest(i))
			}
			_, _ = w.Write([]byte(`]}`))
		case strings.HasSuffix(req.URL.Path, "_tags"), strings.HasSuffix(req.URL.Path, "tags/list"):
			_, _ = w.Write([]byte(`{"tags":[]}`))
		default:
			_, _ = fmt.Fprintf(w, `{"manifestCount":%d,"tagCount":0}`, n)
		}
	}))
	t.Cleanup(server.Close)
	var before, after runtime.MemStats
	r := reader(t, server.Listener.Addr().String(), "app")
	runtime.GC()
	runtime.ReadMemStats(&before)
	all, err := r.Inventory(t.Context())
	if err != nil || len(all.Manifests) != n {
		t.Fatalf("%d manifests, %v", len(all.Manifests), err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 1000 {
		t.Errorf("a manifest takes %d bytes", each)
	} else {
		t.Logf("a manifest takes %d bytes", each)
	}
	runtime.KeepAlive(r)
}
