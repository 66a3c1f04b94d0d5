package oci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/oci/transport"
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
	if errors.Is(err, transport.ErrNoReferrersAPI) {
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
	if !errors.Is(err, transport.ErrNoReferrersAPI) {
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
		return false, transport.Lasting(fmt.Errorf("%w, and the tag %s, which would list it, names something else", transport.ErrNoReferrersAPI, tag))
	}
	return slices.ContainsFunc(index.Children, func(d ocispec.Descriptor) bool { return d.Digest.String() == digest }), nil
}
