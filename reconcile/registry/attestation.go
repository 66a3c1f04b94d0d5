package registry

import (
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types that are not in the OCI image-spec.
const (
	// BuildKit >= 0.32 marks an attestation manifest with this artifact type
	// (moby/buildkit#6914).
	AttestationArtifactType = "application/vnd.docker.attestation.manifest.v1+json"
	inTotoLayer             = "application/vnd.in-toto+json"
)

// Annotations of an index entry by which BuildKit ties an attestation manifest
// to its image (moby/buildkit docs/attestations/attestation-storage.md).
const (
	annotationReferenceType   = "vnd.docker.reference.type"
	AnnotationReferenceDigest = "vnd.docker.reference.digest"
	referenceTypeAttestation  = "attestation-manifest"
)

// isAttestation tells whether the manifest itself, whatever an index says of
// it, is BuildKit's: by artifact type, or by layers that are all in-toto.
func (m *Manifest) IsAttestation() bool {
	if m.Index {
		return false
	}
	return m.ArtifactType == AttestationArtifactType || len(m.Layers) > 0 &&
		!slices.ContainsFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.MediaType != inTotoLayer })
}

// marksAttestation tells whether an index entry says that it is an
// attestation. "unknown/unknown" alone says nothing (docker/buildx#1507).
func MarksAttestation(d ocispec.Descriptor) bool {
	return d.Annotations[annotationReferenceType] == referenceTypeAttestation || d.ArtifactType == AttestationArtifactType
}

// isBuildKits tells whether a manifest that no index vouches for is one of
// BuildKit's attestations. What somebody else attached to an image may be
// in-toto as well, but has a subject, and another artifact type than BuildKit.
func (m *Manifest) IsBuildKits() bool {
	return m.IsAttestation() && (m.ArtifactType == AttestationArtifactType || m.Subject == nil && m.ArtifactType == "")
}

// hasSBOM tells whether an attestation holds more than provenance.
func (m *Manifest) HasSBOM() bool {
	for _, l := range m.Layers {
		if p := strings.ToLower(PredicateType(l)); strings.Contains(p, "spdx") || strings.Contains(p, "cyclonedx") {
			return true
		}
	}
	return false
}

// predicate is the in-toto predicate type of a layer, as BuildKit notes it.
func PredicateType(l ocispec.Descriptor) string {
	if t := l.Annotations["in-toto.io/predicate-type"]; t != "" {
		return t
	}
	return l.MediaType
}
