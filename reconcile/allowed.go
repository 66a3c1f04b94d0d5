package reconcile

import (
	"slices"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile/registry"
)

// allowed decides whether the registry would let an alias change from what it
// names now, old, to a content: whether its tag is immutable, its repository missing,
// and so on.
func (s scope) allowed(alias config.Alias, old registry.Descriptor, c content) (warnings []*config.Finding, ps problems) {
	facts, err := s.settings()
	if err != nil {
		ps.fail(err)
		return nil, ps
	}
	forbid := func(pos config.Pos, id findings.ID, format string, args ...any) {
		ps.forbid(violation(alias, pos, id, format, args...))
	}
	switch tags := facts.Tags; {
	case facts.Missing:
		forbid(s.image.Pos, findings.MissingRepository,
			"repository %s does not exist, and a push is not to create it; create it, or correct its name", s.home)
	case facts.Locked:
		forbid(alias.Pos, findings.ImmutableTag, "repository %s is locked, so that nothing can be written to it; unlock it to let tag %q change", s.home, alias.Tag)
	case old.Archived:
		forbid(alias.Pos, findings.ArchivedAlias,
			"alias %q names %s in %s, which is archived, so it can't be told from one that is gone; restore it, or delete it by hand", alias.Tag, old.Digest, s.home)
	case alias.Absent && facts.LastTag && slices.Contains(s.image.Pinned, old.Digest):
		forbid(alias.Pos, findings.PinnedSource,
			"tag %q may be the last one of %s, which images.yaml has as a source by its digest, and %s deletes an image with its last tag; name that source by a tag that stays",
			alias.Tag, old.Digest, s.home.Host)
	case old.Digest != "" && tags.Locked[alias.Tag]:
		forbid(alias.Pos, findings.ImmutableTag, "tag %q of %s is locked; unlock it to let it change", alias.Tag, s.home)
	case alias.Absent || old.Digest == "" || !tags.Fixed(alias.Tag):
	case tags.Immutable:
		except := ""
		if len(tags.Except) > 0 {
			except = ", but for those that match " + quoted(tags.Except)
		}
		forbid(alias.Pos, findings.ImmutableTag,
			"the tags of %s are immutable%s; an exclusion filter %q would let this one move", s.home, except, alias.Tag)
	default:
		forbid(alias.Pos, findings.ImmutableTag,
			"%s keeps the tags immutable that match %s; narrow that filter to let this one move", s.home, quoted(tags.Except))
	}
	if ps.any() {
		return nil, ps
	}
	for _, e := range facts.Expiries {
		if alias.Absent || !e.Covers(s.sharing(alias, c)...) {
			continue
		}
		what := "delete alias %q, whoever uses it"
		if e.Archives {
			what = "archive alias %q, which can't be pulled then"
		}
		warnings = append(warnings, warning(alias, alias.Pos, findings.ExpiringAlias,
			"%s of %s may "+what+"; leave alias tags out of it", e.Rule, s.home, alias.Tag))
	}
	return warnings, ps
}

// sharing returns the tags that may name the same manifest as an alias by the
// end of the run: each alias that has another tag of the repository as its only
// source shares the manifest with it, and so does one that is a whole version with the
// tag that it comes from.
func (s scope) sharing(alias config.Alias, c content) []string {
	tags := []string{alias.Tag}
	for i := 0; i < len(tags); i++ { // tags grows
		if len(c.leaves) > 0 && s.aliases[tags[i]].OneVersion() && !slices.Contains(tags, c.leaves[0].Origin) {
			tags = append(tags, c.leaves[0].Origin)
		}
		for _, other := range s.image.Aliases {
			if len(other.Sources) != 1 || other.Sources[0].Platform != (config.Platform{}) || other.Sources[0].Repository != s.home || other.Sources[0].Tag == "" {
				continue
			}
			for _, pair := range [][2]string{{other.Tag, other.Sources[0].Tag}, {other.Sources[0].Tag, other.Tag}} {
				if pair[0] == tags[i] && !slices.Contains(tags, pair[1]) {
					tags = append(tags, pair[1])
				}
			}
		}
	}
	return tags
}
