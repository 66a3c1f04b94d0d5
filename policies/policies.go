// Package policies has the rules that images.yaml can set, one file each. A
// policy is a value: its key in images.yaml, how that key's values are decoded,
// and, if it is about aliases, a pure function of one.
//
// To add a policy, write its file and its test, and put it on one of the two
// lists here. [forAliases] is for rules that decide what an alias may be; they
// have an Apply. [forRepository] is for rules about what else the repository
// holds; they have a value alone, which package reconcile reads. Each says in
// Strict which of its values are stricter, for `locked` of images.yaml: [same] if
// none is, because a team may need either. Then run `go generate ./config`, which
// writes the JSON Schema.
//
// An Apply may look at its own value and at the [Alias] it is given, and at
// nothing else: no other policy, no registry, no clock.
package policies

import (
	"slices"

	"tagline/config"
)

// forAliases are the policies that every alias passes, in this order: first
// those that take entries out of an alias, then those that judge what is left.
var forAliases = []policy{Provenance, Companions, Format, Platforms, MixedVersions, Downgrade}

// forRepository are the policies of the repository as a whole.
var forRepository = []policy{Prune, Untagged, Grace, Signed, Referrers}

// Keys returns how images.yaml spells the policies, for [config.Parse].
func Keys() []config.PolicyKey {
	var keys []config.PolicyKey
	for _, p := range slices.Concat(forAliases, forRepository) {
		keys = append(keys, p.Key())
	}
	return keys
}

// Of decodes the policies of an image. A policy that is not set has its default.
func Of(settings config.Settings) Rules {
	r := Rules{settings: settings, values: map[string]any{}}
	for _, p := range slices.Concat(forAliases, forRepository) {
		key := p.Key()
		r.values[key.Name] = p.decode(settings[key.Name])
	}
	return r
}

// Apply puts an alias through every policy.
func (r Rules) Apply(a Alias) (Alias, []Finding) {
	var findings []Finding
	for _, p := range forAliases {
		var found []Finding
		a, found = p.apply(r, a)
		findings = append(findings, found...)
	}
	return a, findings
}
