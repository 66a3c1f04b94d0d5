package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/registry"
)

// shape is what a registry holds, in a few lines:
//
//	repository NAME              where the lines below push to; "team/app" at first: some registries want an owner or a project
//	image NAME PLATFORM [OPTION...]
//	attestation NAME IMAGE       BuildKit's; with "subject" as OCI artifact
//	artifact NAME TYPE [OPTION...]
//	index NAME                   its entries are the indented lines that follow:
//	  NAME [OPTION...]
//	blob NAME                    no manifest: an index can list it with a mediaType
//	tag TAG NAME
//	cosign NAME [SUFFIX]         what cosign keeps under sha256-<hex of NAME>.sig, or .att or .sbom
//
// Options:
//
//	docker                       Docker's media types
//	subject=NAME                 of an artifact or image
//	config=JSON                  the image's config in place of the usual one
//	configtype=TYPE              its media type
//	layer=TYPE[,URL]             one more layer, pushed unless there is a URL
//	@KEY=VALUE                   an annotation, of the manifest or of the entry
//	platform=PLATFORM            of an entry; "none" leaves it out
//	os.version=TEXT os.features=TEXT variant=TEXT artifactType=TYPE mediaType=TYPE
//
// A value that starts with "@" is the digest of the object of that name.
type shape struct {
	repository string
	objects    map[string]*shapeObject
	order      []*shapeObject
	tags       []shapeTag
}

type shapeObject struct {
	ocispec.Descriptor
	name, repository string
	body             []byte
	blobs            [][]byte
	platform         *ocispec.Platform
	entries          []map[string]any // of an index, until its bytes are made
	annotations      map[string]string
}

type shapeTag struct{ repository, tag, object string }

// parseShape reads the lines and makes the bytes.
func parseShape(text string) (*shape, error) {
	s := &shape{repository: "team/app", objects: map[string]*shapeObject{}}
	var open *shapeObject // the index whose entries are being read
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		var err error
		if strings.HasPrefix(line, " ") {
			if open == nil {
				err = fmt.Errorf("no index has this entry")
			} else {
				err = s.entry(open, words)
			}
		} else {
			s.close(open)
			open, err = s.statement(words)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", n+1, strings.TrimSpace(line), err)
		}
	}
	s.close(open)
	return s, nil
}

func (s *shape) statement(words []string) (index *shapeObject, err error) {
	if least := map[string]int{"image": 3, "artifact": 3, "attestation": 3, "tag": 3}[words[0]]; len(words) < max(2, least) {
		return nil, fmt.Errorf("too few words")
	}
	args := append(slices.Clone(words[1:]), "")
	switch words[0] {
	case "repository":
		s.repository = args[0]
	case "image":
		return nil, s.image(args[0], args[1], words[3:])
	case "attestation":
		return nil, s.attestation(args[0], args[1], args[2] == "subject")
	case "artifact":
		return nil, s.artifact(args[0], args[1], words[3:])
	case "index":
		index = &shapeObject{name: args[0], repository: s.repository, annotations: map[string]string{}, Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex}}
		options, err := s.options(words[2:])
		if err != nil {
			return nil, err
		}
		if index.annotations = options.annotations; options.docker {
			index.MediaType = string(types.DockerManifestList)
		}
		return index, nil
	case "blob":
		s.add(&shapeObject{name: args[0], body: []byte("blob " + args[0])})
	case "tag":
		s.tags = append(s.tags, shapeTag{s.repository, args[0], args[1]})
	case "cosign":
		return nil, s.cosign(args[0], args[1])
	default:
		return nil, fmt.Errorf("unknown statement")
	}
	return nil, nil
}

// add keeps a manifest in the current repository. The same name there again is
// a copy of the object.
func (s *shape) add(o *shapeObject) {
	o.repository = s.repository
	o.Digest, o.Size = digest.FromBytes(o.body), int64(len(o.body))
	s.objects[o.name] = o
	s.order = append(s.order, o)
}

type shapeOptions struct {
	docker                bool
	annotations           map[string]string
	values                map[string]string
	layers                []string
	platform, subjectName string
}

func (s *shape) options(words []string) (shapeOptions, error) {
	o := shapeOptions{annotations: map[string]string{}, values: map[string]string{}}
	for _, word := range words {
		key, value, valued := strings.Cut(word, "=")
		if named, ok := strings.CutPrefix(value, "@"); ok {
			if s.objects[named] == nil {
				return o, fmt.Errorf("no object is called %s", named)
			}
			value = s.objects[named].Digest.String()
		}
		switch annotation, annotates := strings.CutPrefix(key, "@"); {
		case key == "":
		case annotates:
			o.annotations[annotation] = value
		case !valued && key == "docker":
			o.docker = true
		case key == "layer":
			o.layers = append(o.layers, value)
		case key == "platform":
			o.platform = value
		case key == "subject":
			o.subjectName = value
		case slices.Contains([]string{"config", "configtype", "os.version", "os.features", "variant", "artifactType", "mediaType"}, key):
			o.values[key] = value
		default:
			return o, fmt.Errorf("unknown option %s", key)
		}
	}
	return o, nil
}

func shapePlatform(text string) *ocispec.Platform {
	parts := append(strings.Split(text, "/"), "", "")
	return &ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

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

// bare is a manifest as go-containerregistry wants it for a PUT.
type bare struct{ *shapeObject }

func (b bare) RawManifest() ([]byte, error) { return b.body, nil }

func (b bare) MediaType() (types.MediaType, error) { //nolint:unparam // of an interface
	return types.MediaType(b.Descriptor.MediaType), nil
}

// push writes all of it to a registry.
func (s *shape) push(ctx context.Context, host string, options ...remote.Option) error {
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return err
	}
	at := func(repository string) (name.Repository, error) { return name.NewRepository(host + "/" + repository) }
	for _, o := range s.order {
		repository, err := at(o.repository)
		if err != nil {
			return err
		}
		if o.MediaType == "" {
			if err := pusher.Upload(ctx, repository, static.NewLayer(o.body, types.OCIUncompressedLayer)); err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			continue
		}
		for _, blob := range o.blobs {
			if err := pusher.Upload(ctx, repository, static.NewLayer(blob, types.OCIUncompressedLayer)); err != nil {
				return fmt.Errorf("blob of %s: %w", o.name, err)
			}
		}
		if err := pusher.Put(ctx, repository.Digest(o.Digest.String()), bare{o}); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	for _, t := range s.tags {
		repository, err := at(t.repository)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(s.order, func(o *shapeObject) bool { return o.name == t.object && o.repository == t.repository })
		if i < 0 {
			return fmt.Errorf("tag %s: no object of %s is called %s", t.tag, t.repository, t.object)
		}
		if err := pusher.Put(ctx, repository.Tag(t.tag), bare{s.order[i]}); err != nil {
			return fmt.Errorf("tag %s: %w", t.tag, err)
		}
	}
	return nil
}
