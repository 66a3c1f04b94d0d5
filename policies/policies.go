// Package policies has the rules that images.yaml can set for the aliases of
// an image, one file each. A policy is a value: its key in images.yaml, and a
// pure function from what an alias is about to be to what it may be.
//
// To add one, write its file and its test, and put it into [All].
package policies

import (
	"slices"

	"tagline/config"
)

// Policy is one rule.
type Policy struct {
	config.PolicyKey
	// Apply changes a copy of the alias, or says what forbids it, or both. It
	// does no I/O. Nil for a policy of the repository as a whole.
	Apply func(config.Setting, Alias) (Alias, []Finding)
}

// Finding is why a policy forbids an alias, or has a doubt about it. The caller
// adds where.
type Finding struct {
	ID      string
	Message string
	Warning bool // it does not forbid the alias
}

// All is every policy, in the order in which they apply: first those that
// take entries out of an alias, then those that judge what is left.
func All() []Policy { return append(slices.Clone(rules), Prune, Untagged, Grace, Signed) }

// rules are the policies with an Apply. They are put together once: an alias
// passes them in every round of planning.
var rules = []Policy{Provenance, Format, Platforms, MixedVersions, Downgrade}

// Keys is how images.yaml spells the policies, for [config.Parse].
func Keys() []config.PolicyKey {
	var keys []config.PolicyKey
	for _, p := range All() {
		keys = append(keys, p.PolicyKey)
	}
	return keys
}

// Apply puts an alias through every policy.
func Apply(settings config.Settings, a Alias) (Alias, []Finding) {
	var findings []Finding
	for _, p := range rules {
		var found []Finding
		a, found = p.Apply(settings[p.Name], a)
		findings = append(findings, found...)
	}
	return a, findings
}

// Alias is what an alias tag is about to be.
type Alias struct {
	Tag       string
	OneSource bool   // all of one source, rather than named platforms of several
	Filtered  bool   // a policy took entries out
	MediaType string // of the index, if one is composed
	Entries   []Entry
}

// Composed tells whether the alias needs an index of its own: not where it can
// be the very bytes of its one source, or of the one image left in it.
func (a Alias) Composed() bool {
	return !a.OneSource || a.Filtered && len(a.Entries) != 1
}

// Images are the entries that are images, in order.
func (a Alias) Images() []Entry {
	return slices.DeleteFunc(slices.Clone(a.Entries), func(e Entry) bool { return e.Kind != Image })
}

// Entry is one manifest that an alias offers.
type Entry struct {
	Kind      Kind
	Platform  config.Platform // of an Image
	Attests   string          // of an Attestation: the digest of its image
	MediaType string
	Digest    string
	Size      int64  // bytes of the manifest
	Source    string // as images.yaml spells it; of a newest source, the tag it chose
	Origin    string // the tag or digest behind an alias as a source, else as Source
	Newest    bool   // a newest source chose it
	Was       Past   // of a Newest one, what the alias has for the platform now
}

// Past is what an alias has today for one platform. The zero Past is that of
// an alias without it.
type Past struct {
	Digest string
	Source string // the version tag it came from, "" if nobody knows
}

// Kind is what a manifest in an index is there for.
type Kind int

// The kinds of entries.
const (
	Image       Kind = iota
	Attestation      // BuildKit's provenance or SBOM of an image of the same index
	Other            // an artifact that tagline carries along and does not look into
)
