package oci

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

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
