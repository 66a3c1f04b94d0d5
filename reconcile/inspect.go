package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// Inspect looks into one tag or digest.
func Inspect(ctx context.Context, readers registry.Readers, repository config.Repository, reference string) (Inspection, error) {
	var (
		state  = newState()
		in     = Inspection{Repository: repository, Reference: reference}
		parts  []Part
		failed error
	)
	state.settle(ctx, readers, repository, func(v *view) {
		parts, failed = nil, nil
		m, err := v.manifest(repository, reference)
		if err != nil {
			failed = err
			return
		}
		in.Digest, in.MediaType, in.Size, in.Owner = m.Digest, m.MediaType, int64(len(m.Body)), m.Annotations[AnnotationAlias]
		var missing []Part
		there := *m
		there.Children = slices.DeleteFunc(slices.Clone(m.Children), func(d ocispec.Descriptor) bool {
			_, err := v.manifest(repository, d.Digest.String())
			if !errors.Is(err, registry.ErrNotFound) {
				return false
			}
			part := Part{Entry: newLeaf(d).Entry, Missing: true}
			part.Source = d.Annotations[AnnotationSource]
			switch platform := registry.PlatformOf(d.Platform); {
			case registry.MarksAttestation(d):
				part.Kind = policies.Attestation
			case platform != (config.Platform{}):
				part.Kind, part.Platform = policies.Image, platform
			}
			missing = append(missing, part)
			return true
		})
		leaves, err := v.leaves(repository, &there, descriptorOf(m), 0)
		if err != nil {
			failed = err
			return
		}
		for _, l := range distinct(leaves) {
			part := Part{Entry: l.Entry}
			part.Source = l.descriptor.Annotations[AnnotationSource]
			body, err := v.manifest(repository, l.Digest)
			if err != nil {
				failed = err
				continue
			}
			part.Bytes = body.Config.Size
			for _, layer := range body.Layers {
				part.Bytes += layer.Size
			}
			part.Tells = tells(l.Kind, body)
			parts = append(parts, part)
		}
		parts = append(parts, missing...)
	})
	if failed != nil {
		return Inspection{}, failed
	}
	in.Parts = parts
	var err error
	if in.Referrers, err = readers.Reader(repository).Referrers(ctx, in.Digest); err != nil {
		return Inspection{}, fmt.Errorf("referrers of %s: %w", in.Digest, err)
	}
	if in.Cosign, err = cosign(ctx, readers.Reader(repository), in.Digest); err != nil {
		return Inspection{}, err
	}
	return in, nil
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

// tells describes the content of an attestation or artifact.
func tells(kind policies.Kind, m *registry.Manifest) string {
	switch kind {
	case policies.Image:
		return ""
	case policies.Other:
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
