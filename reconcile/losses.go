package reconcile

import (
	"errors"
	"path"
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What an alias loses when it moves.

// dropped warns of the platforms that a push takes away from an alias. A map of
// platforms is the author's word, so nothing is dropped by surprise there.
func (s scope) dropped(alias config.Alias, push *Push) []*config.Finding {
	if s.byPlatform(alias) {
		return nil
	}
	var gets, loses, both []string
	for _, c := range push.Platforms {
		if c.Digest != "" && c.Platform != "" {
			gets = append(gets, c.Platform)
		}
	}
	for _, c := range push.Platforms {
		if c.Digest != "" || c.Platform == "" || slices.Contains(gets, c.Platform) || slices.Contains(both, c.Platform) {
			continue
		}
		was := c.Platform
		if c.OldSource != "" {
			was += " (" + c.OldSource + ")"
		}
		loses, both = append(loses, was), append(both, c.Platform)
	}
	if len(loses) == 0 {
		return nil
	}
	both = append(both, gets...)
	for i, target := range both { // what else an image asks of a runtime is no part of its platform
		both[i], _, _ = strings.Cut(target, " ")
	}
	slices.Sort(both)
	what := "it waits until its source has all of them"
	if n := alias.Sources[0].Newest; n != nil && !n.Whole && policies.MixedVersions.Of(s.rules) {
		what = "it keeps each at the newest version that has it"
	}
	return []*config.Finding{warning(alias, alias.Pos, findings.DroppedPlatform,
		"alias %q loses %s, which its source does not have; with the policy platforms: [%s], "+what,
		alias.Tag, few(loses), strings.Join(slices.Compact(both), ", "))}
}

// byPlatform reports whether images.yaml names each platform of an alias, or of
// the one that it follows.
func (s scope) byPlatform(alias config.Alias) bool {
	for alias.Sources[0].Platform == (config.Platform{}) && alias.Sources[0].Alias {
		alias = s.aliases[alias.Sources[0].Tag]
	}
	return alias.Sources[0].Platform != (config.Platform{})
}

// detached finds what refers to the digest that an alias has, and to nothing that the
// alias gets: a signature, say. It asks only about an alias that moves. That is a
// violation under signed: guard, and else a warning. A purge warns by itself.
func (s scope) detached(alias config.Alias, push *Push) (warnings []*config.Finding, ps problems) {
	guard := policies.Signed.Of(s.rules) == policies.GuardSigned
	if push.Old == "" || s.purging() && !guard {
		return nil, ps
	}
	had, err := s.refersTo(push.Old)
	if guard {
		ps.fail(err)
	}
	if len(had) == 0 {
		return nil, ps
	}
	has, err := s.refersTo(push.New)
	if guard {
		ps.fail(err)
	}
	for _, r := range push.Referrers {
		if r.Subject == push.New {
			has = append(has, r.Kind)
		}
	}
	loses := slices.DeleteFunc(had, func(kind string) bool { return slices.Contains(has, kind) })
	if len(loses) == 0 || ps.any() {
		return nil, ps
	}
	words := map[string]string{
		RefersSignature: "a signature", RefersAttestation: "an attestation", RefersSBOM: "an SBOM", RefersOther: "a referrer",
	}
	var what []string
	for _, kind := range loses {
		what = append(what, words[kind])
	}
	if lost := strings.Join(what, " and "); guard {
		ps.forbid(violation(alias, alias.Pos, findings.DetachedReferrer,
			"alias %q would move from %s, which has %s, to %s, which does not; have the alias follow one whole tag that is signed, or set signed: keep to let it move",
			alias.Tag, push.Old, lost, push.New))
	} else {
		warnings = append(warnings, warning(alias, alias.Pos, findings.DetachedReferrer,
			"alias %q moves from %s, which has %s, to %s, which does not; sign %s if the alias must be signed, or have the alias follow one whole tag",
			alias.Tag, push.Old, lost, push.New, push.New))
	}
	return warnings, ps
}

// refersTo returns the kinds of what refers to a digest of the image's repository,
// each once. BuildKit's attestations go by the provenance policy. With an error there
// may be more: a warning goes without it, a guard does not.
func (s scope) refersTo(digest string) (kinds []string, _ error) {
	var errs []error
	for _, tag := range registry.CosignTags(digest) {
		switch _, err := s.tag(s.home, tag); {
		case err == nil:
			kinds = append(kinds, cosignKinds[path.Ext(tag)])
		case !errors.Is(err, registry.ErrNotFound):
			errs = append(errs, err)
		}
	}
	found, err := ask(s.referrers, s.open.referrers, place{s.home, digest})
	if !errors.Is(err, registry.ErrNotFound) {
		errs = append(errs, err)
	}
	for _, d := range found {
		if d.ArtifactType != registry.AttestationArtifactType {
			kinds = append(kinds, refersAs(d.ArtifactType))
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), errors.Join(errs...)
}
