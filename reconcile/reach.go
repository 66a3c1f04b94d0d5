package reconcile

import (
	"maps"
	"regexp"
	"slices"

	"tagline/reconcile/registry"
)

// What may be deleted is decided in this file and nowhere else. [holding.needed]
// says what must stay and why. Any other manifest may be deleted. The caller
// (sweep*.go) decides only two things: what the tags will be once the run is
// done, and which untagged manifests a policy keeps. Both must be complete: after
// one incomplete read, nothing is deleted.
//
//	needed                                       because
//	what a tag names                             it is pulled by that tag
//	what images.yaml names by digest             the next run may look for it
//	the subject of a tag sha256-<hex>[.suffix]   it was signed, or the like; not if the tag is
//	                                             released: see sweep.release
//	what is of an unknown type, and all digests  it can't be looked into
//	that it mentions, if it could be read
//	what waits for grace                         a push may be under way, or a digest pinned
//	what a purge would delete, and something     signed: keep
//	refers to
//	what a needed index lists, however deep      a pull of it would fail
//	the subject of what is needed                a referrer of nothing is no use
//	the referrers of what is needed, but for     they are found by it
//	BuildKit's attestations under a purge
//	what stays untagged by policy, and what      untagged: keep
//	such an index lists
//	what can't be deleted alone: a registry      its deletion deletes more
//	that cascades would delete one of these, too
type holding struct {
	tags      map[string]string // digest by tag, once the run is done
	released  map[string]string // tags that stand for a reference to a digest that goes; they keep nothing
	pinned    []string          // digests that images.yaml names
	manifests map[string]held   // all that are known, by digest
	purge     bool              // attestations are not kept by their own subject
	cascades  bool              // a deletion also deletes referrers, see [registry.Facts]
	below     bool              // a deletion also deletes what only that manifest lists
	// signs are, by the digest of a manifest, the subjects that its tags
	// sha256-<hex>[.suffix] stand for now. A registry that cascades may still know them
	// without the tag.
	signs map[string][]string
}

// held is a manifest of a repository, and its links to others.
type held struct {
	children    []string // of an index, what it lists; of an unknown type, all that it mentions
	subject     string   // "" if it refers to nothing
	unknown     bool     // it is of a type that tagline does not know
	attestation bool     // it is BuildKit's, by its own content
	young       bool     // waits for grace
	signed      bool     // a purge would delete it, but something refers to it
	untagged    bool     // stays untagged by policy
}

// needed returns the digests that must stay, each with the first reason found. It
// is a pure function, and it justifies every deletion.
func (h holding) needed() map[string]string {
	referrers := map[string][]string{}
	for _, digest := range slices.Sorted(maps.Keys(h.manifests)) {
		m := h.manifests[digest]
		if m.subject != "" && (!h.purge || !m.attestation) {
			referrers[m.subject] = append(referrers[m.subject], digest)
		}
	}
	why := map[string]string{}
	var open []string
	need := func(digest, reason string) {
		if _, known := why[digest]; !known && digest != "" {
			why[digest] = reason
			open = append(open, digest)
		}
	}
	follow := func(refers bool) {
		for len(open) > 0 {
			digest := open[0]
			open = open[1:]
			m := h.manifests[digest]
			for _, child := range m.children {
				need(child, "listed by "+digest)
			}
			if !refers {
				continue
			}
			need(m.subject, "subject of "+digest)
			for _, referrer := range referrers[digest] {
				need(referrer, "referrer of "+digest)
			}
		}
	}

	for _, tag := range slices.Sorted(maps.Keys(h.tags)) {
		if h.released[tag] == "" {
			need(h.tags[tag], "tag "+tag)
			need(registry.FallbackSubject(tag), "tag "+tag)
		}
	}
	for _, digest := range h.pinned {
		need(digest, "images.yaml")
	}
	for _, digest := range slices.Sorted(maps.Keys(h.manifests)) {
		switch m := h.manifests[digest]; {
		case m.unknown:
			need(digest, "unknown type")
		case m.young:
			need(digest, heldByGrace)
		case m.signed:
			need(digest, "signed: keep")
		}
	}
	follow(true)
	// A manifest that stays only because no policy deletes it keeps what a pull of it
	// needs, and nothing else.
	for _, digest := range slices.Sorted(maps.Keys(h.manifests)) {
		if h.manifests[digest].untagged {
			need(digest, keptUntagged)
		}
	}
	follow(false)
	for h.cascades {
		digest, taken := h.taking(why)
		if digest == "" {
			break
		}
		need(digest, "its deletion takes "+taken)
		follow(true)
	}
	return why
}

// taking finds a manifest that is not needed, but whose deletion would also delete one
// that is: taken, its referrer or a manifest that nothing else keeps. Both are "" if
// there is none.
func (h holding) taking(needed map[string]string) (digest, taken string) {
	kept := map[string]bool{} // by a tag, or by an index that stays
	for tag, digest := range h.tags {
		kept[digest] = kept[digest] || h.released[tag] == ""
	}
	for digest, m := range h.manifests {
		if needed[digest] != "" && !m.unknown {
			for _, child := range m.children {
				kept[child] = true
			}
		}
	}
	for _, digest := range slices.Sorted(maps.Keys(h.manifests)) {
		m := h.manifests[digest]
		if needed[digest] != "" {
			for _, subject := range slices.Concat(h.signs[digest], []string{m.subject}) {
				if needed[subject] == "" && h.has(subject) {
					return subject, digest
				}
			}
			continue
		}
		for _, child := range m.children {
			if h.below && needed[child] != "" && !kept[child] && h.has(child) {
				return digest, child
			}
		}
	}
	return "", ""
}

func (h holding) has(digest string) bool { _, ok := h.manifests[digest]; return ok }

// tagged returns a holding in which only tags and images.yaml keep anything.
func (h holding) tagged() holding {
	h.manifests = maps.Clone(h.manifests)
	for digest, m := range h.manifests {
		m.untagged, m.young, m.signed = false, false, false
		h.manifests[digest] = m
	}
	return h
}

const (
	keptUntagged = "untagged: keep"
	heldByGrace  = "grace"
)

var mentioned = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// holdingOf returns a manifest for [holding.needed]. It does not look into the
// children of an index.
func holdingOf(m *registry.Manifest) held {
	h := held{unknown: !registry.KnownType(m.MediaType), attestation: m.IsBuildKits()}
	for _, child := range m.Children {
		h.children = append(h.children, child.Digest.String())
	}
	if h.unknown {
		h.children = append(h.children, mentioned.FindAllString(string(m.Body), -1)...)
	}
	if m.Subject != nil {
		h.subject = m.Subject.Digest.String()
	}
	return h
}
