package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The referrers API (distribution-spec, "Listing Referrers").

// ErrNoReferrersAPI means that a registry lists no referrers.
var ErrNoReferrersAPI = errors.New("the registry has no referrers API")

// Bounds of what the API lists, for a registry that has something new on every page
// for ever.
const (
	maxReferrers     = 100_000
	maxReferrerPages = 1000
)

// referrers asks for what refers to a manifest. It knows what says that there is no
// API: a 404, a 405 or a 501, another type than an index, and a redirect to a web page
// of another host (ghcr.io, artifacthub/hub#4785). A reader gets all pages as one,
// since go-containerregistry reads the first alone. A push is told by a 404 that there
// is no API, after which go-containerregistry writes the fallback tag, and needs no
// other page.
func referrers(next http.RoundTripper, req *http.Request, reads bool) (*http.Response, error) {
	resp, err := next.RoundTrip(req)
	switch {
	case err != nil:
		return nil, err
	case hasNoAPI(resp) && reads:
		discard(resp)
		return nil, Lasting(ErrNoReferrersAPI)
	case hasNoAPI(resp):
		if resp.StatusCode = http.StatusNotFound; taken(next, req) {
			resp.StatusCode = http.StatusOK
		}
		return resp, nil
	case resp.StatusCode != http.StatusOK:
		return resp, nil
	}
	if reads {
		return allPages(next, req, resp)
	}
	body, err := readDocument(resp)
	if err != nil {
		return nil, err
	}
	return withBody(resp, body), nil
}

// allPages makes one answer of a first page and all that follow.
func allPages(next http.RoundTripper, first *http.Request, resp *http.Response) (*http.Response, error) {
	var all []ocispec.Descriptor
	seen := map[string]bool{}
	for page := first; ; {
		link := Links(resp.Header)["next"]
		body, err := readDocument(resp)
		switch {
		case err != nil:
			return nil, err
		case link == "" && page == first:
			return withBody(resp, body), nil
		}
		var index ocispec.Index
		if err := json.Unmarshal(body, &index); err != nil {
			return nil, Lasting(fmt.Errorf("page of referrers: %w", err))
		}
		for _, d := range index.Manifests {
			all = append(all, ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: d.ArtifactType})
		}
		if link == "" {
			index.Manifests = all
			if body, err = json.Marshal(index); err != nil {
				return nil, err
			}
			return withBody(resp, body), nil
		}
		seen[page.URL.String()] = true
		to, err := page.URL.Parse(link)
		switch {
		case err != nil || !sameResource(to, first.URL):
			err = fmt.Errorf("the next page of referrers is %q, which is no page of them", Printable(link))
		case seen[to.String()]:
			err = errors.New("the pages of referrers lead in a circle")
		case len(seen) == maxReferrerPages, len(all) > maxReferrers:
			err = fmt.Errorf("there are more than %d referrers, or %d pages of them", maxReferrers, maxReferrerPages)
		}
		if err != nil {
			return nil, Lasting(err)
		}
		page = first.Clone(first.Context())
		page.URL = to
		switch resp, err = next.RoundTrip(page); {
		case err != nil:
			return nil, err
		case hasNoAPI(resp): // there is one: it answered before
			discard(resp)
			return nil, Lasting(fmt.Errorf("page %d of the referrers was answered with %d %s, and not with a list", len(seen)+1, resp.StatusCode, http.StatusText(resp.StatusCode)))
		case resp.StatusCode != http.StatusOK:
			return resp, nil
		}
	}
}

// taken reports whether the fallback tag names no index, or the subject itself, so that
// it must not be written. The index that a copy pushes lists its attestations anyway,
// and for anything else attached says that the tag is taken.
func taken(next http.RoundTripper, req *http.Request) bool {
	name, hex, ok := strings.Cut(req.URL.Path, "/referrers/sha256:")
	if !ok {
		return false
	}
	get := req.Clone(req.Context())
	get.URL.Path = name + "/manifests/sha256-" + hex
	get.Header.Set("Accept", strings.Join([]string{
		ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, string(types.DockerManifestList), string(types.DockerManifestSchema2),
	}, ", "))
	resp, err := next.RoundTrip(get) //nolint:bodyclose // it is closed below
	if err != nil {
		return false // go-containerregistry asks the same
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readDocument(resp)
	return err == nil && resp.StatusCode == http.StatusOK && (digest.FromBytes(body).String() == "sha256:"+hex || baseType(resp) != ocispec.MediaTypeImageIndex)
}

// hasNoAPI reports whether an answer means that the registry lists no referrers.
// A 400 and a 406 come from registries that take the path for another one.
func hasNoAPI(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusOK:
		return baseType(resp) != ocispec.MediaTypeImageIndex
	case http.StatusNotFound, http.StatusBadRequest, http.StatusNotAcceptable:
		return true
	case http.StatusSeeOther:
		page, err := resp.Location()
		return err == nil && page.Host != resp.Request.URL.Host
	}
	return IsNoSuchMethod(resp.StatusCode)
}

// sameResource reports whether two addresses differ in their queries alone.
func sameResource(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Host == b.Host && a.Path == b.Path
}
