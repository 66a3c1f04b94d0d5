package reconcile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// maxNesting bounds how deep indexes may be nested in each other. No known
// builder needs more than one level.
const maxNesting = 3

// leaf is a manifest that an index offers, directly or through nested indexes.
type leaf struct {
	policies.Entry
	descriptor   ocispec.Descriptor // the entry of its index, or one made for a manifest that has no index
	repository   config.Repository  // where it is now
	sourceDigest string
}

func newLeaf(d ocispec.Descriptor) leaf {
	return leaf{descriptor: d, Entry: policies.Entry{
		Kind: policies.Other, MediaType: d.MediaType, Digest: d.Digest.String(), Size: d.Size,
		Attests: d.Annotations[registry.AnnotationReferenceDigest],
	}}
}

// setPlatform makes a leaf an image of a platform that its index entry lacks.
func (l *leaf) setPlatform(platform config.Platform) {
	l.Kind, l.Platform = policies.Image, platform
	l.descriptor.Platform = &ocispec.Platform{
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant, OSVersion: platform.OSVersion,
	}
}

// leaves finds the images, attestations and artifacts of a manifest. d is the
// index entry that leads to it.
func (v *view) leaves(in config.Repository, m *registry.Manifest, d ocispec.Descriptor, depth int) ([]leaf, error) {
	if m.Index {
		if depth == maxNesting {
			return nil, fmt.Errorf("index %s: indexes are nested deeper than %d", m.Digest, maxNesting)
		}
		return v.entries(in, m, depth)
	}
	l := newLeaf(d)
	switch {
	case m.IsAttestation():
		l.Kind = policies.Attestation
		if l.Attests == "" && m.Subject != nil {
			l.Attests = m.Subject.Digest.String()
		}
	case m.IsImage():
		platform, err := v.platform(in, m.Config.Digest.String())
		if other := (*unreadConfig)(nil); m.MayBeImage() && errors.As(err, &other) {
			break
		}
		if err != nil {
			return nil, err
		}
		if platform == (config.Platform{}) {
			break // no alias can ask for it: it travels like an artifact
		}
		l.setPlatform(platform)
	}
	return []leaf{l}, nil
}

// entries finds the leaves of an index. It reads only what the index does not
// say: nested indexes, and entries without a platform.
func (v *view) entries(in config.Repository, index *registry.Manifest, depth int) ([]leaf, error) {
	var (
		all  []leaf
		errs []error
	)
	for _, d := range index.Children {
		l := newLeaf(d)
		switch platform := registry.PlatformOf(d.Platform); {
		case registry.MarksAttestation(d):
			l.Kind = policies.Attestation
			all = append(all, l)
		case platform != (config.Platform{}) && !registry.IsIndex(d.MediaType):
			l.Kind, l.Platform = policies.Image, platform
			all = append(all, l)
		default:
			m, err := v.manifest(in, d.Digest.String())
			if err != nil {
				errs = append(errs, err)
				continue
			}
			below, err := v.leaves(in, m, d, depth+1)
			errs = append(errs, err)
			all = append(all, below...)
		}
	}
	setPlatforms(all)
	return all, errors.Join(errs...)
}

// setPlatforms gives attestations the platforms of the images that they attest.
func setPlatforms(leaves []leaf) {
	for i := range leaves {
		for _, image := range leaves {
			if leaves[i].Kind == policies.Attestation && image.Kind == policies.Image && leaves[i].Attests == image.Digest {
				leaves[i].Platform = image.Platform
			}
		}
	}
}

// distinct drops repeated leaves, which nested indexes can hold.
func distinct(leaves []leaf) []leaf {
	seen := map[policies.Entry]bool{}
	return slices.DeleteFunc(slices.Clone(leaves), func(l leaf) bool {
		again := seen[l.Entry]
		seen[l.Entry] = true
		return again
	})
}

// attestations counts the attestation manifests of each image, by its digest.
func attestations(leaves []leaf) map[string]int {
	of := map[string]int{}
	for _, l := range leaves {
		if l.Kind == policies.Attestation {
			of[l.Attests]++
		}
	}
	return of
}

// descriptorOf makes an index entry for a manifest, without a platform.
func descriptorOf(m *registry.Manifest) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: m.MediaType, Digest: digest.Digest(m.Digest), Size: int64(len(m.Body)), ArtifactType: m.ArtifactType,
	}
}
