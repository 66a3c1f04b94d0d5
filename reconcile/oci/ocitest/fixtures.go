package ocitest

import (
	"embed"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/demo"
)

//go:embed testdata
var testdata embed.FS

// Layout is an OCI image layout. It holds, byte for byte, what BuildKit v0.26.3
// pushed to a distribution registry. The images contain one small file.
type Layout string

// The layouts and their tags. "+p" has provenance, and so is an index even for
// one platform.
const (
	// AppOCI has 10.10 (amd64, +p), 10.12 (amd64), 10.20 (arm64, +p), 10.30
	// (both, +p), 10.40 (arm64), 10.50 (both) and 10.70 (both, +p as OCI
	// artifacts with a subject), and the sha256-… fallback tags of 10.70.
	AppOCI Layout = "app-oci"
	// AppDocker has 10.12 (amd64), 10.40 (arm64) and 10.50 (both) with
	// Docker's media types.
	AppDocker Layout = "app-docker"
)

// PushFixtures pushes every tag of a layout to a repository, and returns the
// digest of each tag.
func PushFixtures(t testing.TB, layout Layout, host, repository string, options ...remote.Option) map[string]string {
	t.Helper()
	tags := layout.Objects(t)
	digests := map[string]string{}
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		objects := tags[tag]
		if err := demo.PushObjects(t.Context(), host, repository, tag, objects, options...); err != nil {
			t.Fatal(err)
		}
		digests[tag] = objects[len(objects)-1].Digest.String()
	}
	return digests
}

// Objects returns the objects of each tag of a layout: blobs before manifests,
// children before their index. The tag names the last one.
func (l Layout) Objects(t testing.TB) map[string][]demo.Object {
	t.Helper()
	tags := map[string][]demo.Object{}
	for _, entry := range l.children(t, "index.json") {
		tags[entry.Annotations[ocispec.AnnotationRefName]] = l.below(t, entry)
	}
	return tags
}

// below returns an object, after everything that it refers to.
func (l Layout) below(t testing.TB, d ocispec.Descriptor) []demo.Object {
	t.Helper()
	file := path.Join("blobs", string(d.Digest.Algorithm()), d.Digest.Encoded())
	var objects []demo.Object
	if mediaType := types.MediaType(d.MediaType); mediaType.IsIndex() || mediaType.IsImage() {
		for _, child := range l.children(t, file) {
			objects = append(objects, l.below(t, child)...)
		}
	}
	return append(objects, demo.Object{Descriptor: d, Body: l.read(t, file)})
}

// children returns the manifests of an index, or the config and layers of a
// manifest.
func (l Layout) children(t testing.TB, file string) []ocispec.Descriptor {
	t.Helper()
	var m struct {
		Manifests, Layers []ocispec.Descriptor
		Config            *ocispec.Descriptor
	}
	if err := json.Unmarshal(l.read(t, file), &m); err != nil {
		t.Fatalf("%s: %s: %v", l, file, err)
	}
	children := append(m.Manifests, m.Layers...)
	if m.Config != nil {
		children = append(children, *m.Config)
	}
	return children
}

func (l Layout) read(t testing.TB, file string) []byte {
	t.Helper()
	body, err := testdata.ReadFile(path.Join("testdata", string(l), file))
	if err != nil {
		t.Fatal(err)
	}
	return body
}
