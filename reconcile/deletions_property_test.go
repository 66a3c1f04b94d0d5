package reconcile_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// household is a random repository with everything that one can hold, and a
// random images.yaml for it.
type household struct {
	*builder
	image    config.Image
	text     string
	settings map[string]string
}

func drawHousehold(t *rapid.T, tb testing.TB) household {
	b := build()
	b.Listed = rapid.Bool().Draw(t, "listed")
	b.Untyped = b.Listed && rapid.Bool().Draw(t, "untyped")
	b.Drops = !b.Listed && rapid.Bool().Draw(t, "drops")
	some := func(what string, n int) int { return rapid.IntRange(0, n).Draw(t, what) }
	any := func(of []string, what string) string { return rapid.SampledFrom(of).Draw(t, what) }

	var images, attestations, indexes, others []string
	platform, attests := map[string]string{}, map[string]string{}
	for i := range 1 + some("images", 4) {
		p := any([]string{intel, graviton}, "platform")
		d := b.image(fmt.Sprintf("image%d", i), p)
		images, platform[d] = append(images, d), p
	}
	for i := range some("attestations", 4) {
		image := any(images, "attested")
		d := b.attest(fmt.Sprintf("attestation%d", i), image, rapid.Bool().Draw(t, "artifact"))
		attestations, attests[d] = append(attestations, d), image
	}
	for i := range some("foreign", 2) {
		var mentions []string
		if b.Listed { // over HTTP what it mentions is read only where a tag names it
			mentions = append(mentions, any(images, "mentioned"))
		}
		others = append(others, b.foreign(fmt.Sprintf("foreign%d", i), mentions...))
	}
	for i := range 1 + some("indexes", 5) {
		var entries []object
		for _, d := range rapid.SliceOfNDistinct(rapid.SampledFrom(images), 0, 3, rapid.ID).Draw(t, "listed images") {
			entries = append(entries, b.entry(d, platform[d]))
		}
		for _, d := range attestations {
			if rapid.Bool().Draw(t, "lists attestation") {
				entries = append(entries, b.attestation(d, attests[d]))
			}
		}
		// Two levels are enough for everything, and never too deep.
		if i > 2 && rapid.Bool().Draw(t, "nests") {
			entries = append(entries, b.descriptor(any(indexes[:2], "nested")))
		}
		if len(others) > 0 && some("lists foreign", 3) == 0 {
			entries = append(entries, b.descriptor(any(others, "foreign")))
		}
		indexes = append(indexes, b.index(fmt.Sprintf("index%d", i), object{"n": fmt.Sprint(i)}, entries...))
	}
	for i := range some("referrers", 3) {
		others = append(others, b.referrer(fmt.Sprintf("referrer%d", i),
			any(slices.Concat(images, attestations, indexes, others, []string{digestOf("nothing")}), "subject")))
	}
	everything := slices.Concat(images, attestations, indexes, others)
	for i := range some("fallback tags", 3) {
		subject := any(everything, "subject of the tag")
		suffix := any([]string{"", "", ".sig", ".att"}, "suffix")
		if suffix != "" {
			if rapid.Bool().Draw(t, "is of cosign") {
				others = append(others, b.cosign(fmt.Sprintf("cosign%d", i), subject, suffix))
			} else {
				b.tag(fallback(subject)+suffix, any(images, "signature"))
			}
			continue
		}
		var entries []object
		for _, d := range attestations {
			if rapid.Bool().Draw(t, "in the fallback") {
				e := b.descriptor(d)
				e["artifactType"] = attestationType
				entries = append(entries, e)
			}
		}
		if len(others) > 0 && rapid.Bool().Draw(t, "other in the fallback") {
			entries = append(entries, b.descriptor(any(others, "other")))
		}
		b.tag(fallback(subject), b.index(fmt.Sprintf("fallback%d", i), nil, entries...))
	}
	var tags []string
	for i := range 1 + some("tags", 6) {
		tag := fmt.Sprintf("t%d", i)
		b.tag(tag, any(slices.Concat(indexes, indexes, everything), "tagged"))
		tags = append(tags, tag)
	}
	for i := range some("old aliases", 2) {
		tag := fmt.Sprintf("old%d", i)
		d := any(images, "old")
		b.tag(tag, b.index(tag, object{reconcile.AnnotationAlias: any([]string{tag, "other"}, "mark")}, b.entry(d, platform[d])))
	}
	for _, d := range slices.Sorted(maps.Keys(b.Manifests)) {
		if some("young", 3) == 0 {
			b.Pushed[d] = time.Now().Add(-time.Hour)
		}
	}

	var lines strings.Builder
	for i := range 1 + some("aliases", 2) {
		alias := fmt.Sprintf("a%d", i)
		if rapid.Bool().Draw(t, "exists") {
			b.tag(alias, any(slices.Concat(indexes, images), "was"))
		}
		source := any(slices.Concat(tags, indexes[:1]), "source")
		switch some("kind", 4) {
		case 0:
			source = "absent"
		case 1:
			source = fmt.Sprintf("{amd64: %q}", source)
		}
		fmt.Fprintf(&lines, "      %s: %s\n", alias, source)
	}
	settings := map[string]string{
		"provenance": any([]string{"keep", "drop", "purge", "purge"}, "provenance"), "prune": any([]string{"false", "true"}, "prune"),
		"untagged": any([]string{"keep", "delete"}, "untagged"), "signed": any([]string{"keep", "purge"}, "signed"),
	}
	if some("writes grace", 2) == 0 {
		settings["grace"] = "24h"
	}
	text := "images:\n  app:\n    policies: {"
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		text += key + ": " + settings[key] + ", "
	}
	text = strings.TrimSuffix(text, ", ") + "}\n    aliases:\n" + lines.String()
	return household{b, parse(tb, text)[0], text, settings}
}

func (h household) String() string {
	s := fmt.Sprintf("%slisted: %v\n", h.text, h.Listed)
	for _, name := range slices.Sorted(maps.Keys(h.Tags)) {
		s += name + " = " + h.called(h.Tags[name])
		if subject := subjectOf(name); subject != "" {
			s += ", about " + h.called(subject)
		}
		s += "\n"
	}
	for _, d := range slices.Sorted(maps.Keys(h.names)) {
		for _, child := range h.References(d).Manifests {
			s += h.called(d) + " lists " + h.called(child.Digest) + "\n"
		}
		if l := h.References(d); l.Subject != nil {
			s += h.called(d) + " refers to " + h.called(l.Subject.Digest) + "\n"
		}
	}
	return s
}

// Whatever a repository holds: exactly that is deleted which a slow, obvious
// calculation over all of it says, no tag is lost or broken, and then there is
// nothing to do. A grace that is written out only ever keeps more: all that the
// run takes a tag from.
func TestDeletionsAgainstTheObvious(tb *testing.T) {
	cases, deleted := 0, 0
	defer func() { tb.Logf("%d repositories, %d manifests deleted", cases, deleted) }()
	check := func(t *rapid.T) {
		h := drawHousehold(t, tb)
		before := household{builder: &builder{Memory: &registrytest.Memory{Tags: maps.Clone(h.Tags), Manifests: maps.Clone(h.Manifests), Pushed: h.Pushed, Listed: h.Listed}}, settings: h.settings}
		p := plan(tb, h.Memory, h.image)
		if len(p.Errors) > 0 {
			t.Fatalf("%s\nerrors %+v", h, p.Errors)
		}
		want, goes, released := before.obvious(h.image, p)
		got := map[string]bool{}
		for i, d := range p.DeleteManifests {
			got[d.Digest] = true
			for _, later := range p.DeleteManifests[i:] {
				if slices.ContainsFunc(h.References(later.Digest).Manifests, func(c struct{ Digest string }) bool { return c.Digest == d.Digest }) {
					t.Fatalf("%s\n%s is deleted before %s, which lists it", h, h.called(d.Digest), h.called(later.Digest))
				}
			}
		}
		for d := range maps.Keys(h.Manifests) {
			if want[d] && !got[d] && (h.settings["grace"] != "" || before.mentioned(d, want, got)) {
				continue // it may wait; or what a tag is about has an unknown type, and is not believed to need nothing
			}
			if got[d] != want[d] {
				t.Fatalf("%s\n%s\n%s is deleted: %v, want %v", h, strings.Join(h.short(p), "\n"), h.called(d), got[d], want[d])
			}
		}
		tags := before.tagsAfter(p)
		for name, d := range tags {
			if released[name] != "" && got[d] {
				delete(tags, name)
			}
		}
		needed := before.needed(tags, h.image, p, goes)
		if h.Drops { // what tags and other digests lead to in other ways can't be kept there
			needed = before.below(slices.Collect(maps.Values(tags))...)
		}

		result := reconcile.Apply(tb.Context(), h.Writer(h.image.Repository), p)
		for _, o := range slices.Concat(result.Pushed, result.Deleted, result.Removed) {
			if o.Err != nil {
				t.Fatalf("%s\n%s: %v", h, h.called(o.Tag), o.Err)
			}
		}
		if !maps.Equal(h.Tags, tags) {
			t.Fatalf("%s\ntags are %v, want %v", h, h.Tags, tags)
		}
		for d := range needed {
			if _, was := before.Manifests[d]; was && h.Manifests[d].Body == nil {
				t.Fatalf("%s\n%s\n%s was needed and is gone", h, strings.Join(h.short(p), "\n"), h.called(d))
			}
		}
		for name, d := range before.Tags {
			_, there := h.Manifests[d]
			if h.settings["grace"] != "" && !there && !h.Drops && released[name] == "" { // a registry drops on its own; what refers to a digest goes with it
				t.Fatalf("%s\n%s\n%s was %s, and did not wait for grace", h, strings.Join(h.short(p), "\n"), h.called(d), name)
			}
		}
		again := plan(tb, h.Memory, h.image)
		if onlyFallbacks(again) {
			// Over HTTP an index that the run has untagged and kept is out of sight
			// now, and with it why the attestations in it were kept. And everywhere
			// what hangs on an attestation in a fallback tag may take a second run.
			reconcile.Apply(tb.Context(), h.Writer(h.image.Repository), again)
			again = plan(tb, h.Memory, h.image)
		}
		for n := 0; h.Drops && !again.Empty() && n < 3; n++ { // what it has dropped leaves more to delete
			reconcile.Apply(tb.Context(), h.Writer(h.image.Repository), again)
			again = plan(tb, h.Memory, h.image)
		}
		if h.settings["grace"] == "" && !again.Empty() { // else more goes once it has waited
			t.Fatalf("%s\nthe second plan is\n%s", h, strings.Join(h.short(again), "\n"))
		}
		if len(again.Errors) > 0 {
			t.Fatalf("%s\nthe second plan is\n%s", h, strings.Join(h.short(again), "\n"))
		}
		cases, deleted = cases+1, deleted+len(got)
	}
	rounds := 1
	if os.Getenv("TAGLINE_TEST_ALL") != "" {
		rounds = 3 // since so much is drawn
	}
	for range rounds {
		rapid.Check(tb, check)
	}
}

// Where a registry deletes with a manifest what hangs on it, no more goes than the
// plan says, and nothing that something needs.
func TestCascades(tb *testing.T) {
	cases, deleted, spared := 0, 0, 0
	defer func() { tb.Logf("%d repositories, %d manifests deleted, %d more elsewhere", cases, deleted, spared) }()
	rapid.Check(tb, func(t *rapid.T) {
		h := drawHousehold(t, tb)
		h.Listed, h.Drops = true, false
		elsewhere := plan(tb, h.Memory, h.image)
		if rapid.Bool().Draw(t, "takes what it lists") {
			h.Cascades = true
		} else {
			h.Facts.TakesReferrers = true
		}
		before := maps.Clone(h.Manifests)
		p := plan(tb, h.Memory, h.image)
		if len(p.Errors) > 0 {
			t.Fatalf("%s\nerrors %+v", h, p.Errors)
		}
		due := map[string]bool{}
		for _, d := range p.DeleteManifests {
			due[d.Digest] = true
		}
		result := reconcile.Apply(tb.Context(), h.Writer(h.image.Repository), p)
		for _, o := range slices.Concat(result.Pushed, result.Deleted, result.Removed) {
			if o.Err != nil {
				t.Fatalf("%s\n%s: %v", h, h.called(o.Tag), o.Err)
			}
		}
		for d := range before {
			if _, there := h.Manifests[d]; there == due[d] {
				t.Fatalf("%s\n%s\n%s is there: %v", h, strings.Join(h.short(p), "\n"), h.called(d), there)
			}
		}
		for d := range due {
			if !slices.ContainsFunc(elsewhere.DeleteManifests, func(e reconcile.DeleteManifest) bool { return e.Digest == d }) {
				t.Fatalf("%s\n%s would stay elsewhere", h, h.called(d))
			}
		}
		cases, deleted, spared = cases+1, deleted+len(due), spared+len(elsewhere.DeleteManifests)-len(due)
	})
}

// onlyFallbacks reports whether a plan concerns only attestations in fallback tags.
func onlyFallbacks(p reconcile.Plan) bool {
	for _, push := range p.Pushes {
		if subjectOf("app:"+push.Tag) == "" {
			return false
		}
	}
	for _, d := range p.DeleteTags {
		if !d.Emptied {
			return false
		}
	}
	return !slices.ContainsFunc(p.DeleteManifests, func(d reconcile.DeleteManifest) bool { return d.Kind == reconcile.KindUntagged })
}

// tagsAfter are the tags once a plan is carried out.
func (h household) tagsAfter(p reconcile.Plan) map[string]string {
	tags := maps.Clone(h.Tags)
	for _, push := range p.Pushes {
		tags["r.test/app:"+push.Tag] = push.New
		h.Manifests[push.New] = registry.RawManifest{Digest: push.New, MediaType: push.MediaType, Body: push.Manifest}
	}
	for _, d := range p.DeleteTags {
		delete(tags, "r.test/app:"+d.Tag)
	}
	return tags
}
