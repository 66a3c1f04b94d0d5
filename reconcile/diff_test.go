package reconcile_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

var (
	amd10    = demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}, Provenance: true}
	arm20    = demo.Image{Tag: "10.20", Platforms: []string{"linux/arm64"}, Provenance: true}
	both30   = demo.Image{Tag: "10.30", Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: true}
	plain12  = demo.Image{Tag: "10.12", Platforms: []string{"linux/amd64"}}
	plain40  = demo.Image{Tag: "10.40", Platforms: []string{"linux/arm64/v8"}}
	both50   = demo.Image{Tag: "10.50", Platforms: []string{"linux/amd64", "linux/arm64"}}
	both70   = demo.Image{Tag: "10.70", Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: true, Artifact: true}
	docker12 = demo.Image{Tag: "d12", Platforms: []string{"linux/amd64"}, Docker: true}
	docker40 = demo.Image{Tag: "d40", Platforms: []string{"linux/arm64"}, Docker: true}
)

func digestOf(body string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body))) }

func plan(t testing.TB, m *registrytest.Memory, image config.Image) reconcile.Plan {
	t.Helper()
	return reconcile.Diff(image, reconcile.Observe(t.Context(), m, image))
}

// entries is an index in short: "linux/amd64 <- 10.10", an attestation as
// "attestation of linux/amd64 <- 10.10".
func entries(t testing.TB, body []byte) []string {
	t.Helper()
	var index ocispec.Index
	if err := json.Unmarshal(body, &index); err != nil {
		t.Fatal(err)
	}
	platforms := map[string]string{}
	for _, d := range index.Manifests {
		platforms[d.Digest.String()] = d.Platform.OS + "/" + d.Platform.Architecture
	}
	var all []string
	for _, d := range index.Manifests {
		what := platforms[d.Digest.String()]
		if of := d.Annotations["vnd.docker.reference.digest"]; of != "" {
			what = "attestation of " + platforms[of]
		}
		all = append(all, what+" <- "+d.Annotations[reconcile.AnnotationSource])
	}
	return all
}

func TestComposedAliases(t *testing.T) {
	for _, test := range []struct {
		name     string
		images   []demo.Image
		alias    string
		settings []string
		want     []string
	}{
		{"the main job", []demo.Image{amd10, arm20}, "10: {amd64: 10.10, arm64: 10.20}", []string{"provenance: drop"},
			[]string{"linux/amd64 <- 10.10", "linux/arm64 <- 10.20"}},
		{"attestations travel with their platform", []demo.Image{both30, arm20}, "10: {amd64: 10.30, arm64: 10.20}", nil,
			[]string{"linux/amd64 <- 10.30", "linux/arm64 <- 10.20", "attestation of linux/amd64 <- 10.30", "attestation of linux/arm64 <- 10.20"}},
		{"one entry a platform", []demo.Image{both30, arm20}, "10: {amd64: 10.30, arm64: 10.20}", []string{"provenance: drop"},
			[]string{"linux/amd64 <- 10.30", "linux/arm64 <- 10.20"}},
		{"attestations as artifacts are dropped", []demo.Image{both70}, "10: {amd64: 10.70, arm64: 10.70}", []string{"provenance: drop"},
			[]string{"linux/amd64 <- 10.70", "linux/arm64 <- 10.70"}},
		{"plain images, platform from the config", []demo.Image{plain12, plain40}, "10: {arm64: 10.40, amd64: 10.12}", nil,
			[]string{"linux/amd64 <- 10.12", "linux/arm64 <- 10.40"}},
		{"one platform of several", []demo.Image{both50}, "10: {arm64: 10.50}", nil, []string{"linux/arm64 <- 10.50"}},
		{"a single source loses its attestations", []demo.Image{both30}, "10: 10.30", []string{"provenance: drop"},
			[]string{"linux/amd64 <- 10.30", "linux/arm64 <- 10.30"}},
		{"Docker images in a Docker list", []demo.Image{docker12, docker40}, "10: {amd64: d12, arm64: d40}", []string{"format: docker"},
			[]string{"linux/amd64 <- ", "linux/arm64 <- "}},
		{"Docker images in an OCI index", []demo.Image{docker12, arm20}, "10: {amd64: d12, arm64: 10.20}", []string{"provenance: drop"},
			[]string{"linux/amd64 <- d12", "linux/arm64 <- 10.20"}},
		{"an alias as a source", []demo.Image{amd10, arm20}, "10: {amd64: 10.10, arm64: 10.20}\nlatest: {arm64: 10}", []string{"provenance: drop"},
			[]string{"linux/arm64 <- 10"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := registrytest.NewMemory()
			m.Push(t, "app", test.images...)
			image := aliases(t, test.alias, test.settings...)
			p := plan(t, m, image)
			if len(p.Violations)+len(p.Errors) > 0 || len(p.Pushes) != len(image.Aliases) {
				t.Fatalf("plan is %+v", p)
			}
			push := p.Pushes[len(p.Pushes)-1]
			if got := entries(t, push.Manifest); !slices.Equal(got, test.want) {
				t.Errorf("index has %q, want %q", got, test.want)
			}
			if push.New != digestOf(string(push.Manifest)) {
				t.Errorf("digest %s is not that of the bytes", push.New)
			}
			if again := plan(t, m, image); !reflect.DeepEqual(again, p) {
				t.Errorf("a second plan differs:\n%+v\n%+v", again, p)
			}
			applyAndSettle(t, m, image)
		})
	}
}

// applyAndSettle applies what is due, and wants nothing due afterwards.
func applyAndSettle(t *testing.T, m *registrytest.Memory, image config.Image) {
	t.Helper()
	result := reconcile.Apply(t.Context(), m.Writer(image.Repository), plan(t, m, image))
	for _, o := range slices.Concat(result.Pushed, result.Deleted) {
		if o.Err != nil {
			t.Errorf("tag %s: %v", o.Tag, o.Err)
		}
	}
	if p := plan(t, m, image); !p.Empty() {
		t.Errorf("there is still something to do: %+v", p)
	}
}

func TestAliasesThatReuseBytes(t *testing.T) {
	for _, test := range []struct {
		name     string
		image    demo.Image
		settings []string
		child    bool // the alias is the only image of the source
	}{
		{"an index", both50, nil, false},
		{"an index with attestations that stay", both30, nil, false},
		{"an index without attestations to drop", both50, []string{"provenance: drop"}, false},
		{"a plain manifest", plain12, []string{"provenance: drop"}, false},
		{"a Docker manifest under format oci", docker12, nil, false},
		{"an OCI index under format docker", both50, []string{"format: docker"}, false},
		{"the one image that dropping leaves", amd10, []string{"provenance: drop"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := registrytest.NewMemory()
			want := m.Push(t, "app", test.image)[test.image.Tag]
			if test.child {
				var index ocispec.Index
				_ = json.Unmarshal(m.Manifests[want].Body, &index)
				want = index.Manifests[0].Digest.String()
			}
			image := aliases(t, "11: "+test.image.Tag+"\nlatest: 11", test.settings...)
			p := plan(t, m, image)
			if len(p.Pushes) != 2 || p.Pushes[0].New != want || p.Pushes[1].New != want {
				t.Fatalf("plan is %+v, want both aliases to be %s", p, want)
			}
			if p.Pushes[0].MediaType != m.Manifests[want].MediaType || string(p.Pushes[0].Manifest) != string(m.Manifests[want].Body) {
				t.Error("the bytes are not those of the source")
			}
			applyAndSettle(t, m, image)
		})
	}
}

func TestBytesDoNotDependOnTheOrderOfKeys(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", amd10, arm20, both50)
	one := plan(t, m, aliases(t, "10: {amd64: 10.10, arm64: 10.20}\n11: 10.50"))
	other := plan(t, m, aliases(t, "11: 10.50\n10: {linux/arm64/v8: 10.20, linux/amd64: 10.10}"))
	for i := range one.Pushes {
		if one.Pushes[i].New != other.Pushes[i].New {
			t.Errorf("alias %s is %s or %s", one.Pushes[i].Tag, one.Pushes[i].Manifest, other.Pushes[i].Manifest)
		}
	}
}

// index is an OCI index of what stands in the registry already.
func index(children ...ocispec.Descriptor) string {
	body, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ociIndex, "manifests": children})
	return string(body)
}

func descriptor(m *registrytest.Memory, digest string, edit func(*ocispec.Descriptor)) ocispec.Descriptor {
	raw := m.Manifests[digest]
	var d ocispec.Descriptor
	_ = json.Unmarshal(fmt.Appendf(nil, `{"mediaType":%q,"digest":%q,"size":%d}`, raw.MediaType, digest, len(raw.Body)), &d)
	if edit != nil {
		edit(&d)
	}
	return d
}

const (
	ociIndex    = ocispec.MediaTypeImageIndex
	ociManifest = ocispec.MediaTypeImageManifest
)

func TestNestedIndexes(t *testing.T) {
	m := registrytest.NewMemory()
	tops := m.Push(t, "app", amd10, arm20)
	nested := m.Put("nested", index(descriptor(m, tops["10.10"], nil), descriptor(m, tops["10.20"], nil)))
	p := plan(t, m, aliases(t, "10: {amd64: nested, arm64: nested}", "provenance: drop"))
	if len(p.Pushes) != 1 {
		t.Fatalf("plan is %+v", p)
	}
	want := []string{"linux/amd64 <- nested", "linux/arm64 <- nested"}
	if got := entries(t, p.Pushes[0].Manifest); !slices.Equal(got, want) {
		t.Errorf("index has %q, want %q", got, want)
	}

	for range 3 { // one too many
		nested = m.Put("deep", index(descriptor(m, nested, nil)))
	}
	p = plan(t, m, aliases(t, "10: {amd64: deep}"))
	if len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Message, "deeper than 3") {
		t.Errorf("plan is %+v", p)
	}
}

func TestEntriesThatOnlyTheirManifestExplains(t *testing.T) {
	m := registrytest.NewMemory()
	top := m.Push(t, "app", amd10)["10.10"]
	var pushed ocispec.Index
	_ = json.Unmarshal(m.Manifests[top].Body, &pushed)
	image, attestation := pushed.Manifests[0].Digest.String(), pushed.Manifests[1].Digest.String()
	bare := func(d *ocispec.Descriptor) { d.Platform, d.Annotations = nil, nil }
	m.Put("bare", index(descriptor(m, image, bare), descriptor(m, attestation, bare)))

	p := plan(t, m, aliases(t, "10: {amd64: bare}", "provenance: drop"))
	if len(p.Pushes) != 1 {
		t.Fatalf("plan is %+v", p)
	}
	if got := entries(t, p.Pushes[0].Manifest); !slices.Equal(got, []string{"linux/amd64 <- bare"}) {
		t.Errorf("index has %q", got)
	}
	p = plan(t, m, aliases(t, "10: bare", "provenance: drop"))
	if len(p.Pushes) != 1 || p.Pushes[0].New != image {
		t.Errorf("plan is %+v, want the image %s", p, image)
	}
}

// What the registry's content or a policy forbids: the alias is left alone,
// and alias "ok" is planned all the same.
func TestViolations(t *testing.T) {
	for _, test := range []struct {
		name     string
		alias    string
		settings []string
		id, want string
	}{
		{"a source that is gone", "10: {amd64: 10.10, arm64: 10.99}", nil, "missing-source",
			`source "10.99" does not exist in r.test/app; push it, or change the source`},
		{"a digest that is gone", "10: " + digestOf("x"), nil, "missing-source", "does not exist in r.test/app"},
		{"a repository that is not there", "10: other:1", nil, "missing-source", `source "other:1" is in the repository r.test/other, which does not exist`},
		{"a platform that a source lacks", "10: {amd64: 10.10, arm64: 10.10}", nil, "missing-platform",
			`source "10.10" has no linux/arm64; it has linux/amd64`},
		{"a platform that the config contradicts", "10: {arm64: 10.12}", nil, "platform-mismatch",
			`source "10.12" is linux/amd64 by its config, not linux/arm64`},
		{"a variant is another platform", "10: {amd64/v3: 10.10}", nil, "missing-platform", "has no linux/amd64/v3"},
		{"a required platform that is not listed", "10: {amd64: 10.10}", []string{"platforms: [amd64, arm64]"}, "missing-platform",
			`the platforms policy requires linux/arm64, and the sources give linux/amd64`},
		{"a required platform that the source lacks", "10: 10.10", []string{"platforms: [arm64]"}, "missing-platform",
			`the platforms policy requires linux/arm64, and source "10.10" has linux/amd64`},
		{"two images for one platform", "10: {amd64: twice}", nil, "ambiguous-platform",
			"; push it again with one, or take the source as a whole"},
		{"two images that an annotation sets apart", "10: {amd64: annotated}", nil, "ambiguous-platform",
			" and they differ only in the annotation com.example.build, by which no runtime chooses; push"},
		{"two images for one set of features", "10: {amd64: zstd-twice}", nil, "ambiguous-platform", ", and nothing else tells them apart; push"},
		{"two versions of Windows for one platform", "10: {windows/amd64: windows}", nil, "ambiguous-platform",
			" for windows(10.0.2)/amd64; ask for one of them, such as windows(10.0.2)/amd64, or take the source as a whole"},
		{"two versions of Windows, the first of them", "10: {windows/amd64: windows}", nil, "ambiguous-platform", " for windows(10.0.1)/amd64 and sha256:"},
		{"two images for one version of Windows", "10: {windows/amd64: windows-twice}", nil, "ambiguous-platform",
			`source "windows-twice" has two images for windows(10.0.1)/amd64, sha256:`},
		{"attestations alone", "10: attested", nil, "no-image", `source "attested" holds no image, at most attestation manifests`},
		{"an empty index", "10: empty", nil, "no-image", `source "empty" holds no image`},
		{"an OCI image in a Docker list", "10: {amd64: d12, arm64: 10.40}", []string{"format: docker"}, "docker-oci-child",
			`the linux/arm64/v8 image of source "10.40" is application/vnd.oci.image.manifest.v1+json`},
		{"an index without its child", "10: {amd64: orphan}", nil, "broken-source", `source "orphan" refers to something that is not there`},
		{"an index without its children", "10: orphans", nil, "broken-source", ": not found; "},
		{"an alias that follows a blocked one", "9: {amd64: gone}\n10: 9", nil, "blocked-source", `it follows alias "9", which is blocked`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := registrytest.NewMemory()
			m.Push(t, "app", amd10, plain12, plain40, both50, docker12)
			twisted(t, m)
			image := aliases(t, test.alias+"\nok: 10.50", test.settings...)
			image.Aliases[slices.IndexFunc(image.Aliases, func(a config.Alias) bool { return a.Tag == "ok" })].Pos = config.Pos{}
			p := plan(t, m, image)
			i := slices.IndexFunc(p.Violations, func(f *config.Finding) bool { return f.Alias == "10" })
			if i < 0 {
				t.Fatalf("no violation in %+v", p)
			}
			v := p.Violations[i]
			if string(v.ID) != test.id || !strings.Contains(v.Message, test.want) || v.Pos.Line == 0 {
				t.Errorf("got %v, want %s: %s", v, test.id, test.want)
			}
			for _, push := range p.Pushes {
				if push.Tag == "10" {
					t.Errorf("alias 10 is pushed all the same")
				}
			}
			if len(p.Errors) > 0 {
				t.Errorf("errors: %+v", p.Errors)
			}
			okPlanned := slices.ContainsFunc(p.Pushes, func(p reconcile.Push) bool { return p.Tag == "ok" })
			if test.settings == nil && !okPlanned {
				t.Errorf("alias ok is not planned: %+v", p)
			}
		})
	}
}

// twisted adds tags that a careful registry would not hold.
func twisted(t *testing.T, m *registrytest.Memory) {
	other := m.Push(t, "app", demo.Image{Tag: "other", Platforms: []string{"linux/amd64"}})["other"]
	on := func(os, arch string) func(*ocispec.Descriptor) {
		return func(d *ocispec.Descriptor) { d.Platform = &ocispec.Platform{OS: os, Architecture: arch} }
	}
	plain := m.Tags["r.test/app:10.12"]
	m.Put("twice", index(descriptor(m, plain, on("linux", "amd64")), descriptor(m, other, on("linux", "amd64"))))
	with := func(key, value string) func(*ocispec.Descriptor) {
		return func(d *ocispec.Descriptor) {
			on("linux", "amd64")(d)
			d.Annotations = map[string]string{key: value}
		}
	}
	m.Put("annotated", index(descriptor(m, plain, with("com.example.build", "7")), descriptor(m, other, with("com.example.build", "8"))))
	zstd := with("io.github.containers.compression.zstd", "true")
	m.Put("zstd-twice", index(descriptor(m, plain, zstd), descriptor(m, other, zstd)))
	windows := func(version string) func(*ocispec.Descriptor) {
		return func(d *ocispec.Descriptor) {
			d.Platform = &ocispec.Platform{OS: "windows", Architecture: "amd64", OSVersion: version}
		}
	}
	m.Put("windows", index(descriptor(m, plain, windows("10.0.1")), descriptor(m, other, windows("10.0.2"))))
	m.Put("windows-twice", index(descriptor(m, plain, windows("10.0.1")), descriptor(m, other, windows("10.0.1"))))
	m.Put("empty", index())
	m.Put("orphan", index(descriptor(m, digestOf("nothing"), func(d *ocispec.Descriptor) { d.MediaType = ociIndex })))
	nested := func(d *ocispec.Descriptor) { d.MediaType = ociIndex }
	m.Put("orphans", index(descriptor(m, digestOf("nothing"), nested), descriptor(m, digestOf("neither"), nested)))
	var pushed ocispec.Index
	_ = json.Unmarshal(m.Manifests[m.Tags["r.test/app:10.10"]].Body, &pushed)
	m.Put("attested", index(pushed.Manifests[1]))
}

// As a whole, a source may have an image for each version of Windows.
func TestVersionsOfWindows(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", amd10, plain12)
	twisted(t, m)
	p := plan(t, m, aliases(t, "10: windows"))
	if len(p.Violations) > 0 || len(p.Errors) > 0 || len(p.Pushes) != 1 || p.Pushes[0].New != m.Tags["r.test/app:windows"] {
		t.Errorf("got %+v", p)
	}
}

// What could not be read is an error: never a violation, never absent, and
// never a reason to write.
func TestFailuresToKnow(t *testing.T) {
	boom := errors.New("503 Service Unavailable")
	for _, test := range []struct{ name, broken, alias string }{
		{"the alias", "10", "10: 10.50"},
		{"the alias to be deleted", "10", "10: absent"},
		{"a source", "10.10", "10: {amd64: 10.10, arm64: 10.20}"},
		{"the alias that is followed", "10.10", "10: latest\nlatest: 10.10"},
		{"a config", configOf(t, plain12), "10: {amd64: 10.12}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := registrytest.NewMemory()
			m.Push(t, "app", amd10, arm20, plain12, both50)
			m.Tags["r.test/app:10"] = m.Tags["r.test/app:10.50"]
			m.Broken[test.broken] = boom
			p := plan(t, m, aliases(t, test.alias+"\nok: 10.50\ngone: absent"))
			if !slices.ContainsFunc(p.Errors, func(f reconcile.Failure) bool {
				return f.Alias == "10" && strings.Contains(f.Message, boom.Error())
			}) {
				t.Errorf("errors are %+v", p.Errors)
			}
			if len(p.Pushes) != 1 || p.Pushes[0].Tag != "ok" || len(p.DeleteTags) > 0 || len(p.Violations) > 0 {
				t.Errorf("plan is %+v", p)
			}
		})
	}
}

func configOf(t *testing.T, image demo.Image) string {
	objects, err := image.Objects()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o.MediaType == ocispec.MediaTypeImageConfig {
			return o.Digest.String()
		}
	}
	t.Fatal("no config")
	return ""
}

func TestPlanSaysWhatChanges(t *testing.T) {
	m := registrytest.NewMemory()
	first := m.Push(t, "app", amd10, arm20, both50)
	image := aliases(t, "10: {amd64: 10.10, arm64: 10.20}", "provenance: drop")
	applyAndSettle(t, m, image)
	old := m.Tags["r.test/app:10"]

	m.Push(t, "app", demo.Image{Tag: "10.21", Platforms: []string{"linux/arm64"}, Provenance: true})
	p := plan(t, m, aliases(t, "10: {amd64: 10.10, arm64: 10.21}", "provenance: drop"))
	if len(p.Pushes) != 1 || p.Pushes[0].Old != old {
		t.Fatalf("plan is %+v", p)
	}
	amd, arm := p.Pushes[0].Platforms[0], p.Pushes[0].Platforms[1]
	if amd.Digest != amd.OldDigest || amd.OldSource != "10.10" || amd.SourceDigest != first["10.10"] {
		t.Errorf("amd64 is %+v", amd)
	}
	if arm.Digest == arm.OldDigest || arm.OldSource != "10.20" || arm.Source != "10.21" {
		t.Errorf("arm64 is %+v", arm)
	}

	p = plan(t, m, aliases(t, "10: {amd64: 10.10}", "provenance: drop"))
	if c := p.Pushes[0].Platforms; len(c) != 2 || c[1].Platform != "linux/arm64" || c[1].Digest != "" || c[1].OldSource != "10.20" {
		t.Errorf("the dropped platform is %+v", c)
	}

	// An alias that can't be read is replaced; its old content is not needed.
	m.Put("10", `{"schemaVersion":2,"manifests":[],"manifests":[]}`)
	if p = plan(t, m, image); len(p.Pushes) != 1 || len(p.Errors) > 0 {
		t.Errorf("plan is %+v", p)
	}
}

func TestAbsentAliases(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12)
	m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.12"]
	image := aliases(t, "8: absent\n9: absent")
	p := plan(t, m, image)
	if len(p.DeleteTags) != 1 || p.DeleteTags[0].Tag != "9" || p.DeleteTags[0].Old != m.Tags["r.test/app:10.12"] {
		t.Fatalf("plan is %+v", p)
	}
	applyAndSettle(t, m, image)
	if _, ok := m.Tags["r.test/app:9"]; ok || m.Tags["r.test/app:10.12"] == "" {
		t.Errorf("tags are %v", m.Tags)
	}
}

func TestSourcesElsewhereAreCopied(t *testing.T) {
	m := registrytest.NewMemory()
	elsewhere := m.Push(t, "base", both50)
	image := aliases(t, "10: base:10.50\n11: {amd64: base:10.50}")
	p := plan(t, m, image)
	base := config.Repository{Host: "r.test", Path: "base"}
	if want := []reconcile.Copy{{From: base, Digest: elsewhere["10.50"]}}; !slices.Equal(p.Pushes[0].Copies, want) {
		t.Errorf("alias 10 copies %+v, want %+v", p.Pushes[0].Copies, want)
	}
	if want := []reconcile.Copy{{From: base, Digest: p.Pushes[1].Platforms[0].Digest}}; !slices.Equal(p.Pushes[1].Copies, want) {
		t.Errorf("alias 11 copies %+v, want %+v", p.Pushes[1].Copies, want)
	}
}

// A registry that deletes an image with its last tag would lose what is a
// source by its digest.
func TestAbsentLastTag(t *testing.T) {
	for name, lastTag := range map[string]bool{"a registry that keeps it": false, "one that does not": true} {
		t.Run(name, func(t *testing.T) {
			m := registrytest.NewMemory()
			digests := m.Push(t, "app", both50, plain12)
			m.Facts = registry.Facts{LastTag: lastTag, Tags: registry.Mutability{Immutable: true}}
			p := plan(t, m, aliases(t, "10.50: absent\n10.12: absent\nx: {amd64: "+digests["10.50"]+"}"))
			want := 2
			if lastTag {
				want = 1
				if len(p.Violations) != 1 || p.Violations[0].ID != "pinned-source" || p.Violations[0].Alias != "10.50" {
					t.Errorf("violations are %v", p.Violations)
				}
			}
			if len(p.DeleteTags) != want || len(p.Pushes) != 1 {
				t.Errorf("plan is %+v", p)
			}
		})
	}
}

// What the registry itself would refuse is found before anything is written.
func TestFactsOfTheRepository(t *testing.T) {
	boom := errors.New("access denied")
	for _, test := range []struct {
		name     string
		facts    registry.Facts
		broken   error
		id, want string // of alias 10, which moves
		created  bool   // alias 11, which is new, is planned
	}{
		{"nothing known", registry.Facts{}, nil, "", "", true},
		{"immutable", registry.Facts{Tags: registry.Mutability{Immutable: true}}, nil,
			"immutable-tag", `the tags of r.test/app are immutable; an exclusion filter "10" would let this one move`, true},
		{"immutable with other exclusions", registry.Facts{Tags: registry.Mutability{Immutable: true, Except: []string{"latest*", "v*"}}}, nil,
			"immutable-tag", `immutable, but for those that match "latest*" or "v*"; an exclusion filter "10"`, true},
		{"immutable with an exclusion that fits", registry.Facts{Tags: registry.Mutability{Immutable: true, Except: []string{"1*"}}}, nil, "", "", true},
		{"mutable with an exclusion that fits", registry.Facts{Tags: registry.Mutability{Except: []string{"1*"}}}, nil,
			"immutable-tag", `keeps the tags immutable that match "1*"; narrow that filter`, true},
		{"mutable with other exclusions", registry.Facts{Tags: registry.Mutability{Except: []string{"v*"}}}, nil, "", "", true},
		{"the tag can't be moved, but can go", registry.Facts{Tags: registry.Mutability{Except: []string{"7"}}}, nil, "", "", true},
		{"this tag is locked", registry.Facts{Tags: registry.Mutability{Locked: map[string]bool{"10": true}}}, nil,
			"immutable-tag", `tag "10" of r.test/app is locked; unlock it`, true},
		{"another tag is locked", registry.Facts{Tags: registry.Mutability{Locked: map[string]bool{"8": true}}}, nil, "", "", true},
		{"the repository is locked", registry.Facts{Locked: true}, nil, "immutable-tag", "repository r.test/app is locked", false},
		{"missing", registry.Facts{Missing: true}, nil, "missing-repository", "repository r.test/app does not exist", false},
		{"unknown", registry.Facts{}, boom, "error", "access denied", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := registrytest.NewMemory()
			m.Push(t, "app", plain12, both50)
			m.Tags["r.test/app:10"] = m.Tags["r.test/app:10.50"]
			m.Tags["r.test/app:8"] = m.Tags["r.test/app:10.50"]
			m.Facts, m.Broken["facts"] = test.facts, test.broken
			p := plan(t, m, aliases(t, "8: 10.50\n10: 10.12\n11: 10.12"))
			var got, id string
			for _, v := range p.Violations {
				if v.Alias == "10" {
					id, got = string(v.ID), v.Message
				}
			}
			for _, e := range p.Errors {
				if e.Alias == "10" {
					id, got = "error", e.Message
				}
			}
			if id != test.id || !strings.Contains(got, test.want) {
				t.Errorf("got %s: %s, want %s: %s", id, got, test.id, test.want)
			}
			created := slices.ContainsFunc(p.Pushes, func(p reconcile.Push) bool { return p.Tag == "11" })
			if created != test.created || !slices.Contains(p.InSync, "8") {
				t.Errorf("plan is %+v", p)
			}
		})
	}
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, tag string
		want         bool
	}{
		{"10", "10", true}, {"10", "100", false}, {"*", "", true}, {"*", "any", true}, {"1*", "10", true}, {"1*", "2", false},
		{"*-rc", "1-rc", true}, {"*-rc", "1-rc1", false}, {"v*.*", "v1.2", true}, {"v*.*", "v12", false}, {"a*b*c", "abc", true},
		{"a*b*c", "acb", false}, {"a*a", "a", false}, {"**", "x", true}, {"", "", true}, {"", "x", false},
	} {
		if got := (registry.Expiry{Tags: []string{test.pattern}}).Covers(test.tag); got != test.want {
			t.Errorf("%q matches %q: %v", test.pattern, test.tag, got)
		}
	}
}

func TestWarningsOfRulesThatExpire(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12)
	m.Facts.Expiries = []registry.Expiry{{Rule: "lifecycle rule 2", Tags: []string{"1*"}}}
	p := plan(t, m, aliases(t, "9: 10.12\n10: 10.12"))
	// Both name the image of 10.12, which the rule deletes with all its tags.
	if len(p.Warnings) != 2 || p.Warnings[0].Alias != "9" || !strings.Contains(p.Warnings[1].Message, `lifecycle rule 2 of r.test/app may delete alias "10"`) {
		t.Errorf("warnings are %v", p.Warnings)
	}
	if len(p.Pushes) != 2 {
		t.Errorf("plan is %+v", p)
	}
}

func TestArchivedSource(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12)
	m.Broken["10.12"] = fmt.Errorf("app:10.12: %w", registry.ErrArchived)
	p := plan(t, m, aliases(t, "10: 10.12"))
	if len(p.Violations) != 1 || p.Violations[0].ID != "archived-source" || len(p.Errors)+len(p.Pushes) > 0 {
		t.Errorf("plan is %+v", p)
	}
}

// An index may list one manifest for two platforms. An alias takes the one that
// it names, and no more.
func TestOneManifestForTwoPlatforms(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12, arm20)
	image := m.Manifests[m.Tags["r.test/app:10.12"]]
	entry := func(platform string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":%q}}`, image.MediaType, image.Digest, len(image.Body), platform)
	}
	m.Put("11.0", `{"schemaVersion":2,"mediaType":"`+ociIndex+`","manifests":[`+entry("amd64")+","+entry("arm64")+`]}`)
	p := plan(t, m, aliases(t, "f: {amd64: 11.0, arm64: 10.20}\ng: {arm64: 11.0}", "provenance: drop"))
	for i, want := range [][]string{{"linux/amd64 11.0", "linux/arm64 10.20"}, {"linux/arm64 11.0"}} {
		var got []string
		for _, c := range p.Pushes[i].Platforms {
			got = append(got, c.Platform+" "+c.Source)
		}
		if !slices.Equal(got, want) {
			t.Errorf("alias %s has %q, want %q", p.Pushes[i].Tag, got, want)
		}
	}
}
