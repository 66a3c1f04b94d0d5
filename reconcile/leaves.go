package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// maxNesting bounds how deep indexes may be nested in each other. No known
// builder needs more than one level.
const maxNesting = 3

// leaf is an entry that an index offers, directly or through nested indexes.
type leaf struct {
	policies.Entry
	descriptor   ocispec.Descriptor // the entry of its index, or one made for a manifest that has no index
	repository   config.Repository  // where it is now
	sourceDigest string
	written      string // the source as images.yaml spells it; through an alias, that of the alias
}

func newLeaf(d ocispec.Descriptor) leaf {
	return leaf{descriptor: d, Entry: policies.Entry{
		Kind: policies.Other, MediaType: d.MediaType, Digest: d.Digest.String(), Size: d.Size,
		Features: strings.Join(registry.Features(d), ", "), RefersTo: registry.RefersTo(d),
	}}
}

// setPlatform makes a leaf an image of a platform that its index entry lacks.
func (l *leaf) setPlatform(platform config.Platform) {
	l.Kind, l.Platform = policies.Image, platform
	l.descriptor.Platform = &ocispec.Platform{
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant, OSVersion: platform.OSVersion,
	}
}

// target is the platform of an image in words, with what sets it apart from other
// images of that platform.
func (l leaf) target() string {
	text := l.Platform.Normal().String()
	if l.Features != "" {
		text += " (" + l.Features + ")"
	}
	return text
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
	artifact := depth > 0 && (registry.MarksArtifact(d) || l.RefersTo != "")
	if l.RefersTo == "" && m.Subject != nil {
		l.RefersTo = m.Subject.Digest.String()
	}
	switch {
	case m.IsAttestation():
		l.Kind = policies.Attestation
	case m.IsImage() && !artifact:
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
		if l, told := leafOf(d); told {
			all = append(all, l)
			continue
		}
		m, err := v.manifest(in, d.Digest.String())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		below, err := v.leaves(in, m, d, depth+1)
		errs = append(errs, err)
		all = append(all, below...)
	}
	relate(all)
	return all, errors.Join(errs...)
}

// leafOf returns the leaf of an index entry, and whether the entry says what it
// is. One of a type that tagline does not know says enough: it may be no manifest
// at all (moby/buildkit cache/remotecache/v1/types/doc.go has an index of layers),
// so it can't be read. An artifact with a platform is never an image, and the
// platform says which image it belongs to.
func leafOf(d ocispec.Descriptor) (_ leaf, told bool) {
	l := newLeaf(d)
	platform := registry.PlatformOf(d.Platform)
	refers, artifact, named := l.RefersTo != "", registry.MarksArtifact(d), platform != (config.Platform{})
	switch {
	case registry.MarksAttestation(d):
		l.Kind = policies.Attestation
	case !registry.KnownType(d.MediaType), refers && artifact, named && (refers || artifact):
	case named && !registry.IsIndex(d.MediaType):
		l.Kind, l.Platform = policies.Image, platform
	default:
		return l, false
	}
	return l, true
}

// relate finds the image that each attestation and artifact of an index belongs to,
// and gives it the platform of that image. An artifact that belongs to an image is
// a companion. It may belong to the image through other artifacts; what belongs to
// an attestation goes where the attestation goes, and counts as one. Artifacts that
// refer to each other in a circle belong to no image.
func relate(leaves []leaf) {
	images := map[string]config.Platform{} // by digest
	plain := map[config.Platform]leaf{}    // the plain image of a platform, or else its first one
	others := map[string]leaf{}
	for _, l := range leaves {
		if l.Kind != policies.Image {
			others[l.Digest] = l
			continue
		}
		images[l.Digest] = l.Platform
		at := l.Platform.Normal()
		if first, there := plain[at]; !there || first.Features != "" && l.Features == "" {
			plain[at] = l
		}
	}
	for i := range leaves {
		l := &leaves[i]
		if l.Kind == policies.Image {
			continue
		}
		kind, of := l.Kind, l.RefersTo
		if kind == policies.Other {
			kind = policies.Companion
			if of == "" && registry.MarksArtifact(l.descriptor) {
				of = plain[registry.PlatformOf(l.descriptor.Platform).Normal()].Digest
			}
		}
		for seen := map[string]bool{}; !seen[of]; of = others[of].RefersTo {
			seen[of] = true
			if platform, is := images[of]; is {
				l.Kind, l.RefersTo, l.Platform = kind, of, platform
				break
			}
			if others[of].Kind == policies.Attestation {
				kind = policies.Attestation
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

// belongings counts the attestations of each image, or its companions, by its
// digest.
func belongings(leaves []leaf, kind policies.Kind) map[string]int {
	of := map[string]int{}
	for _, l := range leaves {
		if l.Kind == kind {
			of[l.RefersTo]++
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
