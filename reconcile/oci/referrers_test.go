package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
)

const otherHash = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

func TestReferrers(t *testing.T) {
	const listing = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,"digest":"` + otherHash + `","artifactType":"text/spdx"}]}`
	one := []registry.Descriptor{{Digest: otherHash, MediaType: string(types.OCIManifestSchema1), ArtifactType: "text/spdx", Size: 7}}
	// An index as GitLab's registry sends it for the fallback tag of any digest: that of the digest.
	const image = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,"digest":"` + otherHash + `","platform":{"os":"linux","architecture":"arm64"}}]}`
	// Descriptors that don't say whether they refer to the subject.
	const mute = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,"digest":"` + someHash + `","artifactType":"text/spdx"},
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":8,"digest":"HASH"},
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":9,"digest":"` + otherHash + `"}]}`
	manifest := func(subject string) string {
		return `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"` + otherHash + `"},"layers":[],
			"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":7,"digest":"` + subject + `"}}`
	}
	answers := func(subject string) map[string]http.HandlerFunc {
		hash := digestOf([]byte(manifest(subject)))
		return map[string]http.HandlerFunc{
			"GET /v2/app/manifests/sha256-" + strings.TrimPrefix(someHash, "sha256:"): answer(200, strings.ReplaceAll(mute, "HASH", hash), "Content-Type", typeIndex),
			"GET /v2/app/manifests/" + hash:                                           answer(200, manifest(subject), "Content-Type", string(types.OCIManifestSchema1)),
		}
	}
	api, tag := "GET /v2/app/referrers/"+someHash, "GET /v2/app/manifests/sha256-"+strings.TrimPrefix(someHash, "sha256:")
	paged := func(status int, body string, headers ...string) http.HandlerFunc { // what the second page is
		first, second := answer(200, listing, "Content-Type", typeIndex, "Link", `<?n=2>; rel="next"`), answer(status, body, headers...)
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "" {
				first(w, r)
			} else {
				second(w, r)
			}
		}
	}
	page := serve(t, map[string]http.HandlerFunc{"/": answer(429, "")}).host // as github.com does for ghcr.io
	tests := []struct {
		name     string
		handlers map[string]http.HandlerFunc
		want     []registry.Descriptor
		err      string
	}{
		{"by the API", map[string]http.HandlerFunc{api: answer(200, listing, "Content-Type", typeIndex)}, one, ""},
		{"a type with parameters", map[string]http.HandlerFunc{api: answer(200, listing, "Content-Type", typeIndex+"; charset=utf-8")}, one, ""},
		{"none", map[string]http.HandlerFunc{api: answer(200, index, "Content-Type", typeIndex)}, nil, ""},
		{"by the fallback tag", map[string]http.HandlerFunc{tag: answer(200, listing, "Content-Type", typeIndex)}, one, ""},
		{"neither", nil, nil, ""},
		{"a web page for the API", map[string]http.HandlerFunc{api: answer(200, html, "Content-Type", "text/html"), tag: answer(200, listing, "Content-Type", typeIndex)}, one, ""},
		{"a web page for both", map[string]http.HandlerFunc{api: answer(200, html, "Content-Type", "text/html"), tag: answer(404, html, "Content-Type", "text/html")}, nil,
			"answered 404 with a page of HTML: is there a proxy or a login page in front?"},
		{"no such method", map[string]http.HandlerFunc{api: answer(405, ""), tag: answer(200, listing, "Content-Type", typeIndex)}, one, ""},
		{"not implemented", map[string]http.HandlerFunc{api: answer(501, ""), tag: answer(200, listing, "Content-Type", typeIndex)}, one, ""},
		{"not implemented, and no tag", map[string]http.HandlerFunc{api: answer(501, "")}, nil, ""},
		{"elsewhere", map[string]http.HandlerFunc{api: http.RedirectHandler("http://"+page+"/", http.StatusSeeOther).ServeHTTP, tag: answer(200, listing, "Content-Type", typeIndex)}, one, ""},
		{"bad request", map[string]http.HandlerFunc{api: answer(400, ""), tag: answer(200, listing, "Content-Type", typeIndex)}, one, ""},
		{"an image index under the fallback tag", map[string]http.HandlerFunc{tag: answer(200, image, "Content-Type", typeIndex)}, nil, ""},
		{"an image under the fallback tag", map[string]http.HandlerFunc{tag: answer(200, manifest(someHash), "Content-Type", string(types.OCIManifestSchema1))}, nil, ""},
		{"a Docker list under the fallback tag", map[string]http.HandlerFunc{tag: answer(200, `{"schemaVersion":2,"manifests":[]}`, "Content-Type", string(types.DockerManifestList))}, nil, ""},
		{"an entry that has the subject", answers(someHash), []registry.Descriptor{{Digest: digestOf([]byte(manifest(someHash))), MediaType: string(types.OCIManifestSchema1), Size: 8}}, ""},
		{"an entry that has another subject", answers(otherHash), nil, ""},
		{"pages of another manifest", map[string]http.HandlerFunc{api: answer(200, listing, "Content-Type", typeIndex, "Link", `</v2/app/referrers/x?n=2>; rel="next"`)}, nil,
			`the next page of referrers is "/v2/app/referrers/x?n=2", which is no page of them`},
		{"pages in a circle", map[string]http.HandlerFunc{api: answer(200, listing, "Content-Type", typeIndex, "Link", "</v2/app/referrers/"+someHash+`>; rel="next"`)}, nil,
			"the pages of referrers lead in a circle"},
		{"a later page that is missing", map[string]http.HandlerFunc{api: paged(404, "")}, nil, "page 2 of the referrers was answered with 404 Not Found, and not with a list"},
		{"a later page that is a web page", map[string]http.HandlerFunc{api: paged(200, html, "Content-Type", "text/html")}, nil, "page 2 of the referrers was answered with 200 OK, and not with a list"},
		{"denied", map[string]http.HandlerFunc{api: answer(403, "")}, nil, "403 Forbidden; the credentials for HOST do not allow this"},
		{"out of order", map[string]http.HandlerFunc{api: answer(500, "")}, nil, "500 Internal Server Error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, tt.handlers)
			got, err := newClient(t, Options{}).Reader(server.app()).Referrers(t.Context(), someHash)
			if tt.err == "" {
				if err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
				}
				return
			}
			want := "referrers of " + server.host + "/app@" + someHash + ": " + strings.ReplaceAll(tt.err, "HOST", server.host)
			if err == nil || err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
		})
	}
}

// A registry may list as many referrers as it likes on each page.
func TestReferrersInPages(t *testing.T) {
	const n, perPage = 10_000, 500
	server := serve(t, map[string]http.HandlerFunc{"GET /v2/app/referrers/" + someHash: func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		page := ocispec.Index{MediaType: typeIndex}
		page.SchemaVersion = 2
		for i := from; i < from+perPage; i++ {
			page.Manifests = append(page.Manifests, ocispec.Descriptor{
				MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(strconv.Itoa(i)), Size: 100, ArtifactType: "text/spdx",
				Annotations: map[string]string{"about": strings.Repeat("much ", 50)},
			})
		}
		w.Header().Set("Content-Type", typeIndex)
		if from+perPage < n {
			w.Header().Set("Link", fmt.Sprintf(`<?from=%d>; rel="next"`, from+perPage))
		}
		_ = json.NewEncoder(w).Encode(page)
	}})
	got, err := newClient(t, Options{}).Reader(server.app()).Referrers(t.Context(), someHash)
	if err != nil || len(got) != n {
		t.Fatalf("%d referrers, %v", len(got), err)
	}
	for i, d := range got {
		if want := digest.FromString(strconv.Itoa(i)).String(); d.Digest != want || d.ArtifactType != "text/spdx" {
			t.Fatalf("referrer %d is %+v", i, d)
		}
	}
}

// A copy that has a subject is among its referrers afterwards, whatever a copy that
// was cut has left, and also if several are copied at once.
func TestCopyOfReferrers(t *testing.T) {
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		app, other := config.Repository{Host: proxy.Host, Path: "app"}, config.Repository{Host: proxy.Host, Path: "other"}
		objects := ocitest.AppOCI.Objects(t)["10.70"]
		if err := demo.PushObjects(t.Context(), proxy.Host, "app", "10.70", objects); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, Options{})
		var subject, referrer string
		for _, o := range objects {
			if found, err := c.Reader(app).Referrers(t.Context(), o.Digest.String()); err != nil {
				t.Fatal(err)
			} else if len(found) > 0 {
				subject, referrer = o.Digest.String(), found[0].Digest
			}
		}
		listed := func() bool {
			t.Helper()
			found, err := newClient(t, Options{}).Reader(other).Referrers(t.Context(), subject)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(found, func(d registry.Descriptor) bool { return d.Digest == referrer })
		}
		w := func() registry.Writer { return NewWriters(newClient(t, Options{})).Writer(other) }

		gone := c.Reader(app).Manifests(t.Context(), []string{referrer})[0]
		m, err := registry.ParseManifest(gone.Value)
		if err != nil {
			t.Fatal(err)
		}
		// A blob that is gone fails the copy, and leaves nothing that refers to the subject.
		proxy.Script(
			ocitest.Fault{Method: "POST", Path: "/other/blobs/uploads/", Do: ocitest.Status(http.StatusNotFound)},
			ocitest.Fault{Method: "GET", Path: "/app/blobs/" + m.Layers[0].Digest.String(), Do: ocitest.Status(http.StatusNotFound)},
		)
		if err := w().Copy(t.Context(), app, referrer); err == nil || listed() {
			t.Errorf("with a blob that is gone: %v", err)
		}
		// The manifest arrives, and the fallback tag does not.
		proxy.Script(ocitest.Fault{Method: "PUT", Path: "/other/manifests/sha256-", Do: ocitest.Status(http.StatusForbidden)})
		fallback := w().Copy(t.Context(), app, referrer) != nil
		proxy.Script()
		if fallback == listed() {
			t.Error("a copy that was cut is listed, or one that was not cut isn't")
		}
		for range 2 {
			if err := w().Copy(t.Context(), app, referrer); err != nil || !listed() {
				t.Errorf("copied, but not listed: %v", err)
			}
		}
	})
}

// Where the fallback tag is taken, as it always is on GitLab, a copy with a subject is
// refused, and the tag stays what it is. An index that lists such a manifest is copied.
func TestCopyOfReferrersWithoutFallbackTag(t *testing.T) {
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		app, other := config.Repository{Host: proxy.Host, Path: "app"}, config.Repository{Host: proxy.Host, Path: "other"}
		objects := ocitest.AppOCI.Objects(t)["10.70"]
		if err := demo.PushObjects(t.Context(), proxy.Host, "app", "10.70", objects); err != nil {
			t.Fatal(err)
		}
		proxy.Script(
			ocitest.Fault{Path: "/other/referrers/", Do: ocitest.Status(http.StatusNotFound)},
			ocitest.Fault{Method: "GET", Path: "/other/manifests/sha256-[0-9a-f]+$", Do: ocitest.TagAsDigest()},
		)
		c := newClient(t, Options{})
		w := NewWriters(c).Writer(other)
		// The images come first on purpose: a tag that names nothing is free.
		for _, o := range objects {
			m, err := registry.ParseManifest(registry.RawManifest{Digest: o.Digest.String(), MediaType: o.MediaType, Body: o.Body})
			if err == nil && m.IsImage() && m.Subject == nil {
				if err := w.Copy(t.Context(), app, m.Digest); err != nil {
					t.Fatal(err)
				}
			}
		}
		index := objects[len(objects)-1].Digest.String()
		if err := w.Copy(t.Context(), app, index); err != nil {
			t.Fatal(err)
		}
		refused := 0
		for _, o := range objects {
			m, err := registry.ParseManifest(registry.RawManifest{Digest: o.Digest.String(), MediaType: o.MediaType, Body: o.Body})
			if err != nil || m.Subject == nil {
				continue
			}
			err = NewWriters(newClient(t, Options{})).Writer(other).Copy(t.Context(), app, m.Digest)
			if want := "the registry has no referrers API, and the tag " + registry.FallbackTag(m.Subject.Digest.String()) + ", which would list it, names something else"; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %s", err, want)
			}
			refused++
		}
		if tags, err := w.Tags(t.Context()); refused == 0 || len(tags) > 0 || err != nil && !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%d refused, and the tags are %q, %v", refused, tags, err)
		}
	})
}
