package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

// buildCache is an index of layers, as buildx exported its cache before it could
// make an image of it. The registry holds the layers as blobs, so that none of them
// is found as a manifest.
func buildCache() *builder {
	b := build()
	b.release("11.2", false, "linux/amd64")
	blob := func(mediaType, content string) object {
		return object{"mediaType": mediaType, "digest": b.blob(content), "size": len(content)}
	}
	b.tag("buildcache", b.index("cache", nil,
		blob("application/vnd.oci.image.layer.v1.tar+gzip", "one"), blob("application/vnd.docker.image.rootfs.diff.tar.gzip", "two"),
		blob("application/vnd.buildkit.cacheconfig.v0", "{}")))
	return b
}

// What an index lists that is no manifest is neither read nor missed.
func TestBuildCache(t *testing.T) {
	b := buildCache()
	image := aliases(t, "cache: buildcache\n11: {amd64: buildcache}\nok: 11.2")
	state := reconcile.ObserveDeep(t.Context(), b, image)
	p := reconcile.Diff(image, state)
	if got, want := b.actions(p), []string{"push cache cache", "push ok 11.2", "violation missing-platform"}; !slices.Equal(got, want) {
		t.Errorf("plan %q, want %q", got, want)
	}
	for _, v := range p.Violations {
		if !strings.Contains(v.Message, `source "buildcache" has no linux/amd64; it has no image that names its platform`) {
			t.Error(v)
		}
	}
	for _, content := range []string{"one", "two", "{}"} {
		if n := b.Asks(digestOf(content)); n > 0 {
			t.Errorf("%q is asked for %d times", content, n)
		}
	}

	in, err := reconcile.Inspect(t.Context(), b, app, "buildcache")
	if err != nil || len(in.Parts) != 3 {
		t.Fatalf("%+v, %v", in, err)
	}
	for _, part := range in.Parts {
		if part.Missing || part.Kind != policies.Other || part.Tells != part.MediaType || part.Bytes != part.Size {
			t.Errorf("part %+v", part)
		}
	}
	var text strings.Builder
	if err := report.Inspection(&text, in); err != nil || strings.Contains(text.String(), "missing") {
		t.Errorf("%v\n%s", err, text.String())
	}
	d, _ := draft(t, b.Memory)
	if err := d.Unread(); err != nil {
		t.Error(err)
	}
}

const soci = "application/vnd.amazon.soci.index.v2+json"

// converted is a release that AWS's soci convert has made, and that has a zstd twin
// of each image.
func (b *builder) converted(tag string, platforms ...string) {
	var all []object
	for _, platform := range platforms {
		image, twin := b.image(tag+" "+platform, platform), b.image(tag+" zstd "+platform, platform)
		zstd := b.entry(twin, platform)
		zstd["annotations"] = object{"io.github.containers.compression.zstd": "true"}
		companion := b.entry(b.referrer(tag+" soci "+platform, image), platform)
		companion["artifactType"], companion["annotations"] = soci, object{"com.amazon.soci.image-manifest-digest": image}
		all = append(all, b.entry(image, platform), zstd, companion)
	}
	b.tag(tag, b.index(tag, nil, all...))
}

func TestInspectCompanions(t *testing.T) {
	b := build()
	b.converted("11.2", "linux/amd64")
	delete(b.Manifests, b.digest["11.2 zstd linux/amd64"])
	in, err := reconcile.Inspect(t.Context(), b, app, "11.2")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.Inspection(&text, in); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  linux/amd64  ", "companion of linux/amd64  ", "linux/amd64 (zstd)  "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	var parts []string
	for _, part := range in.Parts {
		parts = append(parts, fmt.Sprint(b.called(part.Digest), part.Missing))
	}
	if want := []string{"11.2 linux/amd64false", "11.2 soci linux/amd64false", "11.2 zstd linux/amd64true"}; !slices.Equal(parts, want) {
		t.Errorf("parts %q, want %q", parts, want)
	}
	asJSON := string(report.InspectionJSON(in))
	for _, want := range []string{`"kind": "companion"`, `"refers_to": "` + b.digest["11.2 linux/amd64"], `"features": "zstd"`} {
		if !strings.Contains(asJSON, want) {
			t.Errorf("%s is not in\n%s", want, asJSON)
		}
	}
}

// init proposes what an alias of such releases is, and applying that changes
// nothing.
func TestDraftOfCompanions(t *testing.T) {
	b := build()
	b.converted("11.2", "linux/amd64", "linux/arm64")
	b.converted("11.3", "linux/amd64", "linux/arm64")
	image := aliases(t, "11: {amd64: 11.2, arm64: 11.3}\n12: {amd64: 11.3, arm64: 11.3}\nlatest: 11.3")
	p := plan(t, b.Memory, image)
	if len(p.Pushes) != 3 {
		t.Fatalf("plan %q", b.actions(p))
	}
	if r := reconcile.Apply(t.Context(), b.Writer(image.Repository), p); len(r.Pushed) != 3 || errOf(t, r.Pushed, "11") != nil {
		t.Fatalf("%+v", r)
	}
	d, text := draft(t, b.Memory)
	want := []string{"11: {amd64: 11.2, arm64: 11.3}", "12: {amd64: 11.3, arm64: 11.3}", "latest: 11.3"}
	if got := lines(text); !slices.Equal(got[:min(3, len(got))], want) {
		t.Errorf("aliases %q, want %q\n%s", got, want, text)
	}
	for _, tag := range d.Tags {
		if len(tag.Platforms) != 2 {
			t.Errorf("%s has the platforms %v", tag.Tag, tag.Platforms)
		}
	}
}

// The policy is part of what init proposes.
func TestDraftWithoutCompanions(t *testing.T) {
	b := build()
	b.converted("11.2", "linux/amd64", "linux/arm64")
	b.converted("11.3", "linux/amd64", "linux/arm64")
	image := aliases(t, "11: {amd64: 11.2, arm64: 11.3}\nlatest: 11", "companions: drop")
	p := plan(t, b.Memory, image)
	if r := reconcile.Apply(t.Context(), b.Writer(image.Repository), p); len(r.Pushed) != 2 {
		t.Fatalf("%+v", r)
	}
	d, text := draft(t, b.Memory)
	if got, want := lines(text), []string{"11: {amd64: 11.2, arm64: 11.3}", "latest: 11"}; !slices.Equal(got[:min(2, len(got))], want) {
		t.Errorf("aliases %q, want %q", got, want)
	}
	if want := "    policies: {companions: drop}  # the aliases are without the companions of their sources\n"; !strings.Contains(text, want) {
		t.Errorf("%q is not in\n%s", want, text)
	}
	checkDraft(t, b.Memory, d, text)
}

// An entry that refers to an image and does not say what it is has to be read. It
// is never an image, whatever its config says.
func TestEntriesThatRefer(t *testing.T) {
	b := build()
	image, other := b.image("image", "linux/amd64"), b.image("other", "linux/amd64")
	refers := func(d string) object {
		e := b.entry(d, "unknown/unknown")
		e["annotations"] = object{"vnd.docker.reference.digest": image}
		return e
	}
	bySubject := b.descriptor(b.referrer("by subject", image))
	b.tag("11.2", b.index("11.2", nil, b.entry(image, "linux/amd64"), refers(b.attest("attestation", image, false)), refers(other), bySubject))
	for _, test := range []struct {
		setting string
		want    []string
	}{
		{"provenance: keep", []string{"image", "attestation", "other", "by subject"}},
		{"provenance: drop", []string{"image", "other", "by subject"}},
		{"companions: drop", []string{"image", "attestation"}},
	} {
		p := plan(t, b.Memory, aliases(t, "11: {amd64: 11.2}", test.setting))
		if len(p.Pushes) != 1 {
			t.Fatalf("%s: plan %q", test.setting, b.actions(p))
		}
		index, err := registry.ParseManifest(registry.RawManifest{Digest: p.Pushes[0].New, MediaType: p.Pushes[0].MediaType, Body: p.Pushes[0].Manifest})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range index.Children {
			got = append(got, b.called(d.Digest.String()))
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: the index has %q, want %q", test.setting, got, test.want)
		}
	}
}

// manyEntries is an index of so many images that each policy and each pick has to
// look at all of them.
func manyEntries(b *builder, tag string, n int, platform func(i int) string) {
	var entries []object
	for i := range n {
		d := b.store(fmt.Sprintf("image %d", i), ociManifest, object{
			"config": object{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digestOf("c"), "size": 1}, "layers": []object{},
			"annotations": object{"n": i},
		})
		entries = append(entries, b.entry(d, platform(i)))
		entries = append(entries, b.attestation(b.attest(fmt.Sprint("attestation ", i), d, false), d))
	}
	b.tag(tag, b.index(tag, nil, entries...))
}

// An index of 3,000 entries, or of 600 in a sample.
func TestLargeIndexes(t *testing.T) {
	n := 300 // images, and an attestation for each
	if ocitest.All() {
		n = 1500
	}
	one := func(int) string { return "linux/amd64" }
	each := func(i int) string {
		if i == 7 {
			return "linux/s390x"
		}
		return fmt.Sprintf("linux/cpu%d", i)
	}
	for name, test := range map[string]struct {
		platform func(int) string
		alias    string
		settings []string
		want     []string
		entries  int // of a new index
	}{
		"as a whole":                 {each, "10: 10.10", nil, []string{"push 10 10.10"}, 0},
		"one platform of many":       {each, "10: {s390x: 10.10}", nil, []string{"push 10 new"}, 2},
		"as a whole, without some":   {each, "10: 10.10", []string{"provenance: drop"}, []string{"push 10 new"}, n},
		"images of one platform":     {one, "10: {amd64: 10.10}", nil, []string{"violation ambiguous-platform"}, 0},
		"of one platform as a whole": {one, "10: 10.10", nil, []string{"push 10 10.10"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			manyEntries(b, "10.10", n, test.platform)
			p := plan(t, b.Memory, aliases(t, test.alias, test.settings...))
			got := b.actions(p)
			for i, action := range got {
				if strings.HasPrefix(action, "push 10 sha256:") {
					got[i] = "push 10 new"
					if has := len(entries(t, p.Pushes[0].Manifest)); has != test.entries {
						t.Errorf("%d entries, want %d", has, test.entries)
					}
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("plan %.300q, want %q", got, test.want)
			}
		})
	}
}

// What registries would not take is not pushed, and tagline could not read it again.
func TestIndexThatWouldBeTooLarge(t *testing.T) {
	b := build()
	note := strings.Repeat("a", 1<<20)
	var images []object
	for _, platform := range []string{"linux/amd64", "linux/arm64", "linux/s390x"} {
		e := b.entry(b.image(platform, platform), platform)
		e["annotations"] = object{"note": note}
		images = append(images, e)
	}
	b.tag("10.10", b.index("10.10", nil, images...))
	b.tag("10.20", b.index("10.20", nil, images...))
	p := plan(t, b.Memory, aliases(t, "whole: 10.10\nmap: {amd64: 10.10, arm64: 10.20}\nmap3: {amd64: 10.10, arm64: 10.20, s390x: 10.10}"))
	if len(p.Pushes) != 3 || len(p.Errors) > 0 {
		t.Errorf("plan %.200q", b.actions(p))
	}
	for i := range images {
		images[i]["annotations"] = object{"note": note + note[:1<<19]}
	}
	b.tag("10.10", b.index("10.10", nil, images[:2]...))
	b.tag("10.20", b.index("10.20", nil, images[2]))
	p = plan(t, b.Memory, aliases(t, "10: {amd64: 10.10, arm64: 10.10, s390x: 10.20}\nok: {amd64: 10.10}"))
	if len(p.Pushes) != 1 || len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Message, "its index would have 3 entries and 4719") {
		t.Errorf("plan %.400q", b.actions(p))
	}
}
