package registry

import (
	"regexp"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
)

// fallback is a tag that stands for the referrers of a digest where a registry
// has no API for them (distribution-spec, "Referrers Tag Schema"), or one that
// cosign makes for a signature, attestation or SBOM of it.
var fallback = regexp.MustCompile(`^sha256-([0-9a-f]{64})(\.[a-z]+)?$`)

// FallbackSubject is the digest that a fallback tag is about, "" for any other
// tag.
func FallbackSubject(tag string) string {
	if match := fallback.FindStringSubmatch(tag); match != nil {
		return "sha256:" + match[1]
	}
	return ""
}

// FallbackTag is the tag for the referrers of a digest.
func FallbackTag(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// CosignTags returns the tags under which cosign keeps signatures, attestations
// and SBOMs of a digest (cosign specs/SIGNATURE_SPEC.md, "Tag-based Discovery").
func CosignTags(digest string) []string {
	tag := FallbackTag(digest)
	return []string{tag + ".sig", tag + ".att", tag + ".sbom"}
}

// TellsReferrer reports whether an entry of a fallback index refers to the subject,
// as far as its descriptor tells. An index of referrers states their artifact types
// (distribution-spec, "Referrers Tag Schema"); an entry with a platform is an image
// or belongs to one.
func TellsReferrer(d ocispec.Descriptor, subject string) (refers, told bool) {
	switch {
	case d.Digest.String() == subject:
		return false, true
	case PlatformOf(d.Platform) != (config.Platform{}):
		return false, false
	case d.Annotations[AnnotationReferenceDigest] != "":
		return d.Annotations[AnnotationReferenceDigest] == subject, true
	}
	return d.ArtifactType != "", d.ArtifactType != ""
}

// IsCosigns reports whether a manifest is what cosign pushes under its tags: it has
// layers, and none is that of a file system.
func (m *Manifest) IsCosigns() bool {
	return !m.Index && len(m.Layers) > 0 && !slices.ContainsFunc(m.Layers, func(l ocispec.Descriptor) bool {
		return strings.HasPrefix(l.MediaType, "application/vnd.oci.image.layer.") || strings.HasPrefix(l.MediaType, "application/vnd.docker.image.rootfs.")
	})
}
