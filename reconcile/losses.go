package reconcile

import (
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
)

// Which platforms an alias loses when it moves.

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
