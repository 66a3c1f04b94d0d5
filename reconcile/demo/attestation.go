package demo

import (
	"cmp"
	"fmt"
	"net/url"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	inToto           = types.MediaType("application/vnd.in-toto+json")
	attestationType  = "application/vnd.docker.attestation.manifest.v1+json"
	slsaProvenance   = "https://slsa.dev/provenance/v0.2"
	unknown          = "unknown"
	provenanceFormat = `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":%q,` +
		`"subject":[{"name":"pkg:docker/%s@%s?platform=%s","digest":{"sha256":%q}}],` +
		`"predicate":{"builder":{"id":""},"buildType":"https://mobyproject.org/buildkit@v1",` +
		`"invocation":{"configSource":{},"parameters":{"frontend":"dockerfile.v0","locals":[{"name":"context"},{"name":"dockerfile"}]},` +
		`"environment":{"platform":"linux/amd64"}},` +
		`"metadata":{"buildInvocationID":"build%d","completeness":{"parameters":false,"environment":true,"materials":false},"reproducible":false}}}`
)

// attest returns the attestation manifest of a platform's image, and its blobs:
// what `--provenance=mode=min` adds, without the start and end times.
// moby/buildkit docs/attestations/attestation-storage.md documents both shapes.
func (i Image) attest(image Object, platform string) (Object, []Object) {
	statement := object(inToto, fmt.Appendf(nil, provenanceFormat, slsaProvenance, SampleRepository,
		cmp.Or(i.Version, i.Tag), url.QueryEscape(platform), image.Digest.Encoded(), i.Build))
	statement.Annotations = map[string]string{"in-toto.io/predicate-type": slsaProvenance}

	// Tools that don't know attestations see an image for a platform that does
	// not exist.
	nowhere := ocispec.Platform{OS: unknown, Architecture: unknown}
	config := object(types.OCIConfigJSON, compact(ocispec.Image{
		Platform: nowhere,
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{statement.Digest}},
	}))
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: string(types.OCIManifestSchema1),
		Layers:    []ocispec.Descriptor{statement.Descriptor},
	}
	if i.Artifact {
		config = Object{Descriptor: ocispec.DescriptorEmptyJSON, Body: ocispec.DescriptorEmptyJSON.Data}
		manifest.ArtifactType = attestationType
		manifest.Subject = &ocispec.Descriptor{MediaType: image.MediaType, Digest: image.Digest, Size: image.Size}
	}
	manifest.Config = config.Descriptor

	attestation := object(types.OCIManifestSchema1, indented(manifest))
	attestation.Platform = &nowhere
	attestation.Annotations = map[string]string{
		"vnd.docker.reference.digest": image.Digest.String(),
		"vnd.docker.reference.type":   "attestation-manifest",
	}
	return attestation, []Object{statement, config}
}
