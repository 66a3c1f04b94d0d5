package reconcile

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// Inspection describes a tag or digest.
type Inspection struct {
	Repository config.Repository
	Reference  string
	Digest     string
	MediaType  string
	Size       int64  // bytes of the manifest itself
	Owner      string // the alias tag that tagline made it for, "" if it did not
	Parts      []Part
	Referrers  []registry.Descriptor
	Cosign     []Tagged
}

// Tagged is a tag and what it names.
type Tagged struct {
	Tag string
	registry.Descriptor
}

// Part is a manifest that a tag offers.
type Part struct {
	policies.Entry        // Source is tagline's mark, "" without one
	Missing        bool   // it is listed and does not exist any more
	Bytes          int64  // of config and layers
	Tells          string // predicate types of an attestation, or an artifact's type
}

// Inspect looks into one tag or digest. What could be read is there beside an
// error, unless the tag itself could not.
func Inspect(ctx context.Context, readers registry.Readers, repository config.Repository, reference string) (Inspection, error) {
	var (
		state = newState()
		in    = Inspection{Repository: repository, Reference: reference}
		look  *looking
	)
	state.settle(ctx, readers, repository, func(v *view) {
		look = &looking{view: v}
		m, err := v.manifest(repository, reference)
		if err != nil {
			look.errs = []error{err}
			return
		}
		in.Digest, in.MediaType, in.Size, in.Owner = m.Digest, m.MediaType, int64(len(m.Body)), m.Annotations[AnnotationAlias]
		look.into(m, 0)
		in.Parts = look.parts()
	})
	if in.Digest == "" {
		return Inspection{}, errors.Join(look.errs...)
	}
	var err error
	if in.Referrers, err = readers.Reader(repository).Referrers(ctx, in.Digest); err != nil {
		look.errs = append(look.errs, fmt.Errorf("referrers of %s: %w", in.Digest, err))
	}
	if in.Cosign, err = cosign(ctx, readers.Reader(repository), in.Digest); err != nil {
		look.errs = append(look.errs, err)
	}
	return in, errors.Join(look.errs...)
}

// cosign returns the tags of cosign that exist for a digest. It asks for each by
// its name, since a list of tags may be long.
func cosign(ctx context.Context, of registry.Reader, digest string) (found []Tagged, err error) {
	tags := registry.CosignTags(digest)
	for i, answer := range of.Resolve(ctx, tags) {
		switch {
		case errors.Is(answer.Err, registry.ErrNotFound):
		case answer.Err != nil:
			return nil, fmt.Errorf("tag %q: %w", tags[i], answer.Err)
		default:
			found = append(found, Tagged{tags[i], answer.Value})
		}
	}
	return found, nil
}

// looking collects what a manifest offers, what it lists that is gone, and what
// could not be read.
type looking struct {
	*view
	leaves  []leaf
	missing []Part
	errs    []error
}

func (l *looking) into(m *registry.Manifest, depth int) {
	if !m.Index || depth == maxNesting { // or the error of one that is too deep
		l.add(l.view.leaves(l.home, m, descriptorOf(m), depth))
		return
	}
	for _, d := range m.Children {
		if !registry.KnownType(d.MediaType) {
			unread, _ := leafOf(d)
			l.leaves = append(l.leaves, unread)
			continue
		}
		child, err := l.manifest(l.home, d.Digest.String())
		switch {
		case errors.Is(err, registry.ErrNotFound):
			l.missing = append(l.missing, missingPart(d))
		case err != nil:
			l.errs = append(l.errs, err)
		case child.Index:
			l.into(child, depth+1)
		default:
			one := *m
			one.Children = []ocispec.Descriptor{d}
			l.add(l.entries(l.home, &one, depth))
		}
	}
}

func (l *looking) add(leaves []leaf, err error) {
	l.leaves = append(l.leaves, leaves...)
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

func missingPart(d ocispec.Descriptor) Part {
	entry, _ := leafOf(d)
	part := Part{Entry: entry.Entry, Missing: true}
	part.Source = d.Annotations[AnnotationSource]
	return part
}

// parts has what is missing at the end.
func (l *looking) parts() []Part {
	var parts []Part
	relate(l.leaves)
	for _, leaf := range distinct(l.leaves) {
		part := Part{Entry: leaf.Entry}
		part.Source = leaf.descriptor.Annotations[AnnotationSource]
		if !registry.KnownType(leaf.MediaType) {
			part.Bytes, part.Tells = leaf.Size, leaf.MediaType
			parts = append(parts, part)
			continue
		}
		body, err := l.manifest(l.home, leaf.Digest)
		if err != nil {
			continue // it is among the errors
		}
		part.Bytes = body.Size() - int64(len(body.Body))
		part.Tells = tells(leaf.Kind, body)
		parts = append(parts, part)
	}
	return append(parts, l.missing...)
}

// tells describes the content of an attestation or artifact.
func tells(kind policies.Kind, m *registry.Manifest) string {
	switch kind {
	case policies.Image:
		return ""
	case policies.Companion, policies.Other:
		if m.ArtifactType != "" {
			return m.ArtifactType
		}
		return m.Config.MediaType
	}
	var all string
	for _, l := range m.Layers {
		if all != "" {
			all += ", "
		}
		all += registry.PredicateType(l)
	}
	return all
}
