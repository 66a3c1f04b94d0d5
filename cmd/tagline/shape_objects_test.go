package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/registry"
)

func (s *shape) image(name, platform string, words []string) error {
	o, err := s.options(words)
	if err != nil {
		return err
	}
	p := shapePlatform(platform)
	p.OSVersion = o.values["os.version"]
	config := []byte(o.values["config"])
	if len(config) == 0 {
		config, _ = json.Marshal(ocispec.Image{Platform: *p, Author: name})
	}
	manifest, configType, layerType := ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, ocispec.MediaTypeImageLayer
	if o.docker {
		manifest, configType, layerType = string(types.DockerManifestSchema2), string(types.DockerConfigJSON), string(types.DockerLayer)
	}
	if t := o.values["configtype"]; t != "" {
		configType = t
	}
	layer := []byte("layer of " + name)
	body := map[string]any{
		"schemaVersion": 2, "mediaType": manifest,
		"config": shapeBlob(configType, config), "layers": []any{shapeBlob(layerType, layer)},
	}
	made := &shapeObject{name: name, Descriptor: ocispec.Descriptor{MediaType: manifest}, blobs: [][]byte{config, layer}, platform: p}
	for i, each := range o.layers {
		mediaType, url, foreign := strings.Cut(each, ",")
		content := fmt.Appendf(nil, "layer %d of %s", i, name)
		d := shapeBlob(mediaType, content)
		if foreign && url != "" {
			d["urls"] = []string{url}
		} else {
			if foreign { // a foreign layer that the registry holds all the same
				d["urls"] = []string{"https://layers.example.com/" + name}
			}
			made.blobs = append(made.blobs, content)
		}
		body["layers"] = append(body["layers"].([]any), d)
	}
	s.finish(made, body, o)
	return nil
}

func shapeBlob(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest.FromBytes(content).String(), "size": len(content)}
}

// finish adds what options say of any manifest.
func (s *shape) finish(made *shapeObject, body map[string]any, o shapeOptions) {
	if len(o.annotations) > 0 {
		body["annotations"] = o.annotations
	}
	for _, subject := range s.order {
		if o.subjectName != "" && subject.Digest.String() == o.subjectName || subject.name == o.subjectName && o.subjectName != "" {
			body["subject"] = map[string]any{"mediaType": subject.MediaType, "digest": subject.Digest, "size": subject.Size}
		}
	}
	made.body, _ = json.Marshal(body)
	s.add(made)
}

func (s *shape) artifact(name, artifactType string, words []string) error {
	o, err := s.options(words)
	if err != nil {
		return err
	}
	layer := []byte("content of " + name)
	made := &shapeObject{
		name: name, blobs: [][]byte{[]byte("{}"), layer},
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType},
	}
	s.finish(made, map[string]any{
		"schemaVersion": 2, "mediaType": made.MediaType, "artifactType": artifactType,
		"config": shapeBlob(ocispec.MediaTypeEmptyJSON, []byte("{}")), "layers": []any{shapeBlob(artifactType, layer)},
	}, o)
	return nil
}

// attestation is made as moby/buildkit docs/attestations/attestation-storage.md
// has it.
func (s *shape) attestation(name, image string, subject bool) error {
	of := s.objects[image]
	if of == nil {
		return fmt.Errorf("no object is called %s", image)
	}
	config, statement := []byte(`{"architecture":"unknown","os":"unknown"}`), []byte("provenance "+name)
	layer := shapeBlob("application/vnd.in-toto+json", statement)
	layer["annotations"] = map[string]string{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
	body := map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest,
		"config": shapeBlob(ocispec.MediaTypeImageConfig, config), "layers": []any{layer},
	}
	o := shapeOptions{}
	if subject {
		body["artifactType"], o.subjectName = "application/vnd.docker.attestation.manifest.v1+json", image
	}
	s.finish(&shapeObject{
		name: name, blobs: [][]byte{config, statement},
		Descriptor: ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageManifest, Platform: &ocispec.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{registry.AnnotationReferenceDigest: of.Digest.String(), "vnd.docker.reference.type": "attestation-manifest"},
		},
	}, body, o)
	return nil
}

// cosign makes what cosign's SIGNATURE_SPEC.md has, under the tag of a suffix.
func (s *shape) cosign(of, suffix string) error {
	if s.objects[of] == nil {
		return fmt.Errorf("no object is called %s", of)
	}
	suffix = cmp.Or(suffix, "sig")
	name := map[string]string{"sig": "signature", "att": "dsse", "sbom": "sbom"}[suffix] + "-of-" + of
	types := map[string]string{"sig": "application/vnd.dev.cosign.simplesigning.v1+json", "att": "application/vnd.dsse.envelope.v1+json", "sbom": "text/spdx+json"}
	config, payload := []byte(`{"architecture":"","os":""}`), []byte(suffix+" of "+of)
	s.finish(&shapeObject{name: name, Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest}, blobs: [][]byte{config, payload}}, map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest,
		"config": shapeBlob(ocispec.MediaTypeImageConfig, config), "layers": []any{shapeBlob(types[suffix], payload)},
	}, shapeOptions{})
	s.tags = append(s.tags, shapeTag{s.repository, registry.FallbackTag(s.objects[of].Digest.String()) + "." + suffix, name})
	return nil
}

func (s *shape) entry(index *shapeObject, words []string) error {
	child, ok := s.objects[words[0]]
	if !ok {
		return fmt.Errorf("no object is called %s", words[0])
	}
	o, err := s.options(words[1:])
	if err != nil {
		return err
	}
	d := child.Descriptor
	switch {
	case o.platform == "none":
		d.Platform = nil
	case o.platform != "":
		d.Platform = shapePlatform(o.platform)
	case child.platform != nil:
		p := *child.platform
		d.Platform = &p
	}
	annotations := map[string]string{}
	for _, all := range []map[string]string{d.Annotations, o.annotations} {
		for key, value := range all {
			annotations[key] = value
		}
	}
	if d.Annotations = annotations; len(annotations) == 0 {
		d.Annotations = nil
	}
	for key, value := range o.values {
		switch key {
		case "os.version":
			d.Platform.OSVersion = value
		case "os.features":
			d.Platform.OSFeatures = strings.Split(value, ",")
		case "variant":
			d.Platform.Variant = value
		case "artifactType":
			d.ArtifactType = value
		case "mediaType":
			d.MediaType = value
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	var entry map[string]any
	index.entries = append(index.entries, entry)
	return json.Unmarshal(text, &index.entries[len(index.entries)-1])
}

func (s *shape) close(index *shapeObject) {
	if index == nil {
		return
	}
	body := map[string]any{"schemaVersion": 2, "mediaType": index.MediaType, "manifests": index.entries}
	if len(index.annotations) > 0 {
		body["annotations"] = index.annotations
	}
	index.body, _ = json.Marshal(body)
	s.add(index)
}
