package reconcile_test

import (
	"encoding/json"
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
		h.Cascades = true
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

// mentioned reports whether a manifest of an unknown type stays that is this one, or
// has its digest in it, or that of what leads to it.
func (h household) mentioned(d string, want, got map[string]bool) bool {
	for foreign, m := range h.Manifests {
		if m.MediaType != foreignType || !want[foreign] || got[foreign] {
			continue
		}
		uses := []string{foreign}
		for other := range h.Manifests {
			if strings.Contains(string(m.Body), other) {
				uses = append(uses, other)
			}
		}
		if h.below(uses...)[d] {
			return true
		}
	}
	return false
}

// below is a manifest and all that it lists.
func (h household) below(digests ...string) map[string]bool {
	all := map[string]bool{}
	for len(digests) > 0 {
		d := digests[0]
		digests = digests[1:]
		if _, exists := h.Manifests[d]; exists && !all[d] {
			all[d] = true
			for _, child := range h.References(d).Manifests {
				digests = append(digests, child.Digest)
			}
		}
	}
	return all
}

func (h household) isAttestation(d string) bool {
	return strings.Contains(string(h.Manifests[d].Body), "in-toto.io/predicate-type")
}

// subjectOf is what a tag sha256-<hex>[.suffix] is about.
func subjectOf(name string) string {
	_, tag, _ := strings.Cut(name, "app:")
	tag, _, _ = strings.Cut(tag, ".")
	if hex, ok := strings.CutPrefix(tag, "sha256-"); ok {
		return "sha256:" + hex
	}
	return ""
}

// needed is what must stay by the rules of the contract alone, whatever the
// policies want: they can only take more from what is left.
// What goes with its subject is not kept by its age.
func (h household) needed(tags map[string]string, image config.Image, p reconcile.Plan, goes map[string]string) map[string]bool {
	purge := h.settings["provenance"] == "purge"
	read := h.below(slices.Collect(maps.Values(h.Tags))...) // over HTTP: what tags lead to
	needed := map[string]bool{}
	for name, d := range tags {
		needed[d], needed[subjectOf(name)] = true, true
	}
	for _, d := range image.Pinned {
		needed[d] = true
	}
	for d, m := range h.Manifests {
		if m.MediaType == foreignType && (h.Listed || read[d]) {
			needed[d] = true
			for other := range h.Manifests {
				if strings.Contains(string(m.Body), other) {
					needed[other] = true
				}
			}
		}
	}
	if h.settings["untagged"] == "delete" && h.Listed {
		was := slices.Collect(maps.Values(h.Tags))
		for d := range h.Manifests {
			young := h.Pushed[d].After(time.Now().Add(-24 * time.Hour))
			if young && !slices.Contains(was, d) && !h.purges(d, p) && goes[d] == "" {
				needed[d] = true
			}
		}
	}
	for before := -1; before != len(needed); {
		before = len(needed)
		for d := range h.Manifests {
			subject := ""
			if s := h.References(d).Subject; s != nil {
				subject = s.Digest
			}
			if needed[d] {
				for child := range h.below(d) {
					needed[child] = true
				}
				if subject != "" {
					needed[subject] = true
				}
			} else if needed[subject] && subject != "" && (!purge || !h.isAttestation(d)) {
				needed[d] = true
			}
		}
	}
	return needed
}

// leaves are the manifests below one that list nothing, but for attestations.
func (h household) leaves(d string) (all string, attested bool) {
	var found []string
	for below := range h.below(d) {
		switch {
		case h.isAttestation(below):
			attested = true
		case len(h.References(below).Manifests) == 0:
			found = append(found, below)
		}
	}
	slices.Sort(found)
	return strings.Join(found, " "), attested
}

// seen is what a run reads over HTTP: what tags lead to, and what they are about.
func (h household) seen() map[string]bool {
	var tops []string
	for name, d := range h.Tags {
		tops = append(tops, d, subjectOf(name))
	}
	seen := map[string]bool{}
	for before := -1; before != len(seen)+len(tops); {
		before = len(seen) + len(tops)
		maps.Copy(seen, h.below(tops...))
		for d := range seen {
			s := h.References(d).Subject
			if s != nil && !slices.Contains(tops, s.Digest) && (!h.isAttestation(d) || slices.Contains(tops, d)) { // an index says what an attestation is
				tops = append(tops, s.Digest)
			}
		}
	}
	return seen
}

// leftBehind are the untagged indexes that a purge replaced in an earlier run: a
// tag has the same images without attestations.
func (h household) leftBehind(p reconcile.Plan) []string {
	after := household{builder: &builder{Memory: &registrytest.Memory{Manifests: maps.Clone(h.Manifests), Tags: h.Tags}}}
	tags, tagged := after.tagsAfter(p), map[string]bool{}
	for name, d := range tags {
		if images, attested := after.leaves(d); subjectOf(name) == "" && !attested {
			tagged[images] = true
		}
	}
	seen := map[string]bool{}
	if h.settings["signed"] == "purge" && h.settings["grace"] == "" { // what refers to them may go
		seen = h.seen()
	}
	var all []string
	for d := range h.Manifests {
		named := slices.Contains(slices.Collect(maps.Values(h.Tags)), d) || slices.Contains(slices.Collect(maps.Values(tags)), d)
		if images, attested := h.leaves(d); (h.Listed || seen[d]) && !named && attested && tagged[images] {
			all = append(all, d)
		}
	}
	return all
}

// replacedBy are the indexes with attestations that a purge takes from tags, or
// took in an earlier run.
func (h household) replacedBy(p reconcile.Plan) map[string]bool {
	old := h.leftBehind(p)
	for _, push := range p.Pushes {
		old = append(old, push.Old)
	}
	for _, d := range p.DeleteTags {
		if d.Emptied {
			old = append(old, d.Old)
		}
	}
	all := map[string]bool{}
	for d := range h.below(old...) {
		for below := range h.below(d) {
			if below != d && h.isAttestation(below) {
				all[d] = true
			}
		}
	}
	return all
}

// purges tells what goes by a purge, however young it is or untagged is set.
func (h household) purges(d string, p reconcile.Plan) bool {
	if h.settings["provenance"] != "purge" {
		return false
	}
	led := map[string]bool{}
	for name, top := range h.Tags {
		if subjectOf(name) == "" {
			maps.Copy(led, h.below(top))
		}
	}
	maps.Copy(led, h.below(h.leftBehind(p)...))
	old := h.Pushed[d].Before(time.Now().Add(-24 * time.Hour))
	return h.isAttestation(d) && (led[d] || old || !h.Listed) || h.replacedBy(p)[d]
}

// goesWith is what refers to what a purge deletes, and the tags that stand for such a
// reference, each with its subject.
func (h household) goesWith(tags map[string]string, image config.Image, p reconcile.Plan, stays map[string]bool) (goes, released map[string]string) {
	goes, released = map[string]string{}, map[string]string{}
	if h.settings["provenance"] != "purge" || h.settings["signed"] != "purge" {
		return goes, released
	}
	aliases := map[string]bool{}
	for _, a := range image.Aliases {
		aliases["r.test/app:"+a.Tag] = true
	}
	for before := -1; before != len(goes)+len(released); {
		before = len(goes) + len(released)
		for subject := range h.Manifests {
			if stays[subject] || !h.purges(subject, p) && goes[subject] == "" {
				continue
			}
			for r, m := range h.Manifests {
				if s := h.References(r).Subject; s != nil && s.Digest == subject && m.MediaType != foreignType && !h.isAttestation(r) && !h.purges(r, p) {
					goes[r] = subject
				}
			}
			for name, d := range tags {
				if subjectOf(name) != subject || aliases[name] || !h.stands(name, d) {
					continue
				}
				if released[name] = subject; !h.purges(d, p) {
					goes[d] = subject
				}
			}
		}
	}
	return goes, released
}

// stands tells whether a tag stands for a reference alone.
func (h household) stands(name, d string) bool {
	if strings.Contains(name, ".sig") || strings.Contains(name, ".att") {
		return strings.Contains(string(h.Manifests[d].Body), "simplesigning")
	}
	var index struct {
		Manifests []struct{ Digest, MediaType, ArtifactType string }
	}
	if err := json.Unmarshal(h.Manifests[d].Body, &index); err != nil || len(index.Manifests) == 0 || d == subjectOf(name) {
		return false
	}
	for _, entry := range index.Manifests {
		s := h.References(entry.Digest).Subject
		if entry.Digest == subjectOf(name) || entry.MediaType == foreignType || entry.ArtifactType == "" && (s == nil || s.Digest != subjectOf(name)) {
			return false
		}
	}
	return true
}

// obvious is what is to be deleted, and what goesWith says of it.
func (h household) obvious(image config.Image, p reconcile.Plan) (due map[string]bool, goes, released map[string]string) {
	after := household{builder: &builder{Memory: &registrytest.Memory{Manifests: maps.Clone(h.Manifests), Pushed: h.Pushed, Listed: h.Listed, Tags: h.Tags}}, settings: h.settings}
	tags := after.tagsAfter(p)
	known := map[string]bool{}
	for d := range h.Manifests {
		known[d] = h.Listed
	}
	maps.Copy(known, h.seen())
	refers := func(d string) bool {
		for name := range h.Tags {
			if subjectOf(name) == d {
				return true
			}
		}
		for r := range h.Manifests {
			if s := h.References(r).Subject; s != nil && s.Digest == d {
				return true
			}
		}
		return false
	}
	staying := func(goes, released map[string]string) map[string]bool {
		left := maps.Clone(tags)
		maps.DeleteFunc(left, func(name, _ string) bool { return released[name] != "" })
		// What is not asked to go stays, and what it lists.
		stays := after.needed(left, image, p, goes)
		for d := range h.Manifests {
			purged := h.purges(d, p) && (h.settings["untagged"] == "delete" || h.settings["signed"] == "purge" || !refers(d))
			if known[d] && !purged && h.settings["untagged"] == "keep" && goes[d] == "" {
				maps.Copy(stays, h.below(d))
			}
		}
		return stays
	}
	for {
		held := map[string]bool{}
		goes, released := after.goesWith(tags, image, p, held)
		stays := staying(goes, released)
		for again := true; again; {
			again = false
			for _, subjects := range []map[string]string{goes, released} {
				for _, subject := range subjects {
					if stays[subject] && !held[subject] {
						held[subject], again = true, true
					}
				}
			}
			goes, released = after.goesWith(tags, image, p, held)
			stays = staying(goes, released)
		}
		due, more := map[string]bool{}, false
		for d := range h.Manifests {
			due[d] = known[d] && !stays[d]
		}
		// Over HTTP the referrers of what goes are found, and what they list.
		for r := range h.Manifests {
			if s := h.References(r).Subject; s != nil && due[s.Digest] {
				for d := range h.below(r) {
					more = more || !known[d]
					known[d] = true
				}
			}
		}
		if !more {
			return due, goes, released
		}
	}
}
