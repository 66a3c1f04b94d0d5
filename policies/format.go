package policies

import (
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config/findings"
)

// Docker's media types (distribution, image manifest version 2 schema 2).
const (
	DockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Format is the media type of composed indexes. An OCI index may hold Docker
// manifests. A Docker list must not hold OCI manifests: an old client that asks
// for a list could not read them.
var Format = Policy[string]{
	Name:   "format",
	Doc:    "media type of the indexes that tagline composes",
	Values: words[string]{{"oci", ocispec.MediaTypeImageIndex}, {"docker", DockerManifestList}},
	Strict: same[string](),
	Apply: func(mediaType string, a Alias) (Alias, []Finding) {
		a.MediaType = mediaType
		if mediaType != DockerManifestList || !a.Composed() {
			return a, nil
		}
		var found []Finding
		for _, e := range a.Entries {
			if e.MediaType == DockerManifest {
				continue
			}
			what := "the " + e.Platform.String() + " image"
			if e.Kind != Image {
				what = "an attestation or artifact"
			}
			found = append(found, Finding{ID: findings.DockerOCIChild, Message: fmt.Sprintf(
				"%s of source %q is %s, which a Docker manifest list must not hold; use format: oci, or build that image with Docker media types",
				what, e.Source, e.MediaType)})
		}
		return a, found
	},
}
