package reconcile_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry/registrytest"
)

// What a slow, obvious calculation says of a household: what is needed, and what may go.

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

// stands tells whether a tag stands for a reference alone. Of a fallback tag that this
// run rewrites, the next run tells.
func (h household) stands(name, d string) bool {
	if _, there := h.Pushed[d]; !there {
		return false
	}
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
