package ecr_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/registry"
)

// A layer exists until ECR removes it, whether an image uses it or not.
func TestHasBlobs(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	objects, err := demo.Samples()[0].Objects()
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, o := range objects {
		if !registry.KnownType(o.MediaType) {
			digests = append(digests, o.Digest.String())
		}
	}
	// Two calls, each with digests of layers that are there.
	many := []string{digests[0]}
	for i := range 150 {
		many = append(many, fmt.Sprintf("sha256:%064x", i))
	}
	many = append(many, digests[1:]...)
	check := func(gone string) {
		t.Helper()
		server.ResetCalls()
		for i, a := range open(t, myImage).Reader(myImage).HasBlobs(t.Context(), many) {
			if want := slices.Contains(digests, many[i]) && many[i] != gone; a.Err != nil || a.Value != want {
				t.Errorf("%s: %+v, want %v", many[i], a, want)
			}
		}
		if n := server.Calls()["BatchCheckLayerAvailability"]; n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
	}
	check("")
	server.DeleteLayer("my-image", digests[1])
	check(digests[1])
	if a := open(t).Reader(myImage).HasBlobs(t.Context(), []string{"sha256:no"})[0]; a.Err == nil {
		t.Errorf("no digest: %+v, want an error", a)
	}
	elsewhere := config.Repository{Host: host, Path: "nope"}
	if a := open(t).Reader(elsewhere).HasBlobs(t.Context(), digests)[0]; !errors.Is(a.Err, registry.ErrNoRepository) {
		t.Errorf("no repository: %+v", a)
	}
}

// What a source holds of an image's foreign layers is copied, though ECR does not
// ask for them. What it does not hold stays a URL.
func TestForeignLayers(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	const foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
	described := func(mediaType, content string) ocispec.Descriptor {
		return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
	}
	const intel = `{"os":"linux","architecture":"amd64"}`
	config := demo.Object{Descriptor: described(ocispec.MediaTypeImageConfig, intel), Body: []byte(intel)}
	held, absent := described(foreign, "held"), described(foreign, "absent")
	held.URLs, absent.URLs = []string{"https://layers.example.com/held"}, []string{"https://layers.example.com/absent"}
	body, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config.Descriptor,
		Layers: []ocispec.Descriptor{described(ocispec.MediaTypeImageLayer, "plain"), held, absent},
	})
	if err != nil {
		t.Fatal(err)
	}
	image := demo.Object{Descriptor: described(ocispec.MediaTypeImageManifest, string(body)), Body: body}
	plain := demo.Object{Descriptor: described(ocispec.MediaTypeImageLayer, "plain"), Body: []byte("plain")}
	layer := demo.Object{Descriptor: held, Body: []byte("held")}
	for repository, objects := range map[string][]demo.Object{
		"base":     {config, plain, layer, image},
		"most":     {config, plain, image}, // pushed by a program that leaves foreign layers out
		"my-image": {config, plain},
	} {
		if len(objects) == 2 {
			err = server.CreateRepository(repository, types.ImageTagMutabilityMutable)
		} else {
			err = server.SeedObjects(repository, "1", time.Now().Add(-time.Hour), objects...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range []string{"my-image", "most"} {
		image := images(t, "images:\n  "+to+":\n    aliases: {b: 'base:1', m: {amd64: 'base:1'}}\n")[0]
		if p, err := apply(t, image); err != nil || len(p.Pushes) != 2 {
			t.Errorf("%s: %v, plan %+v", to, err, p)
		}
		blobs := []string{held.Digest.String(), absent.Digest.String(), config.Digest.String()}
		for i, has := range open(t, image.Repository).Reader(image.Repository).HasBlobs(t.Context(), blobs) {
			if want := i != 1; has.Err != nil || has.Value != want {
				t.Errorf("%s: blob %d is there: %+v, want %t", to, i, has, want)
			}
		}
		if p, err := apply(t, image); err != nil || !p.Empty() {
			t.Errorf("%s: %v, the second plan is %+v", to, err, p)
		}
	}
}
