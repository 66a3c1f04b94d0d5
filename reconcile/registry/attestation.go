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

// IsAttestation reports whether a manifest is an attestation of BuildKit by its
// own content, whatever an index says: by its artifact type, or because all of
// its layers are in-toto.
func (m *Manifest) IsAttestation() bool {
	if m.Index {
		return false
	}
	return m.ArtifactType == AttestationArtifactType || len(m.Layers) > 0 &&
		!slices.ContainsFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.MediaType != inTotoLayer })
}

// MarksAttestation reports whether an index entry says that it is an
// attestation. The platform "unknown/unknown" alone does not say so
// (docker/buildx#1507).
func MarksAttestation(d ocispec.Descriptor) bool {
	return d.Annotations[annotationReferenceType] == referenceTypeAttestation || d.ArtifactType == AttestationArtifactType
}

// IsBuildKits reports whether a manifest is an attestation of BuildKit although
// no index says so. Other tools attach in-toto content too, but with a subject,
// and with another artifact type.
func (m *Manifest) IsBuildKits() bool {
	return m.IsAttestation() && (m.ArtifactType == AttestationArtifactType || m.Subject == nil && m.ArtifactType == "")
}

// HasSBOM reports whether an attestation has an SBOM.
func (m *Manifest) HasSBOM() bool {
	for _, l := range m.Layers {
		if p := strings.ToLower(PredicateType(l)); strings.Contains(p, "spdx") || strings.Contains(p, "cyclonedx") {
			return true
		}
	}
	return false
}

// PredicateType is the in-toto predicate type of a layer, from the annotation of
// BuildKit, or else its media type.
func PredicateType(l ocispec.Descriptor) string {
	if t := l.Annotations["in-toto.io/predicate-type"]; t != "" {
		return t
	}
	return l.MediaType
}
