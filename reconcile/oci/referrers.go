package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// What refers to a manifest (distribution-spec, "Listing Referrers" and
// "Referrers Tag Schema").

// Referrers asks the API, and where there is none the fallback tag.
func (r *reader) Referrers(ctx context.Context, digest string) ([]registry.Descriptor, error) {
	if r.err != nil {
		return nil, r.failure(r.subject(digest), r.err)
	}
	found, err := r.referrers(ctx, digest)
	if errors.Is(err, errNoReferrersAPI) {
		found, err = r.fallback(ctx, digest)
	}
	if err != nil {
		return nil, r.failure("referrers of "+r.subject(digest), err)
	}
	return found, nil
}

func (r *reader) referrers(ctx context.Context, digest string) ([]registry.Descriptor, error) {
	index, err := remote.Referrers(r.name.Digest(digest), remote.Reuse(r.client.puller), remote.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	found := make([]registry.Descriptor, 0, len(manifest.Manifests))
	for _, m := range manifest.Manifests {
		found = append(found, registry.Descriptor{Digest: m.Digest.String(), MediaType: string(m.MediaType), ArtifactType: m.ArtifactType, Size: m.Size})
	}
	return found, nil
}

// readEntries bounds the entries of a fallback tag that are read because their
// descriptors don't say whether they refer to the subject. Entries beyond it count
// as referrers, so that nothing they may refer to is deleted.
const readEntries = 100

// fallback returns the referrers that the fallback tag lists. What the tag names
// counts only if it is an index, and its entries only if they refer to the subject:
// GitLab's registry answers for the tag of any digest with that manifest itself, and
// anything can be pushed under such a tag.
func (r *reader) fallback(ctx context.Context, digest string) ([]registry.Descriptor, error) {
	raw, err := r.manifest(ctx, r.name.Tag(registry.FallbackTag(digest)))
	switch {
	case isAbsent(err):
		return nil, nil
	case err != nil:
		return nil, err
	case raw.Digest == digest || raw.MediaType != ocispec.MediaTypeImageIndex:
		return nil, nil
	}
	index, err := registry.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	var found []registry.Descriptor
	read := 0
	for _, d := range index.Children {
		refers, told := registry.TellsReferrer(d, digest)
		if !told && read < readEntries {
			read++
			if refers, err = r.refers(ctx, d.Digest.String(), digest); err != nil {
				return nil, err
			}
		}
		if refers || !told && read == readEntries {
			found = append(found, registry.Descriptor{Digest: d.Digest.String(), MediaType: d.MediaType, ArtifactType: d.ArtifactType, Size: d.Size})
		}
	}
	return found, nil
}

// refers reads a manifest and reports whether it has the subject. One that does
// not exist any more has none.
func (r *reader) refers(ctx context.Context, digest, subject string) (bool, error) {
	raw, err := r.manifest(ctx, r.name.Digest(digest))
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	m, err := registry.ParseManifest(raw)
	if err != nil {
		return false, err
	}
	return m.Subject != nil && m.Subject.Digest.String() == subject, nil
}

// subjectOf returns the digest that a manifest names as its subject, "" if it names
// none.
func subjectOf(raw registry.RawManifest) string {
	if m, err := registry.ParseManifest(raw); err == nil && m.Subject != nil {
		return m.Subject.Digest.String()
	}
	return ""
}

// alone has pushes that refer to one subject wait for each other until the returned
// function is called: where there is no API, each reads the fallback tag and writes
// it again with one entry more.
func (w *writer) alone(subject string) (done func()) {
	lock, _ := w.writers.subjects.LoadOrStore(w.subject(subject), &sync.Mutex{})
	lock.(*sync.Mutex).Lock()
	return lock.(*sync.Mutex).Unlock
}

// attached pushes a manifest, and sees that it is among the referrers of its subject,
// if it has one. go-containerregistry maintains the fallback tag, but not for a
// manifest that is there already: an earlier push may have been cut in between.
func (w *writer) attached(ctx context.Context, raw registry.RawManifest, push func() error) error {
	subject := subjectOf(raw)
	if subject == "" {
		return push()
	}
	defer w.alone(subject)()
	listed, err := w.lists(ctx, subject, raw.Digest)
	if err != nil {
		return err
	}
	if err := push(); err != nil || listed {
		return err
	}
	if listed, err = w.lists(ctx, subject, raw.Digest); err != nil || listed {
		return err
	}
	return w.writers.pusher.Load().Put(ctx, w.name.Digest(raw.Digest), taggable{raw})
}

// lists reports whether a manifest is among the referrers of a subject. It is an
// error if it can't be, since the fallback tag is taken by something else
// (distribution-spec, "Pushing Manifests with Subject").
func (w *writer) lists(ctx context.Context, subject, digest string) (bool, error) {
	found, err := w.referrers(ctx, subject)
	if !errors.Is(err, errNoReferrersAPI) {
		return slices.ContainsFunc(found, func(d registry.Descriptor) bool { return d.Digest == digest }), err
	}
	tag := registry.FallbackTag(subject)
	raw, err := w.manifest(ctx, w.name.Tag(tag))
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	index, err := registry.ParseManifest(raw)
	isImage := func(d ocispec.Descriptor) bool { return registry.PlatformOf(d.Platform) != (config.Platform{}) }
	if err != nil || raw.Digest == subject || raw.MediaType != ocispec.MediaTypeImageIndex || slices.ContainsFunc(index.Children, isImage) {
		return false, lasting(fmt.Errorf("%w, and the tag %s, which would list it, names something else", errNoReferrersAPI, tag))
	}
	return slices.ContainsFunc(index.Children, func(d ocispec.Descriptor) bool { return d.Digest.String() == digest }), nil
}

// errNoReferrersAPI means that a registry lists no referrers.
var errNoReferrersAPI = errors.New("the registry has no referrers API")

// Bounds of what the API lists, for a registry that has something new on every page
// for ever.
const (
	maxReferrers     = 100_000
	maxReferrerPages = 1000
)

// referrers makes of all pages one, since go-containerregistry reads the first alone.
// It knows what says that there is no API: a 404, a 405 or a 501, another type than
// an index, and a redirect to a web page of another host (ghcr.io,
// artifacthub/hub#4785). A push is told the same by a 404, after which
// go-containerregistry writes the fallback tag, and needs no other page.
func (v *verifier) referrers(req *http.Request) (*http.Response, error) {
	var all []ocispec.Descriptor
	seen := map[string]bool{}
	for page := req; ; {
		resp, err := v.next.RoundTrip(page)
		if err != nil {
			return nil, err
		}
		if hasNoAPI(resp) {
			if v.wholeBlobs {
				discard(resp)
				return nil, lasting(errNoReferrersAPI)
			}
			if resp.StatusCode = http.StatusNotFound; v.taken(req) {
				resp.StatusCode = http.StatusOK
			}
			return resp, nil
		}
		if resp.StatusCode != http.StatusOK {
			return resp, nil
		}
		next := nextPage(resp)
		body, err := readDocument(resp)
		if err != nil {
			return nil, err
		}
		if !v.wholeBlobs || next == "" && page == req {
			return withBody(resp, body), nil
		}
		var index ocispec.Index
		if err := json.Unmarshal(body, &index); err != nil {
			return nil, lasting(fmt.Errorf("page of referrers: %w", err))
		}
		for _, d := range index.Manifests {
			all = append(all, ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, ArtifactType: d.ArtifactType})
		}
		seen[page.URL.String()] = true
		if next == "" {
			index.Manifests = all
			if body, err = json.Marshal(index); err != nil {
				return nil, err
			}
			return withBody(resp, body), nil
		}
		to, err := page.URL.Parse(next)
		switch {
		case err != nil || !sameResource(to, req.URL):
			err = fmt.Errorf("the next page of referrers is %q, which is no page of them", printable(next))
		case seen[to.String()]:
			err = errors.New("the pages of referrers lead in a circle")
		case len(seen) == maxReferrerPages, len(all) > maxReferrers:
			err = fmt.Errorf("there are more than %d referrers, or %d pages of them", maxReferrers, maxReferrerPages)
		}
		if err != nil {
			return nil, lasting(err)
		}
		page = req.Clone(req.Context())
		page.URL = to
	}
}

// taken reports whether the fallback tag names no index, or the subject itself, so that
// it must not be written. The index that a copy pushes lists its attestations anyway,
// and for anything else attached says that the tag is taken.
func (v *verifier) taken(req *http.Request) bool {
	name, hex, ok := strings.Cut(req.URL.Path, "/referrers/sha256:")
	if !ok {
		return false
	}
	get := req.Clone(req.Context())
	get.URL.Path = name + "/manifests/sha256-" + hex
	get.Header.Set("Accept", strings.Join([]string{
		ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, string(types.DockerManifestList), string(types.DockerManifestSchema2),
	}, ", "))
	resp, err := v.next.RoundTrip(get) //nolint:bodyclose // it is closed below
	if err != nil {
		return false // go-containerregistry asks the same
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readDocument(resp)
	return err == nil && resp.StatusCode == http.StatusOK && (digestOf(body) == "sha256:"+hex || baseType(resp) != ocispec.MediaTypeImageIndex)
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
	return isNoSuchMethod(resp.StatusCode)
}

// linkNext is the Link header of a page that is not the last (RFC 8288).
var linkNext = regexp.MustCompile(`<([^>]*)>[^,]*;\s*rel="?next"?`)

// nextPage returns the address of the next page, "" if this is the last.
func nextPage(resp *http.Response) string {
	if match := linkNext.FindStringSubmatch(strings.Join(resp.Header.Values("Link"), ", ")); match != nil {
		return match[1]
	}
	return ""
}

// sameResource reports whether two addresses differ in their queries alone.
func sameResource(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Host == b.Host && a.Path == b.Path
}
