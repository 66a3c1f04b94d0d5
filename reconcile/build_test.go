package reconcile_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// TestMain collects garbage less often: the tests allocate much and keep little.
// It tests properties with 30 random cases, or with TAGLINE_TEST_ALL with rapid's 100.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	if os.Getenv("TAGLINE_TEST_ALL") == "" {
		_ = flag.Set("rapid.checks", "30")
	}
	m.Run()
}

const (
	inToto          = "application/vnd.in-toto+json"
	attestationType = "application/vnd.docker.attestation.manifest.v1+json"
	foreignType     = "application/vnd.example.bundle.v1+json"
)

type object = map[string]any

// builder makes manifests of every shape in a memory, and remembers what it
// called them.
type builder struct {
	*registrytest.Memory
	names  map[string]string // digest -> name
	digest map[string]string // name -> digest
}

func build() *builder {
	return &builder{registrytest.NewMemory(), map[string]string{}, map[string]string{}}
}

// store keeps a manifest under a name, pushed two days ago.
func (b *builder) store(name, mediaType string, body object) string {
	body["schemaVersion"], body["mediaType"] = 2, mediaType
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	d := digestOf(string(text))
	b.Manifests[d] = registry.RawManifest{Digest: d, MediaType: mediaType, Body: text}
	b.Pushed[d] = time.Now().Add(-48 * time.Hour)
	b.names[d], b.digest[name] = name, d
	return d
}

func (b *builder) blob(content string) string {
	d := digestOf(content)
	b.Blobs[d] = []byte(content)
	return d
}

// image is "linux/amd64"'s, and its config says so.
func (b *builder) image(name, platform string) string {
	system, architecture, _ := strings.Cut(platform, "/")
	config := b.blob(fmt.Sprintf(`{"os":%q,"architecture":%q,"name":%q}`, system, architecture, name))
	return b.store(name, ociManifest, object{
		"config": object{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 100},
		"layers": []object{{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digestOf(name), "size": 1000}},
	})
}

// attest makes BuildKit's attestation of an image; as an artifact it has a
// subject.
func (b *builder) attest(name, image string, artifact bool, predicates ...string) string {
	body := object{"config": object{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digestOf(name), "size": 10}}
	var layers []object
	for _, p := range append(predicates, "https://slsa.dev/provenance/v0.2") {
		layers = append(layers, object{"mediaType": inToto, "digest": digestOf(name + p), "size": 90,
			"annotations": object{"in-toto.io/predicate-type": p}})
	}
	body["layers"] = layers
	if artifact {
		body["artifactType"], body["subject"] = attestationType, b.descriptor(image)
	}
	return b.store(name, ociManifest, body)
}

// referrer is an artifact attached to a manifest.
func (b *builder) referrer(name, subject string) string {
	return b.store(name, ociManifest, object{
		"artifactType": "application/vnd.example.signature",
		"config":       object{"mediaType": "application/vnd.oci.empty.v1+json", "digest": digestOf("{}"), "size": 2},
		"layers":       []object{{"mediaType": "application/vnd.example.signature", "digest": digestOf(name), "size": 5}},
		"subject":      b.descriptor(subject),
	})
}

// cosign puts what cosign keeps for a manifest under its tag.
func (b *builder) cosign(name, subject, suffix string) string {
	d := b.store(name, ociManifest, object{
		"config": object{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digestOf(name), "size": 10},
		"layers": []object{{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digestOf(name + " payload"), "size": 5}},
	})
	b.tag(fallback(subject)+suffix, d)
	return d
}

// foreign is of a type that tagline does not know, and mentions others.
func (b *builder) foreign(name string, mentions ...string) string {
	return b.store(name, foreignType, object{"config": object{"mediaType": foreignType, "digest": digestOf(name), "size": 1}, "uses": mentions})
}

func (b *builder) descriptor(d string) object {
	m, known := b.Manifests[d]
	if !known {
		return object{"mediaType": ociManifest, "digest": d, "size": 10}
	}
	return object{"mediaType": m.MediaType, "digest": d, "size": len(m.Body)}
}

// entry lists an image as its index does.
func (b *builder) entry(d, platform string) object {
	system, architecture, _ := strings.Cut(platform, "/")
	e := b.descriptor(d)
	e["platform"] = object{"os": system, "architecture": architecture}
	return e
}

// attestation lists one as BuildKit does.
func (b *builder) attestation(d, image string) object {
	e := b.entry(d, "unknown/unknown")
	e["annotations"] = object{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image}
	return e
}

// index puts entries under a tag, or under none.
func (b *builder) index(name string, annotations object, entries ...object) string {
	body := object{"manifests": entries}
	if annotations != nil {
		body["annotations"] = annotations
	}
	return b.store(name, ociIndex, body)
}

func (b *builder) tag(tag, digest string) { b.Tags["r.test/app:"+tag] = digest }

// release pushes a tag as BuildKit does: "1" has "1 linux/amd64" and "1
// attestation of linux/amd64" in it, and so on.
func (b *builder) release(tag string, artifact bool, platforms ...string) string {
	var images, attestations []object
	for _, platform := range platforms {
		image := b.image(tag+" "+platform, platform)
		attestation := b.attest(tag+" attestation of "+platform, image, artifact)
		images, attestations = append(images, b.entry(image, platform)), append(attestations, b.attestation(attestation, image))
	}
	d := b.index(tag, nil, append(images, attestations...)...)
	b.tag(tag, d)
	return d
}

// fallback is the tag for the referrers of a digest.
func fallback(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// called is a digest by the name that a test gave it.
func (b *builder) called(digest string) string {
	if name, ok := b.names[digest]; ok {
		return name
	}
	return digest
}

// actions is a plan in short, with the names of the builder.
func (b *builder) actions(p reconcile.Plan) []string {
	var all []string
	for _, push := range p.Pushes {
		all = append(all, fmt.Sprintf("push %s %s", push.Tag, b.called(push.New)))
	}
	for _, d := range p.DeleteTags {
		all = append(all, "untag "+d.Tag)
	}
	for _, d := range p.DeleteManifests {
		all = append(all, fmt.Sprintf("delete %s: %s", d.Kind, b.called(d.Digest)))
	}
	for _, f := range p.Violations {
		all = append(all, "violation "+string(f.ID))
	}
	for _, f := range p.Warnings {
		all = append(all, fmt.Sprintf("warning %s %s", f.ID, f.Alias))
	}
	for _, f := range p.Errors {
		all = append(all, "error "+f.Message)
	}
	return all
}
