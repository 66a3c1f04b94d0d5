package reconcile_test

import (
	"encoding/json"
	"reflect"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// learning is a registry whose readers remember the platforms of configs.
type learning struct {
	*registrytest.Memory
	platforms map[string]config.Platform
}

type learningReader struct {
	rememberingReader
	of *learning
}

func (l *learning) Reader(of config.Repository) registry.Reader {
	return learningReader{rememberingReader{Reader: l.Memory.Reader(of), of: &remembering{Memory: l.Memory}}, l}
}

func (r learningReader) Memory() registry.Memory { return r }

func (r learningReader) Remember(platforms map[string]config.Platform) {
	for digest, p := range platforms {
		r.of.platforms[digest] = p
	}
}

// The author adds to what an image says, and takes nothing from it.
func TestDeclaredKeepsWhatTheImageSays(t *testing.T) {
	b := build()
	entry := func(name, variant, version string) object {
		e := b.entry(b.image(name, "windows/"+name), "windows/"+name)
		platform := e["platform"].(object)
		platform["variant"], platform["os.version"], platform["os.features"] = variant, version, []string{"win32k"}
		return e
	}
	b.tag("1.0", b.index("both", nil, entry("arm64", "v8", ""), entry("arm", "", "10.0.17763.1")))
	p := plan(t, b.Memory, aliases(t, "1: {windows(10.0.17763)/arm64: 1.0, windows(10.0.17763)/arm/v6: 1.0}"))
	if len(p.Violations) > 0 || len(p.Pushes) != 1 {
		t.Fatalf("plan is %+v", p)
	}
	var index ocispec.Index
	if err := json.Unmarshal(p.Pushes[0].Manifest, &index); err != nil {
		t.Fatal(err)
	}
	features := []string{"win32k"}
	want := []ocispec.Platform{
		{OS: "windows", Architecture: "arm64", Variant: "v8", OSVersion: "10.0.17763", OSFeatures: features},
		{OS: "windows", Architecture: "arm", Variant: "v6", OSVersion: "10.0.17763.1", OSFeatures: features},
	}
	for i, d := range index.Manifests {
		if !reflect.DeepEqual(*d.Platform, want[i]) {
			t.Errorf("entry %d is for %+v, want %+v", i, *d.Platform, want[i])
		}
	}
}

// What an alias's index says by the author's word is not remembered as what the
// config says.
func TestAuthorsWordIsNotRemembered(t *testing.T) {
	b := build()
	b.tag("1.0", b.image("intel", "linux/amd64"))
	b.tag("1.0-pi", b.image("pi", "linux/arm"))
	before := aliases(t, "1: {amd64: 1.0, arm/v6: 1.0-pi}")
	applyAndSettle(t, b.Memory, before)

	reader := &learning{b.Memory, map[string]config.Platform{}}
	if p := reconcile.Diff(before, reconcile.Observe(t.Context(), reader, before)); len(p.InSync) != 1 {
		t.Fatalf("plan is %+v", p)
	}
	if len(reader.platforms) != 1 {
		t.Errorf("remembered %v, want one", reader.platforms)
	}
	for _, p := range reader.platforms {
		if p.String() != "linux/amd64" {
			t.Errorf("remembered %s, want linux/amd64 alone", p)
		}
	}

	// Another variant contradicts the config no more than the first one did.
	after := aliases(t, "1: {amd64: 1.0, arm/v5: 1.0-pi}")
	p := plan(t, b.Memory, after)
	if len(p.Violations) > 0 || len(p.Pushes) != 1 || p.Pushes[0].Platforms[1].Platform != "linux/arm/v5" {
		t.Fatalf("plan is %+v", p)
	}
	applyAndSettle(t, b.Memory, after)
}
