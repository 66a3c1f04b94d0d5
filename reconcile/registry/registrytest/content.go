package registrytest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
)

const (
	ociIndex       = ocispec.MediaTypeImageIndex
	ociManifest    = ocispec.MediaTypeImageManifest
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	signatureType  = "application/vnd.example.signature"
)

// content is what a repository holds. Its parts have names, by which they refer
// to each other and by which the tests speak of them.
type content struct {
	blobs     map[string]string
	manifests []manifest        // children before their index; the last one that is pushed has a tag
	tags      map[string]string // tag -> manifest
}

// manifest is an index if it lists something, else an image or an artifact.
type manifest struct {
	name     string
	docker   bool
	lists    []string
	config   string
	layers   []string
	artifact string // its artifact type
	subject  string
	note     string // an annotation, so that two of the same parts differ
	later    bool   // it is for a test to push
}

// sample is the content that every test begins with.
var sample = content{
	blobs: map[string]string{
		"intel config":  `{"architecture":"amd64","os":"linux","config":{"Env":["A=B"]},"rootfs":{"type":"layers","diff_ids":[]}}`,
		"arm config":    `{"architecture":"arm64","variant":"v8","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`,
		"docker config": `{"architecture":"amd64","os":"linux","docker_version":"28"}`,
		"empty":         `{}`,
		"layer":         "some files",
		"signed":        "a signature",
	},
	manifests: []manifest{
		{name: "intel", config: "intel config", layers: []string{"layer"}},
		{name: "arm", config: "arm config", layers: []string{"layer"}},
		{name: "alone", config: "arm config", layers: []string{"layer"}, note: "no index lists it"},
		{name: "docker intel", docker: true, config: "docker config", layers: []string{"layer"}},
		{name: "docker", docker: true, lists: []string{"docker intel"}},
		{name: "both", lists: []string{"intel", "arm"}},
		{name: "signature", artifact: signatureType, config: "empty", layers: []string{"signed"}, subject: "both"},
		{name: "nested", lists: []string{"both"}},
		{name: "alias", lists: []string{"intel", "arm"}, note: "an alias", later: true},
		{name: "parent", lists: []string{"alias"}, later: true},
		{name: "unpushed", config: "intel config", layers: []string{"layer"}, note: "never pushed", later: true},
		{name: "orphan", lists: []string{"intel", "unpushed"}, later: true},
	},
	tags: map[string]string{
		"10.10": "intel", "10.10-again": "intel", "10.20": "arm", "10": "both", "nested": "nested",
		"docker": "docker", "docker-10.10": "docker intel", "alone": "alone", "alone-too": "alone",
	},
}

// absent is the digest of nothing that any test pushes.
const absent = "sha256:00000000000000000000000000000000000000000000000000000000000000aa"

// pushed is content with its bytes.
type pushed struct {
	content
	objects []demo.Object          // to be pushed in this order
	named   map[string]demo.Object // all of them, and what is for later
	digests map[string]string      // digest -> name
}

// object is a blob or a manifest by its name.
func (p *pushed) object(name string) demo.Object { return p.named[name] }

// digest is that of a blob or a manifest.
func (p *pushed) digest(name string) string { return p.named[name].Digest.String() }

// at is what a tag or a digest of the sample names; "" if nothing.
func (p *pushed) at(reference string) string {
	if name, ok := p.tags[reference]; ok {
		return name
	}
	return p.digests[reference]
}

// raw is a manifest as a registry sends it.
func (p *pushed) raw(name string) registry.RawManifest {
	o := p.named[name]
	return registry.RawManifest{Digest: o.Digest.String(), MediaType: o.MediaType, Body: slices.Clone(o.Body)}
}

// stored are the manifests that the sample begins with, by digest.
func (p *pushed) stored() map[string]string {
	all := map[string]string{}
	for _, m := range p.manifests {
		if !m.later {
			all[p.digest(m.name)] = m.name
		}
	}
	return all
}

func (c content) build(t *testing.T) *pushed {
	t.Helper()
	p := &pushed{content: c, named: map[string]demo.Object{}, digests: map[string]string{}}
	add := func(name, mediaType string, body []byte, later bool) {
		o := demo.Object{Descriptor: ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(body), Size: int64(len(body))}, Body: body}
		p.named[name] = o
		if p.digests[o.Digest.String()] = name; !later {
			p.objects = append(p.objects, o)
		}
	}
	for name, body := range c.blobs {
		add(name, mediaTypeOf(name), []byte(body), false)
	}
	for _, m := range c.manifests {
		mediaType, body := m.build(t, p)
		add(m.name, mediaType, body, m.later)
	}
	return p
}

// mediaTypeOf is that of a blob, by its name.
func mediaTypeOf(blob string) string {
	switch {
	case blob == "docker config":
		return "application/vnd.docker.container.image.v1+json"
	case blob == "empty":
		return ocispec.MediaTypeEmptyJSON
	case strings.HasSuffix(blob, " config"):
		return ocispec.MediaTypeImageConfig
	case blob == "signed":
		return signatureType
	}
	return ocispec.MediaTypeImageLayer
}

// build writes a manifest in a manner that no encoder has by itself, so that
// only its own bytes have its digest.
func (m manifest) build(t *testing.T, p *pushed) (mediaType string, body []byte) {
	t.Helper()
	refer := func(name string) *ocispec.Descriptor {
		o, ok := p.named[name]
		if !ok {
			t.Fatalf("manifest %q refers to %q, which is not above it", m.name, name)
		}
		d := o.Descriptor
		return &d
	}
	referAll := func(names []string) []ocispec.Descriptor {
		all := []ocispec.Descriptor{}
		for _, name := range names {
			all = append(all, *refer(name))
		}
		return all
	}
	fields := map[string]any{"schemaVersion": 2}
	switch {
	case m.lists != nil:
		mediaType, fields["manifests"] = ociIndex, referAll(m.lists)
	default:
		mediaType, fields["config"], fields["layers"] = ociManifest, refer(m.config), referAll(m.layers)
	}
	if m.docker {
		mediaType = map[string]string{ociIndex: dockerList, ociManifest: dockerManifest}[mediaType]
	}
	fields["mediaType"] = mediaType
	if m.artifact != "" {
		fields["artifactType"] = m.artifact
	}
	if m.subject != "" {
		fields["subject"] = refer(m.subject)
	}
	if m.note != "" {
		fields["annotations"] = map[string]string{"org.example.note": m.note}
	}
	compact, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "    "); err != nil {
		t.Fatal(err)
	}
	return mediaType, append(out.Bytes(), "\n\n"...)
}
