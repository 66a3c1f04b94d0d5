package registry_test

import (
	"slices"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/registry"
)

func TestWhatAnEntrySays(t *testing.T) {
	const image, self = "sha256:aa", "sha256:bb"
	entry := func(artifactType, key, value string, features ...string) ocispec.Descriptor {
		return ocispec.Descriptor{
			Digest: self, ArtifactType: artifactType, Annotations: map[string]string{key: value},
			Platform: &ocispec.Platform{OS: "linux", Architecture: "amd64", OSFeatures: features},
		}
	}
	for name, test := range map[string]struct {
		entry    ocispec.Descriptor
		refersTo string
		artifact bool
		features []string
	}{
		"an image":                       {entry: entry("", "org.opencontainers.image.version", "1")},
		"an image that says so":          {entry: entry(ocispec.MediaTypeImageConfig, "", "")},
		"Docker's image that says so":    {entry: entry(registry.DockerConfig, "", "")},
		"a SOCI index":                   {entry: entry("application/vnd.amazon.soci.index.v2+json", "com.amazon.soci.image-manifest-digest", image), refersTo: image, artifact: true},
		"BuildKit's reference":           {entry: entry("", registry.AnnotationReferenceDigest, image), refersTo: image},
		"a reference to itself":          {entry: entry("", "com.amazon.soci.image-manifest-digest", self)},
		"the image of a SOCI index":      {entry: entry("", "com.amazon.soci.index-digest", image)},
		"zstd":                           {entry: entry("", "io.github.containers.compression.zstd", "true"), features: []string{"zstd"}},
		"no zstd":                        {entry: entry("", "io.github.containers.compression.zstd", "false")},
		"nydus, by its feature":          {entry: entry("", "", "", "nydus.remoteimage.v1"), features: []string{"nydus.remoteimage.v1"}},
		"nydus, by its type":             {entry: entry("application/vnd.nydus.image.manifest.v1+json", "", ""), artifact: true},
		"features in another order":      {entry: entry("", "io.github.containers.compression.zstd", "true", "b", "a", "b"), features: []string{"a", "b", "zstd"}},
		"no platform and no annotations": {entry: ocispec.Descriptor{Digest: self}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := registry.RefersTo(test.entry); got != test.refersTo {
				t.Errorf("refers to %q, want %q", got, test.refersTo)
			}
			if got := registry.MarksArtifact(test.entry); got != test.artifact {
				t.Errorf("is an artifact: %t", got)
			}
			if got := registry.Features(test.entry); !slices.Equal(got, test.features) {
				t.Errorf("features %q, want %q", got, test.features)
			}
		})
	}
}
