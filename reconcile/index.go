package reconcile

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/registry"
)

// composeIndex makes an index of the leaves, and sorts them into its order:
// images by platform, then attestations and companions by the platform of their
// image, then the rest. The plain image of a platform comes before those with
// features: Docker takes the first one of its platform. The bytes depend on the
// arguments and on nothing else.
func composeIndex(tag, mediaType string, leaves []leaf) registry.RawManifest {
	slices.SortStableFunc(leaves, func(a, b leaf) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Platform.Compare(b.Platform), cmp.Compare(a.Features, b.Features), cmp.Compare(a.Digest, b.Digest))
	})
	marked := mediaType == ocispec.MediaTypeImageIndex // a Docker list has no annotations
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Manifests: []ocispec.Descriptor{}}
	if marked {
		index.Annotations = map[string]string{AnnotationAlias: tag}
	}
	for _, l := range leaves {
		d := ocispec.Descriptor{
			MediaType: l.MediaType, Digest: l.descriptor.Digest, Size: l.Size,
			Platform: l.descriptor.Platform, ArtifactType: l.descriptor.ArtifactType,
		}
		if marked {
			d.Annotations = map[string]string{}
			maps.Copy(d.Annotations, l.descriptor.Annotations)
			d.Annotations[AnnotationSource] = l.Source
		}
		index.Manifests = append(index.Manifests, d)
	}
	body, err := json.Marshal(index)
	if err != nil {
		panic(err) // it holds strings and numbers alone
	}
	return registry.RawManifest{Digest: digest.FromBytes(body).String(), MediaType: mediaType, Body: body}
}
