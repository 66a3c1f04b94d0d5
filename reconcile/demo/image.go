package demo

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image describes a tag as `docker buildx build --push` creates it: a plain
// manifest for a single platform without provenance, otherwise an index.
//
// Its bytes depend only on these fields, and not on the clock, the repository
// or a compressor. So tests can contain its digests.
type Image struct {
	Tag        string
	Platforms  []string // "linux/amd64", "linux/arm/v7"; the index lists them in this order
	Provenance bool     // adds an attestation manifest for each platform
	Artifact   bool     // attestation manifests have an artifactType, a subject and an empty config, as in BuildKit since 0.32
	Docker     bool     // Docker media types; never with Provenance, as in BuildKit
	Version    string   // the content, or the tag if empty; equal versions have equal image manifests
	Build      int      // distinguishes builds of one version: they have equal image manifests and different provenance
}

// Object is a manifest or a blob.
type Object struct {
	ocispec.Descriptor // as its parent lists it, platform and annotations included
	Body               []byte
}

// Objects returns the parts of the image in an order that every registry
// accepts: blobs before manifests, children before their index. The tag names
// the last one.
func (i Image) Objects() ([]Object, error) {
	switch {
	case len(i.Platforms) == 0:
		return nil, fmt.Errorf("image %q: no platforms", i.Tag)
	case i.Docker && i.Provenance:
		return nil, fmt.Errorf("image %q: provenance needs OCI media types", i.Tag)
	}
	var blobs, images, attestations []Object
	for _, platform := range i.Platforms {
		image, parts, err := i.image(platform)
		if err != nil {
			return nil, fmt.Errorf("image %q: platform %q: %w", i.Tag, platform, err)
		}
		images, blobs = append(images, image), append(blobs, parts...)
		if i.Provenance {
			attestation, parts := i.attest(image, platform)
			attestations, blobs = append(attestations, attestation), append(blobs, parts...)
		}
	}
	manifests := append(images, attestations...)
	objects := append(blobs, manifests...)
	if len(manifests) == 1 {
		return objects, nil
	}
	mediaType := i.mediaTypes().index
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: string(mediaType)}
	for _, m := range manifests {
		index.Manifests = append(index.Manifests, m.Descriptor)
	}
	return append(objects, object(mediaType, indented(index))), nil
}

// image returns the manifest of one platform, and its layer and config.
func (i Image) image(platform string) (Object, []Object, error) {
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return Object{}, nil, err
	}
	mediaTypes, version := i.mediaTypes(), cmp.Or(i.Version, i.Tag)
	files, err := archive("payload.txt", fmt.Sprintf("%s %s for %s\n", SampleRepository, version, platform))
	if err != nil {
		return Object{}, nil, err
	}
	layer := object(mediaTypes.layer, files)
	config := ocispec.Image{
		Platform: ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion},
		Config: ocispec.ImageConfig{
			Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			WorkingDir: "/",
			Labels:     map[string]string{ocispec.AnnotationTitle: SampleRepository, ocispec.AnnotationVersion: version},
		},
		RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}},
	}
	parts := []Object{layer, object(mediaTypes.config, compact(config))}
	image := object(mediaTypes.manifest, indented(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: string(mediaTypes.manifest),
		Config:    parts[1].Descriptor,
		Layers:    []ocispec.Descriptor{layer.Descriptor},
	}))
	image.Platform = &config.Platform
	return image, parts, nil
}

type mediaTypes struct{ index, manifest, config, layer types.MediaType }

// mediaTypes returns the media types of the image. Layers are not compressed,
// since no compressor promises the same bytes in every version.
func (i Image) mediaTypes() mediaTypes {
	if i.Docker {
		return mediaTypes{types.DockerManifestList, types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerUncompressedLayer}
	}
	return mediaTypes{types.OCIImageIndex, types.OCIManifestSchema1, types.OCIConfigJSON, types.OCIUncompressedLayer}
}

func object(mediaType types.MediaType, body []byte) Object {
	return Object{
		Descriptor: ocispec.Descriptor{MediaType: string(mediaType), Digest: digest.FromBytes(body), Size: int64(len(body))},
		Body:       body,
	}
}

// archive returns a tar with one file, dated at the epoch.
func archive(name, content string) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(content)); err != nil {
		return nil, err
	}
	err := w.Close()
	return buf.Bytes(), err
}

// compact returns compact JSON, as BuildKit writes configs. It indents
// manifests.
func compact(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types of image-spec can always be marshaled
	}
	return body
}

func indented(v any) []byte {
	var buf bytes.Buffer
	if err := json.Indent(&buf, compact(v), "", "  "); err != nil {
		panic(err) // as compact
	}
	return buf.Bytes()
}
