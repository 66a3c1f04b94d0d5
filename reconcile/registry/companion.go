package registry

import (
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotationSOCIImage is the annotation of an index entry by which AWS's
// `soci convert` ties a SOCI index to its image. The entry has the platform of the
// image as well, and the artifact type application/vnd.amazon.soci.index.v2+json
// (awslabs/soci-snapshotter soci/soci_index.go, soci/soci_convert.go).
const annotationSOCIImage = "com.amazon.soci.image-manifest-digest"

// compression is the start of the annotations of an index entry that say which
// compression an image needs. Buildah and Podman write "zstd" after it, with the
// value "true", and choose by it (containers/image internal/manifest/oci_index.go).
const compression = "io.github.containers.compression."

// RefersTo returns the digest of the manifest that an index entry says it belongs
// to, "" if it names none but itself.
func RefersTo(d ocispec.Descriptor) string {
	for _, key := range []string{AnnotationReferenceDigest, annotationSOCIImage} {
		if digest := d.Annotations[key]; digest != "" && digest != d.Digest.String() {
			return digest
		}
	}
	return ""
}

// MarksArtifact reports whether an index entry says that it is an artifact, by an
// artifact type that is not the config type of an image. It may have a platform
// all the same: SOCI indexes do, and nydus manifests (nydusify marks them with
// application/vnd.nydus.image.manifest.v1+json).
func MarksArtifact(d ocispec.Descriptor) bool {
	return d.ArtifactType != "" && d.ArtifactType != ocispec.MediaTypeImageConfig && d.ArtifactType != DockerConfig
}

// Features returns what an index entry asks of a runtime beyond its platform,
// sorted: os.features, of which nydus has one (nydus.remoteimage.v1), and a
// compression such as zstd. A runtime can tell entries of one platform apart by
// it, and by nothing else that an entry has.
func Features(d ocispec.Descriptor) []string {
	var all []string
	if d.Platform != nil {
		all = slices.Clone(d.Platform.OSFeatures)
	}
	for key, value := range d.Annotations {
		if algorithm, ok := strings.CutPrefix(key, compression); ok && value == "true" {
			all = append(all, algorithm)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
