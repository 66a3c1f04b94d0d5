package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
)

// DockerConfig is the media type of an image config by Docker (distribution,
// image manifest version 2 schema 2).
const DockerConfig = "application/vnd.docker.container.image.v1+json"

// MaxManifest is how many bytes a manifest may have: what distribution-spec 1.1 has
// registries take at least ("Pushing Manifests"), and Amazon ECR at most.
const MaxManifest = 4 << 20

// RawManifest is a manifest as a registry sent it.
type RawManifest struct {
	Digest    string // of Body
	MediaType string // the Content-Type it came with
	Body      []byte
}

// Manifest is a parsed manifest.
type Manifest struct {
	RawManifest
	// An index has Children, an image or artifact has Config and Layers.
	Index        bool
	Children     []ocispec.Descriptor
	Config       ocispec.Descriptor
	Layers       []ocispec.Descriptor
	Subject      *ocispec.Descriptor
	ArtifactType string
	Annotations  map[string]string
}

// Size returns the bytes of a manifest, its config and its layers. Blobs that others
// share are counted, too.
func (m *Manifest) Size() int64 {
	size := int64(len(m.Body))
	if !m.Index {
		size += m.Config.Size
		for _, l := range m.Layers {
			size += l.Size
		}
	}
	return size
}

// SizeOf is [Manifest.Size] for a manifest that may be none that can be parsed; then
// it counts the manifest alone.
func SizeOf(raw RawManifest) int64 {
	if m, err := ParseManifest(raw); err == nil {
		return m.Size()
	}
	return int64(len(raw.Body))
}

// ParseManifest parses the bytes that a registry sent. It refuses what could be
// read in two ways: a body that is both image and index, a key that stands
// twice, a mediaType that is not the Content-Type, an invalid descriptor (OCI
// image-spec 1.1; CVE-2021-41190).
func ParseManifest(raw RawManifest) (*Manifest, error) {
	var body struct {
		SchemaVersion int                  `json:"schemaVersion"`
		MediaType     string               `json:"mediaType"`
		ArtifactType  string               `json:"artifactType"`
		Config        *ocispec.Descriptor  `json:"config"`
		Layers        []ocispec.Descriptor `json:"layers"`
		Manifests     []ocispec.Descriptor `json:"manifests"`
		Subject       *ocispec.Descriptor  `json:"subject"`
		Annotations   map[string]string    `json:"annotations"`
		FSLayers      json.RawMessage      `json:"fsLayers"`
	}
	if err := CheckKeys(raw.Body); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", raw.Digest, err)
	}
	if err := json.Unmarshal(raw.Body, &body); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", raw.Digest, err)
	}
	m := &Manifest{
		RawManifest: raw, Index: IsIndex(raw.MediaType), Children: body.Manifests, Layers: body.Layers,
		Subject: body.Subject, ArtifactType: body.ArtifactType, Annotations: body.Annotations,
	}
	var problem string
	switch {
	case body.SchemaVersion == 1 || body.FSLayers != nil:
		problem = "is Docker schema 1, which has no platform and no digest to rely on; rebuild the image"
	case body.SchemaVersion != 2:
		problem = fmt.Sprintf("has schemaVersion %d, not 2", body.SchemaVersion)
	case body.MediaType != "" && body.MediaType != raw.MediaType:
		problem = fmt.Sprintf("says it is %q, but came as %q", body.MediaType, raw.MediaType)
	case m.Index && (body.Config != nil || body.Layers != nil):
		problem = "is an index, but has the config or layers of an image"
	case !m.Index && body.Manifests != nil:
		problem = "is an image, but has the manifests of an index"
	case !m.Index && body.Config == nil:
		problem = "is an image without a config"
	}
	if problem != "" {
		return nil, fmt.Errorf("manifest %s: %s", raw.Digest, problem)
	}
	refers := slices.Concat(m.Children, m.Layers)
	if body.Config != nil {
		m.Config = *body.Config
		refers = append(refers, m.Config)
	}
	if body.Subject != nil {
		refers = append(refers, *body.Subject)
	}
	for _, d := range refers {
		if err := d.Digest.Validate(); err != nil || d.Size < 0 || d.MediaType == "" {
			return nil, fmt.Errorf("manifest %s: descriptor %q of %d bytes with media type %q is not valid", raw.Digest, d.Digest, d.Size, d.MediaType)
		}
	}
	return m, nil
}

// maxDepth bounds the nesting of the JSON of a manifest. Real ones need 5.
const maxDepth = 32

// CheckKeys refuses JSON in which an object has a key twice, in whatever case:
// encoding/json would take the last one, other readers the first.
func CheckKeys(body []byte) error {
	type object struct {
		keys  map[string]bool
		onKey bool
	}
	var open []*object // nil for an array
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if len(open) == 0 {
				return nil
			}
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		var in *object
		if len(open) > 0 {
			in = open[len(open)-1]
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		if in != nil && in.onKey {
			key := strings.ToLower(token.(string))
			if in.keys[key] {
				return fmt.Errorf("key %q stands twice in one object", token)
			}
			in.keys[key], in.onKey = true, false
			continue
		}
		if in != nil {
			in.onKey = true // after this value
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &object{keys: map[string]bool{}, onKey: true})
		case json.Delim('['):
			open = append(open, nil)
		}
		if len(open) > maxDepth {
			return fmt.Errorf("JSON is nested deeper than %d", maxDepth)
		}
	}
}

// IsIndex reports whether a media type is that of an index.
func IsIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == policies.DockerManifestList
}

// IsImage reports whether the manifest has the config of a container image, and
// so a platform; artifacts (a Helm chart, a signature) have other configs.
func (m *Manifest) IsImage() bool {
	return !m.Index && (m.Config.MediaType == ocispec.MediaTypeImageConfig || m.Config.MediaType == DockerConfig || m.MayBeImage())
}

// MayBeImage reports whether the config can be that of a container image though
// its media type does not say so. Docker 1.9 and some registries of its time left
// these types in Docker manifests (distribution/distribution#1621), and docker
// pulls such images. What is no JSON there is not an image's.
func (m *Manifest) MayBeImage() bool {
	return m.MediaType == policies.DockerManifest && slices.Contains([]string{"application/octet-stream", "application/json", "text/html"}, m.Config.MediaType)
}

// PlatformOf is the platform of an index entry, zero if it names none.
func PlatformOf(p *ocispec.Platform) config.Platform {
	if p == nil || p.OS == "" || p.OS == "unknown" || p.Architecture == "" || p.Architecture == "unknown" {
		return config.Platform{}
	}
	return config.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}
}

// KnownType reports whether tagline can look into manifests of a media type.
func KnownType(mediaType string) bool {
	return IsIndex(mediaType) || mediaType == ocispec.MediaTypeImageManifest || mediaType == policies.DockerManifest
}

// Short cuts a digest to a length by which it can still be found.
func Short(digest string) string {
	const shown = 12
	if algorithm, hex, _ := strings.Cut(digest, ":"); len(hex) > shown {
		return algorithm + ":" + hex[:shown] + "…"
	}
	return digest
}
