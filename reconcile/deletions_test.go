package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

const (
	intel    = "linux/amd64"
	graviton = "linux/arm64"
)

// What is planned for a repository as a whole, where only its tags are listed
// and where everything is. What is planned is then done, and a second plan is
// empty.
func TestDeletions(t *testing.T) {
	for _, test := range []struct {
		name     string
		aliases  string
		settings []string
		make     func(*builder)
		overHTTP []string
		listed   []string // as overHTTP if nil
	}{
		{"purge of one platform, and of several", "10: 1", []string{"provenance: purge"}, func(b *builder) {
			b.release("1", false, intel)
			b.release("2", true, intel, graviton)
		}, []string{
			"push 10 1 linux/amd64", "push 1 1 linux/amd64", "push 2 2 without",
			"delete replaced: 1", "delete replaced: 2", "delete attestation: 1 attestation of linux/amd64",
			"delete attestation: 2 attestation of linux/amd64", "delete attestation: 2 attestation of linux/arm64",
		}, nil},
		{"drop touches aliases alone", "10: 1", []string{"provenance: drop", "untagged: delete"}, func(b *builder) {
			b.release("1", false, intel)
		}, []string{"push 10 1 linux/amd64"}, nil},
		{"an alias of a purged source has its bytes", "10: 2\nlatest: 10", []string{"provenance: purge"}, func(b *builder) {
			b.release("2", false, intel, graviton)
		}, []string{
			"push 10 2 without", "push latest 2 without", "push 2 2 without", "delete replaced: 2",
			"delete attestation: 2 attestation of linux/amd64", "delete attestation: 2 attestation of linux/arm64",
		}, nil},
		{"an attestation that a tag names stays", "10: 1", []string{"provenance: purge"}, func(b *builder) {
			b.release("1", false, intel)
			b.tag("attestation", b.digest["1 attestation of linux/amd64"])
		}, []string{"push 10 1 linux/amd64", "push 1 1 linux/amd64", "delete replaced: 1"}, nil},
		{"an index that is named by digest stays whole", "10: DIGEST\n11: 1", []string{"provenance: purge"}, func(b *builder) {
			b.release("1", false, intel)
		}, []string{"push 10 1 linux/amd64", "push 11 1 linux/amd64", "push 1 1 linux/amd64"}, nil},
		{"what an untagged index holds", "10: 1", []string{"provenance: purge"}, func(b *builder) {
			b.release("1", false, intel)
			b.release("gone", false, intel)
			delete(b.Tags, "r.test/app:gone")
		}, []string{"push 10 1 linux/amd64", "push 1 1 linux/amd64", "delete replaced: 1", "delete attestation: 1 attestation of linux/amd64"}, nil},
		{"and with untagged: delete", "10: 1", []string{"provenance: purge", "untagged: delete"}, func(b *builder) {
			b.release("1", false, intel)
			b.release("gone", false, intel)
			delete(b.Tags, "r.test/app:gone")
		}, []string{"push 10 1 linux/amd64", "push 1 1 linux/amd64", "delete replaced: 1", "delete attestation: 1 attestation of linux/amd64"}, []string{
			"push 10 1 linux/amd64", "push 1 1 linux/amd64", "delete replaced: gone", "delete replaced: 1",
			"delete attestation: 1 attestation of linux/amd64", "delete attestation: gone attestation of linux/amd64", "delete untagged: gone linux/amd64",
		}},
		{"an untagged index that was made for an alias that has moved", "10: {amd64: 2}", []string{"provenance: purge"}, func(b *builder) {
			b.tag("1", b.image("1", intel))
			b.tag("2", b.image("2", intel))
			b.tag("10", b.index("now", object{reconcile.AnnotationAlias: "10"}, b.entry(b.digest["2"], intel)))
			a := b.attest("attestation", b.digest["1"], false)
			b.index("before", object{reconcile.AnnotationAlias: "10"}, b.entry(b.digest["1"], intel), b.attestation(a, b.digest["1"]), b.entry(b.digest["2"], graviton))
			b.index("of another alias", object{reconcile.AnnotationAlias: "9"}, b.entry(b.digest["1"], intel), b.attestation(a, b.digest["1"]), b.entry(b.digest["2"], graviton))
			a = b.attest("loose attestation", b.image("loose", intel), false)
			b.index("with an image of its own", object{reconcile.AnnotationAlias: "10"}, b.entry(b.digest["loose"], intel), b.attestation(a, b.digest["loose"]))
		}, []string{"push 10 ?"}, []string{"push 10 ?", "delete replaced: before"}},
		{"a loose attestation goes once it is old", "10: plain", []string{"provenance: purge"}, func(b *builder) {
			image := b.image("plain", intel)
			b.tag("plain", image)
			b.attest("old", image, true)
			b.Pushed[b.attest("new", image, false)] = time.Now().Add(-time.Minute)
			b.referrer("signature", image)
		}, []string{"push 10 plain"}, []string{"push 10 plain", "delete attestation: old"}},
		{"nested indexes are flattened where they hold attestations", "10: 1", []string{"provenance: purge"}, func(b *builder) {
			b.release("inner", false, intel)
			image := b.image("other", graviton)
			b.tag("1", b.index("outer", nil, b.descriptor(b.digest["inner"]), b.entry(image, graviton)))
			delete(b.Tags, "r.test/app:inner")
		}, []string{"push 10 outer without", "push 1 outer without", "delete replaced: outer", "delete replaced: inner", "delete attestation: inner attestation of linux/amd64"}, nil},
		{"fallback tags of attestations go when they are empty", "10: 1", []string{"provenance: purge"}, func(b *builder) {
			b.release("1", true, intel, graviton)
			for _, platform := range []string{intel, graviton} {
				listed := b.descriptor(b.digest["1 attestation of "+platform])
				listed["artifactType"] = attestationType
				entries := []object{listed}
				if platform == graviton {
					entries = append(entries, b.descriptor(b.referrer("signature", b.digest["1 "+platform])))
				}
				b.tag(fallback(b.digest["1 "+platform]), b.index("referrers of "+platform, nil, entries...))
			}
		}, []string{
			"push 10 1 without", "push 1 1 without", "push sha256-ARM referrers of linux/arm64 without", "untag sha256-AMD",
			"delete replaced: 1", "delete replaced: referrers of linux/amd64", "delete replaced: referrers of linux/arm64",
			"delete attestation: 1 attestation of linux/amd64", "delete attestation: 1 attestation of linux/arm64",
		}, nil},
		{"a tag is left alone that lists what is gone", "10: {amd64: 2}", []string{"provenance: purge"}, func(b *builder) {
			b.release("1", false, intel, graviton)
			delete(b.Manifests, b.digest["1 "+graviton])
			b.release("2", false, intel)
		}, []string{
			"push 10 ?", "push 2 2 linux/amd64", "delete replaced: 2", "delete attestation: 2 attestation of linux/amd64", "violation missing-child",
		}, nil},
		{"a signed tag is left alone", "10: {amd64: 1}", []string{"provenance: purge"}, func(b *builder) {
			b.tag(fallback(b.release("1", false, intel))+".sig", b.image("signature", intel))
			b.referrer("signature of 2", b.release("2", false, intel))
		}, []string{"push 10 ?", "warning signed-tag 1", "warning signed-tag 2"}, nil},
		{"an alias of a signed tag is rewritten", "10: 1\n11: 2\n12: 1", []string{"provenance: purge"}, func(b *builder) {
			b.cosign("signature of 1", b.release("1", false, intel), ".sig")
			b.tag("10", b.digest["1"])
			b.cosign("signature of 2", b.release("2", false, intel, graviton), ".sig")
		}, []string{
			"push 10 1 linux/amd64", "push 11 ?", "push 12 1 linux/amd64",
			"warning signed-tag 1", "warning signed-tag 2", "warning signed-tag 10", "warning signed-tag 11", "warning signed-tag 12",
		}, nil},
		{"an alias of a signed tag moves", "10: 2", []string{"provenance: purge"}, func(b *builder) {
			b.cosign("signature of 1", b.release("1", false, intel), ".sig")
			b.tag("10", b.digest["1"])
			b.release("2", false, intel)
		}, []string{"push 10 2 linux/amd64", "push 2 2 linux/amd64", "delete replaced: 2", "delete attestation: 2 attestation of linux/amd64", "warning signed-tag 1"}, nil},
		{"unless signed: purge", "10: 1", []string{"provenance: purge", "signed: purge"}, func(b *builder) {
			b.tag(fallback(b.release("1", false, intel))+".sig", b.image("signature", intel))
			b.referrer("signature of 2", b.release("2", false, intel))
		}, []string{
			"push 10 1 linux/amd64", "push 1 1 linux/amd64", "push 2 2 linux/amd64",
			"delete referrer: signature of 2", "delete replaced: 2", "delete attestation: 2 attestation of linux/amd64", "warning signed-tag 1", "warning signed-tag 2",
		}, nil},
		{"with signed: purge all that refers to what goes", "10: 1", []string{"provenance: purge", "signed: purge"}, func(b *builder) {
			old := b.release("1", false, intel)
			b.cosign("signature", old, ".sig")
			b.cosign("SBOM", old, ".sbom")
			b.cosign("signature of the SBOM", b.digest["SBOM"], ".sig")
			b.cosign("signature of the attestation", b.digest["1 attestation of linux/amd64"], ".sig")
			b.cosign("signature of the image", b.digest["1 linux/amd64"], ".sig")
			b.referrer("referrer of the image", b.digest["1 linux/amd64"])
			listed := b.descriptor(b.referrer("referrer", old))
			listed["artifactType"] = "application/vnd.example.signature"
			b.tag(fallback(old), b.index("list", nil, listed))
			b.referrer("referrer of the referrer", b.digest["referrer"])
		}, []string{
			"push 10 1 linux/amd64", "push 1 1 linux/amd64", "delete referrer: signature", "delete referrer: signature of the SBOM", "delete referrer: SBOM",
			"delete referrer: list", "delete referrer: referrer of the referrer", "delete referrer: referrer", "delete replaced: 1",
			"delete referrer: signature of the attestation", "delete attestation: 1 attestation of linux/amd64", "warning signed-tag 1",
		}, nil},
		{"a signature that stays keeps what it refers to", "10: 1", []string{"provenance: purge", "signed: purge"}, func(b *builder) {
			b.cosign("signature of 1", b.release("1", false, intel), ".sig")
			b.tag("tagged", b.digest["signature of 1"]) // it names no subject, so nothing else stays
			old := b.release("2", false, intel)
			b.tag("holds", b.referrer("tagged referrer", b.referrer("referrer", old)))
			b.cosign("signature of 2", old, ".sig")
			old = b.release("3", false, intel)
			b.tag(fallback(old), b.index("no list", nil, b.entry(b.image("another image", intel), intel)))
			b.cosign("signature of 3", old, ".sig")
		}, []string{
			"push 10 1 linux/amd64", "push 1 1 linux/amd64", "push 2 2 linux/amd64", "push 3 3 linux/amd64", "untag sha256-ONE.sig",
			"delete replaced: 1", "delete attestation: 1 attestation of linux/amd64", "warning signed-tag 1", "warning signed-tag 2", "warning signed-tag 3",
		}, nil},
		{"a signature waits with its index", "10: 1", []string{"provenance: purge", "signed: purge", "grace: 72h", "untagged: delete"}, func(b *builder) {
			b.cosign("signature", b.release("1", false, intel), ".sig")
			b.referrer("referrer", b.digest["1"])
		}, []string{"push 10 1 linux/amd64", "push 1 1 linux/amd64", "warning signed-tag 1", "warning unlisted-grace "},
			[]string{"push 10 1 linux/amd64", "push 1 1 linux/amd64", "warning signed-tag 1"}},
		{"prune by the mark of the tag itself", "10: 1", []string{"prune: true"}, func(b *builder) {
			image := b.image("1", intel)
			b.tag("1", image)
			b.tag("10", image)
			b.tag("9", b.index("9", object{reconcile.AnnotationAlias: "9"}, b.entry(image, intel)))
			b.tag("stable", b.digest["9"])
			b.tag("8", b.index("8", object{}, b.entry(image, intel)))
		}, []string{"untag 9", "warning former-alias "}, nil},
		{"prune leaves what is a source now", "10: 1\nlatest: 9", []string{"prune: true"}, func(b *builder) {
			image := b.image("1", intel)
			b.tag("1", image)
			b.tag("10", image)
			b.tag("9", b.index("9", object{reconcile.AnnotationAlias: "9"}, b.entry(image, intel)))
			b.tag("latest", b.digest["9"])
		}, nil, nil},
		{"prune leaves the last tag of what is a source by digest", "10: {amd64: DIGEST}", []string{"prune: true"}, func(b *builder) {
			image := b.image("1", intel)
			b.tag("1", b.index("1", object{reconcile.AnnotationAlias: "1"}, b.entry(image, intel)))
			b.Facts.LastTag = true
		}, []string{"push 10 ?"}, nil},
		{"prune and untagged", "10: 1", []string{"prune: true", "untagged: delete"}, func(b *builder) {
			image := b.image("1", intel)
			b.tag("1", image)
			b.tag("10", image)
			lost := b.image("lost", intel)
			b.tag("9", b.index("9", object{reconcile.AnnotationAlias: "9"}, b.entry(lost, intel)))
			b.Pushed[lost], b.Pushed[b.digest["9"]] = time.Now(), time.Now() // the run itself replaces what 9 was, but not its image
		}, []string{"untag 9", "delete untagged: 9", "delete untagged: lost"}, []string{"untag 9", "delete untagged: 9"}},
		{"untagged", "10: 1", []string{"untagged: delete"}, func(b *builder) {
			image := b.image("1", intel)
			b.tag("1", image)
			b.tag("10", image)
			b.referrer("signature of 1", image)
			b.index("loose", nil, b.entry(b.image("child", intel), intel), b.entry(image, intel))
			b.referrer("signature of loose", b.digest["loose"])
			b.image("old", intel)
			b.Pushed[b.image("young", intel)] = time.Now().Add(-time.Hour)
			b.tag("signs", b.referrer("tagged referrer", b.image("subject", intel)))
			b.foreign("foreign", b.image("mentioned", intel))
			b.tag(fallback(b.image("with a fallback tag", intel))+".sbom", b.image("sbom", intel))
		}, nil, []string{"delete untagged: loose", "delete untagged: old", "delete untagged: signature of loose", "delete untagged: child"}},
		{"over HTTP what the run replaces", "10: 2", []string{"untagged: delete"}, func(b *builder) {
			b.tag("2", b.image("2", intel))
			b.tag("10", b.index("1", nil, b.entry(b.image("1 linux/amd64", intel), intel), b.entry(b.digest["2"], intel)))
			b.referrer("signature of 1", b.digest["1"])
		}, []string{"push 10 2", "delete untagged: 1", "delete untagged: signature of 1", "delete untagged: 1 linux/amd64", "warning detached-referrer 10"}, nil},
		{"a shared digest is only untagged", "9: absent\n10: 1", []string{"untagged: delete"}, func(b *builder) {
			image := b.image("1", intel)
			for _, tag := range []string{"1", "9", "10"} {
				b.tag(tag, image)
			}
		}, []string{"untag 9"}, nil},
	} {
		for _, listed := range []bool{false, true} {
			t.Run(map[bool]string{false: "over HTTP/", true: "listed/"}[listed]+test.name, func(t *testing.T) {
				b := build()
				b.Listed = listed
				test.make(b)
				image := aliases(t, strings.ReplaceAll(test.aliases, "DIGEST", b.digest["1"]), test.settings...)
				p := plan(t, b.Memory, image)
				got := b.short(p)
				want := test.overHTTP
				if listed && test.listed != nil {
					want = test.listed
				}
				if diff := difference(got, want); diff != "" {
					t.Errorf("plan:\n%s\n%s", strings.Join(got, "\n"), diff)
				}
				applyAndSettle(t, b.Memory, image)
			})
		}
	}
}

// short is [builder.actions] where what is pushed for the first time has a name
// as well.
func (b *builder) short(p reconcile.Plan) []string {
	for _, push := range p.Pushes {
		if _, known := b.names[push.New]; !known && push.Purged > 0 {
			b.names[push.New] = b.called(push.Old) + " without"
		}
	}
	for _, push := range p.Pushes {
		if _, known := b.names[push.New]; !known {
			b.names[push.New] = "?"
		}
	}
	all := b.actions(p)
	for i := range all {
		if d := b.digest["1"]; d != "" {
			all[i] = strings.ReplaceAll(all[i], fallback(d), "sha256-ONE")
		}
		for name, platform := range map[string]string{"AMD": intel, "ARM": graviton} {
			if d := b.digest["1 "+platform]; d != "" {
				all[i] = strings.ReplaceAll(all[i], fallback(d), "sha256-"+name)
			}
		}
	}
	return all
}

// difference ignores the order among deletions of a plan, which is by digest;
// that parents come first is tested on its own.
func difference(got, want []string) string {
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return ""
	}
	return "want:\n" + strings.Join(want, "\n")
}

// Where nothing can be deleted, a purge moves no tag; the rest of the plan is done.
func TestPurgeWithoutDeletions(t *testing.T) {
	b := build()
	b.release("1", false, intel)
	b.release("2", false, intel, graviton)
	b.release("9", false, graviton)
	before := maps.Clone(b.Tags)
	b.Broken["DELETE"] = fmt.Errorf("%w (405 Method Not Allowed)", registry.ErrUnsupported)
	for range 2 { // nothing is forgotten in the second run
		p := plan(t, b.Memory, aliases(t, "10: 1\n9: absent", "provenance: purge"))
		r := reconcile.Apply(t.Context(), b.Writer(p.Repository), p)
		for _, o := range slices.Concat(r.Pushed, r.Removed) {
			if o.Tag == "10" && o.Err != nil || o.Tag != "10" && !errors.Is(o.Err, registry.ErrUnsupported) {
				t.Errorf("%s: %v", o.Tag, o.Err)
			}
		}
		for _, o := range r.Deleted {
			if o.Err != nil {
				t.Errorf("%s: %v", o.Tag, o.Err)
			}
		}
		if len(r.Removed) == 0 {
			t.Errorf("plan %+v", p)
		}
		for _, tag := range []string{"r.test/app:1", "r.test/app:2"} {
			if b.Tags[tag] != before[tag] {
				t.Errorf("%s moved", tag)
			}
		}
		if b.Tags["r.test/app:10"] == "" || b.Tags["r.test/app:9"] != "" || len(b.Deleted) > 0 {
			t.Errorf("tags %v, deleted %v", b.Tags, b.Deleted)
		}
	}
	delete(b.Broken, "DELETE") // and once they can be, the purge goes through
	p := plan(t, b.Memory, aliases(t, "10: 1\n9: absent", "provenance: purge"))
	for _, o := range reconcile.Apply(t.Context(), b.Writer(p.Repository), p).Removed {
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
	if p := plan(t, b.Memory, aliases(t, "10: 1\n9: absent", "provenance: purge")); !p.Empty() {
		t.Errorf("left to do: %+v", p)
	}
}

// Where a registry deletes referrers with their subject, they go before it, so that
// each is in the trash first.
func TestReferrersGoFirst(t *testing.T) {
	for name, facts := range map[string]registry.Facts{"Harbor": {Cascades: true}, "Azure": {TakesReferrers: true}} {
		t.Run(name, func(t *testing.T) {
			b := build()
			b.Listed, b.Facts = true, facts
			b.tag("plain", b.image("plain", intel))
			old := b.image("old", intel)
			first := b.referrer("signature", old)
			second := b.referrer("signature of the signature", first)
			p := plan(t, b.Memory, aliases(t, "10: plain", "untagged: delete"))
			var order []string
			for _, d := range p.DeleteManifests {
				order = append(order, d.Digest)
			}
			if !slices.Equal(order, []string{second, first, old}) {
				t.Fatalf("%d manifests are deleted: %v", len(order), b.short(p))
			}
			bin := &bin{}
			w := reconcile.KeepFirst(b.Writer(p.Repository), b.Reader(p.Repository), bin, p.Repository, p)
			for _, o := range reconcile.Apply(t.Context(), w, p).Removed {
				if o.Err != nil || !bin.has(o.Tag, "") {
					t.Errorf("%s: %v, is kept: %v", b.called(o.Tag), o.Err, bin.has(o.Tag, ""))
				}
			}
		})
	}
}
