package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// What refers to a copy is bounded, and each stands once, after its subject.
func TestReferrersAlong(t *testing.T) {
	for name, test := range map[string]struct {
		setUp    func(b *builder, image string)
		policies []string
		want     int
		warning  string
	}{
		"none": {func(*builder, string) {}, nil, 0, ""},
		"many": {func(b *builder, image string) {
			for i := range 250 {
				b.referrer(fmt.Sprint("referrer ", i), image)
			}
		}, nil, 200, "250 referrers are more than the 200 that are copied with an alias"},
		"a long chain": {func(b *builder, image string) {
			for i := range 12 {
				image = b.referrer(fmt.Sprint("referrer ", i), image)
			}
		}, nil, 8, "is more than 8 referrers away from the image"},
		"left": {func(b *builder, image string) { b.referrer("referrer", image) }, []string{"referrers: leave"}, 0, ""},
		"attestations go by provenance": {func(b *builder, image string) {
			b.attest("attestation", image, true)
			b.referrer("signature", image)
		}, []string{"provenance: drop"}, 1, ""},
		"attestations are kept": {func(b *builder, image string) { b.attest("attestation", image, true) }, nil, 1, ""},
		"can't be read": {func(b *builder, image string) {
			b.referrer("signature", image)
			b.Broken["referrers"] = fmt.Errorf("503 Service Unavailable")
		}, nil, 0, "503 Service Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			image := b.image("image", intel)
			b.Tags["r.test/base:1.0"] = image
			test.setUp(b, image)
			image1 := aliases(t, `1: "base:1.0"`, test.policies...)
			p := plan(t, b.Memory, image1)
			if len(p.Pushes) != 1 || len(p.Errors)+len(p.Violations) > 0 {
				t.Fatalf("%+v", p)
			}
			known := map[string]bool{image: true}
			for _, r := range p.Pushes[0].Referrers {
				if known[r.Digest] || !known[r.Subject] || r.With != image {
					t.Errorf("%+v stands twice, or before its subject", r)
				}
				known[r.Digest] = true
			}
			if got := len(p.Pushes[0].Referrers); got != test.want {
				t.Errorf("%d referrers, want %d", got, test.want)
			}
			if test.warning == "" && len(p.Warnings) == 0 {
				return
			}
			if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0].Message, test.warning) {
				t.Errorf("warnings %v, want %s", p.Warnings, test.warning)
			}
		})
	}
}

// Where not everything is copied, signatures are.
func TestSignaturesFirst(t *testing.T) {
	b := build()
	image := b.image("image", intel)
	b.Tags["r.test/base:1.0"] = image
	for i := range 250 {
		b.store(fmt.Sprint("scan ", i), ociManifest, object{
			"artifactType": "application/vnd.example.scan", "subject": b.descriptor(image),
			"config": object{"mediaType": "application/vnd.oci.empty.v1+json", "digest": digestOf("{}"), "size": 2},
			"layers": []object{{"mediaType": "application/vnd.example.scan", "digest": digestOf(fmt.Sprint(i)), "size": 5}},
		})
	}
	want := map[string]bool{}
	for i := range 12 {
		want[b.referrer(fmt.Sprint("signature ", i), image)] = true
	}
	p := plan(t, b.Memory, aliases(t, `1: "base:1.0"`))
	for _, r := range p.Pushes[0].Referrers {
		delete(want, r.Digest)
	}
	if len(want) > 0 {
		t.Errorf("%d of 12 signatures are not copied", len(want))
	}
}

// circular is a registry that lies: two manifests refer to each other.
type circular struct {
	registry.Readers
	next map[string]string
}

func (c circular) Reader(of config.Repository) registry.Reader {
	return circularReader{c.Readers.Reader(of), c.next}
}

type circularReader struct {
	registry.Reader
	next map[string]string
}

func (c circularReader) Referrers(_ context.Context, digest string) ([]registry.Descriptor, error) {
	if c.next[digest] == "" {
		return nil, nil
	}
	return []registry.Descriptor{{Digest: c.next[digest], MediaType: ociManifest}}, nil
}

func TestReferrersInACircle(t *testing.T) {
	b := build()
	image := b.image("image", intel)
	b.Tags["r.test/base:1.0"] = image
	one := b.referrer("one", image)
	two := b.referrer("two", one)
	app := aliases(t, `1: "base:1.0"`)
	lying := circular{b.Memory, map[string]string{image: one, one: two, two: image}}
	p := reconcile.Diff(app, reconcile.Observe(t.Context(), lying, app))
	if len(p.Pushes) != 1 || len(p.Pushes[0].Referrers) != 2 || len(p.Warnings) > 0 {
		t.Errorf("%+v, %v", p.Pushes, p.Warnings)
	}
}

// With signed: guard an alias stays where it has a signature, and where it is not known
// whether it has one.
func TestGuardOfSigned(t *testing.T) {
	const moves, stays, fails = "moves", "stays", "fails"
	for name, test := range map[string]struct {
		setUp    func(b *builder, old, image string)
		policies []string
		want     string
	}{
		"not signed":    {func(*builder, string, string) {}, []string{"signed: guard"}, moves},
		"by cosign":     {func(b *builder, old, _ string) { b.cosign("signature", old, ".sig") }, []string{"signed: guard"}, stays},
		"by a referrer": {func(b *builder, old, _ string) { b.referrer("referrer", old) }, []string{"signed: guard"}, stays},
		"both are": {func(b *builder, old, image string) {
			b.cosign("signature", old, ".sig")
			b.cosign("another", image, ".sig")
		}, []string{"signed: guard"}, moves},
		"the new one has an SBOM alone": {func(b *builder, old, image string) {
			b.cosign("signature", old, ".sig")
			b.cosign("SBOM", image, ".sbom")
		}, []string{"signed: guard"}, stays},
		"under purge": {func(b *builder, old, _ string) { b.cosign("signature", old, ".sig") }, []string{"signed: guard", "provenance: purge"}, stays},
		"kept":        {func(b *builder, old, _ string) { b.cosign("signature", old, ".sig") }, []string{"signed: keep"}, moves},
		"referrers can't be read": {func(b *builder, _, _ string) { b.Broken["referrers"] = errors.New("503 Service Unavailable") },
			[]string{"signed: guard"}, fails},
		"a tag can't be read": {func(b *builder, old, _ string) {
			b.cosign("signature", old, ".sig")
			b.Broken[fallback(old)+".sig"] = errors.New("503 Service Unavailable")
		}, []string{"signed: guard"}, fails},
		"kept, and can't be read": {func(b *builder, _, _ string) { b.Broken["referrers"] = errors.New("503 Service Unavailable") }, nil, moves},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			old, image := b.image("old", intel), b.image("image", intel)
			b.tag("1.0", old)
			b.tag("1", old)
			b.tag("1.1", image)
			test.setUp(b, old, image)
			p := plan(t, b.Memory, aliases(t, "1: 1.1", test.policies...))
			got := "nothing"
			switch {
			case len(p.Errors) == 1 && strings.HasPrefix(p.Errors[0].Message, "signed: guard needs to know what refers to "+old):
				got = fails
			case len(p.Violations) == 1 && p.Violations[0].ID == findings.DetachedReferrer && len(p.Pushes) == 0:
				got = stays
			case len(p.Pushes) == 1 && len(p.Violations) == 0:
				got = moves
			}
			if got != test.want {
				t.Errorf("it %s, want %s: %+v", got, test.want, p)
			}
		})
	}
}

// An alias whose images stay is not moved away from what refers to its digest, nor
// where it is not known whether anything does. What follows it gets what it has.
func TestLeftAlone(t *testing.T) {
	unavailable := errors.New("503 Service Unavailable")
	for name, test := range map[string]struct {
		setUp    func(b *builder, old string)
		policies []string
		left     bool
		warns    string // in the warning
	}{
		"not signed":         {setUp: func(*builder, string) {}},
		"by cosign":          {setUp: func(b *builder, old string) { b.cosign("signature", old, ".sig") }, left: true, warns: "write whole: true beside newest to follow one whole tag"},
		"by a referrer":      {setUp: func(b *builder, old string) { b.referrer("referrer", old) }, left: true, warns: "write whole: true beside newest"},
		"signed: purge":      {setUp: func(b *builder, old string) { b.cosign("signature", old, ".sig") }, policies: []string{"signed: purge"}, warns: "moves from"},
		"a run that purges":  {setUp: func(b *builder, old string) { b.cosign("signature", old, ".sig") }, policies: []string{"provenance: purge"}},
		"referrers unread":   {setUp: func(b *builder, _ string) { b.Broken["referrers"] = unavailable }, left: true, warns: "503 Service Unavailable; the next run tries again"},
		"a signature unread": {setUp: func(b *builder, old string) { b.Broken[fallback(old)+".sig"] = unavailable }, left: true, warns: "503 Service Unavailable; the next run tries again"},
		"unread, and purge":  {setUp: func(b *builder, _ string) { b.Broken["referrers"] = unavailable }, policies: []string{"signed: purge"}},
		"an SBOM is unread beside a signature": {setUp: func(b *builder, old string) {
			b.cosign("signature", old, ".sig")
			b.Broken[fallback(old)+".sbom"] = unavailable
		}, left: true, warns: "which has a signature"},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			old := b.image("old", intel)
			b.tag("1.0", old)
			b.tag("1", old)
			test.setUp(b, old)
			image := aliases(t, `1: {newest: "1.x"}`+"\nlatest: 1\nparts: {amd64: 1}", test.policies...)
			p := plan(t, b.Memory, image)
			if len(p.Errors)+len(p.Violations) > 0 {
				t.Fatalf("%+v", p)
			}
			pushes := map[string]reconcile.Push{}
			for _, push := range p.Pushes {
				pushes[push.Tag] = push
			}
			if _, moves := pushes["1"]; moves == test.left || slices.Equal(p.LeftAlone, []string{"1"}) != test.left {
				t.Errorf("left alone: %v, pushed: %v, want left alone: %v", p.LeftAlone, moves, test.left)
			}
			if latest := pushes["latest"].New; (latest == old) != test.left {
				t.Errorf("latest gets %s", latest)
			}
			if parts := pushes["parts"]; len(parts.Platforms) != 1 || parts.Platforms[0].Digest != old || parts.Platforms[0].Version() != "1.0" {
				t.Errorf("parts gets %+v", parts.Platforms)
			}
			told := false
			for _, w := range p.Warnings {
				told = told || w.ID == findings.DetachedReferrer && strings.Contains(w.Message, test.warns)
			}
			if told != (test.warns != "") {
				t.Errorf("it warns %v", p.Warnings)
			}
		})
	}
}

// The advice fits what the alias loses, and says what signed: purge deletes.
func TestAdviceOfDetached(t *testing.T) {
	for name, test := range map[string]struct {
		kinds    []string
		policies []string
		want     string
	}{
		"a signature":         {[]string{".sig"}, nil, "to follow one whole tag that is signed, or set signed: purge to let it move"},
		"an SBOM":             {[]string{".sbom"}, nil, "to follow one whole tag that has one, or set signed: purge to let it move"},
		"both":                {[]string{".sig", ".sbom"}, nil, "to follow one whole tag that has them, or set signed: purge to let it move"},
		"guard":               {[]string{".sig"}, []string{"signed: guard"}, "to follow one whole tag that is signed, or set signed: purge to let it move"},
		"guard under a purge": {[]string{".sig"}, []string{"signed: guard", "provenance: purge"}, "to let it move, which also deletes what refers to a digest that the purge deletes"},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			old := b.image("old", intel)
			b.tag("1.0", old)
			b.tag("1", old)
			for _, kind := range test.kinds {
				b.cosign(kind, old, kind)
			}
			p := plan(t, b.Memory, aliases(t, `1: {newest: "1.x"}`, test.policies...))
			all := slices.Concat(p.Warnings, p.Violations)
			if len(all) != 1 || !strings.HasSuffix(all[0].Message, test.want) {
				t.Errorf("%v, want %s", all, test.want)
			}
		})
	}
}

// Under signed: guard the advice to follow a whole release says what that lacks.
func TestAdviceToFollowARelease(t *testing.T) {
	for name, test := range map[string]struct {
		signs func(b *builder, release string)
		want  string // with the release as %s
	}{
		"it is signed":     {func(b *builder, release string) { b.cosign("another signature", release, ".sig") }, "does not; write whole: true beside newest to follow"},
		"it is not signed": {func(*builder, string) {}, "does not; sign 1.1 (%s) and write whole: true beside newest to follow"},
		"it is not known": {func(b *builder, release string) { b.Broken[fallback(release)+".sig"] = errors.New("503") },
			"does not; write whole: true beside newest to follow"},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			old, release := b.image("old", intel), b.image("release", intel)
			b.tag("1.0", old)
			b.tag("1", old)
			b.tag("1.1", release)
			b.cosign("signature", old, ".sig")
			test.signs(b, release)
			p := plan(t, b.Memory, aliases(t, `1: {newest: "1.x"}`, "signed: guard"))
			want := strings.ReplaceAll(test.want, "%s", release)
			if len(p.Violations) != 1 || !strings.Contains(p.Violations[0].Message, want) {
				t.Errorf("%v, want %s", p.Violations, want)
			}
		})
	}
}

// Where it can't be read what refers to the new digest, it is not told that nothing does.
func TestNothingIsDetachedForCertain(t *testing.T) {
	b := build()
	old, image := b.image("old", intel), b.image("image", intel)
	b.tag("1.0", old)
	b.tag("1", old)
	b.tag("1.1", image)
	b.cosign("signature", old, ".sig")
	b.Broken[fallback(image)+".sig"] = errors.New("503 Service Unavailable")
	p := plan(t, b.Memory, aliases(t, "1: 1.1"))
	if len(p.Pushes) != 1 || len(p.Warnings)+len(p.Violations)+len(p.Errors) != 0 {
		t.Errorf("pushes %+v, warnings %v, violations %v, errors %v", p.Pushes, p.Warnings, p.Violations, p.Errors)
	}
}
