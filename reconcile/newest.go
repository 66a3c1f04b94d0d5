package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// search decides one newest source: which version serves which platform. It
// looks into as few versions as possible.
type search struct {
	*finder
	alias  config.Alias
	source config.Source
	fit    []listed // the candidates, from the newest down
	all    []listed

	wanted  []config.Platform
	chosen  map[config.Platform]string // tag, by normal platform
	reasons []Candidate
	waits   string // what the newest version lacks, if versions must not mix
}

// newest turns a newest source into sources with a tag, one a platform.
func (f *finder) newest(alias config.Alias, source config.Source) ([]config.Source, []Candidate, problems) {
	var ps problems
	tags, err := f.versions()
	if errors.Is(err, registry.ErrNotFound) {
		tags, err = nil, nil // no repository, so no tags
	}
	if err != nil {
		ps.fail(err)
		return nil, nil, ps
	}
	s := &search{finder: f, alias: alias, source: source, all: tags, chosen: map[config.Platform]string{}}
	for _, t := range tags {
		if why := f.unfit(t, source.Newest); why != "" {
			s.reasons = append(s.reasons, Candidate{Tag: t.tag, Reason: why})
		} else {
			s.fit = append(s.fit, t)
		}
	}
	if len(s.fit) == 0 {
		ps.forbid(violation(alias, source.Pos, findings.NoCandidate, "%s", s.nothingFits()))
		return nil, s.reasons, ps
	}
	if ps = s.run(); ps.any() {
		return nil, s.reasons, ps
	}
	var sources []config.Source
	for _, platform := range s.wanted {
		tag := s.chosen[platform.Normal()]
		sources = append(sources, config.Source{
			Platform: platform, Repository: f.home, Tag: tag, Text: tag, Newest: source.Newest, Pos: source.Pos,
		})
	}
	return sources, s.reasons, ps
}

// unfit says why a tag is not a candidate, "" if it is one.
func (s scope) unfit(t listed, n *config.Newest) string {
	switch _, managed := s.aliases[t.tag]; {
	case managed:
		return "alias"
	case t.err != nil:
		return "not a version"
	case t.version.Variant != n.Variant && t.version.Variant == "":
		return "no variant"
	case t.version.Variant != n.Variant:
		return "variant " + t.version.Variant
	case t.version.Prerelease != "" && !n.Prereleases:
		return "prerelease"
	case !n.Range.Has(t.version):
		return "not in range"
	}
	return ""
}

// run looks into the candidates, newest first, until every platform has one. It
// asks for one unknown candidate, and then for as many at once as it has seen
// without an end, so that a few rounds are enough for a platform that lags far
// behind.
func (s *search) run() (ps problems) {
	s.wanted = policies.Platforms.Of(s.rules)
	if s.source.Platform != (config.Platform{}) {
		s.wanted = []config.Platform{s.source.Platform}
	}
	seen, open := 0, 0
	for i := 0; i < len(s.fit) && seen+open < maxExamined; {
		end := i + 1
		for end < len(s.fit) && s.fit[end].version.Compare(s.fit[i].version) == 0 {
			end++
		}
		same := s.fit[i:end]
		i = end
		has, why := s.platforms(same)
		if why.open {
			if open++; open >= max(1, seen) {
				return why
			}
			continue
		}
		if why.any() {
			s.reasons = append(s.reasons, Candidate{Tag: same[0].tag, Reason: "in the way"})
			return why
		}
		seen++
		for _, twin := range same[1:] {
			s.reasons = append(s.reasons, Candidate{Tag: twin.tag, Reason: "the same as " + same[0].tag})
		}
		if open > 0 {
			continue // a newer one has to be read first
		}
		if len(has) == 0 {
			continue // nothing to choose
		}
		if len(s.wanted) == 0 { // no policy says which: those of the newest
			s.wanted = slices.CompactFunc(has, func(a, b config.Platform) bool { return a.Normal() == b.Normal() })
		}
		if s.take(same[0].tag, has) {
			s.passOver(s.fit[i:])
			return ps
		}
	}
	if open > 0 {
		ps.open = true
		return ps
	}
	ps.forbid(s.lacking(seen))
	return ps
}

// platforms returns the platforms of versions that compare equal, which must
// have the same digest. An index that tagline made for the tag is no release:
// it is an alias that has left images.yaml.
func (s *search) platforms(same []listed) (has []config.Platform, ps problems) {
	var first content
	for _, t := range same {
		m, err := s.manifest(s.home, t.tag)
		if err == nil && m.Annotations[AnnotationAlias] == t.tag {
			s.reasons = append(s.reasons, Candidate{Tag: t.tag, Reason: "made by tagline"})
			continue
		}
		if errors.Is(err, registry.ErrNotFound) {
			ps.forbid(violation(s.alias, s.source.Pos, findings.MissingSource,
				"the list of tags has %q, but there is no such tag; if it is not just being deleted, the registry is at odds with itself", t.tag))
			continue
		}
		c, why := s.offer(s.alias, config.Source{Repository: s.home, Tag: t.tag, Text: t.tag, Pos: s.source.Pos})
		ps.join(why)
		switch {
		case ps.any():
		case first.Digest == "":
			first = c
		case c.Digest != first.Digest:
			ps.forbid(violation(s.alias, s.source.Pos, findings.AmbiguousVersion,
				"tags %q and %q are the same version, but %s and %s; delete one", same[0].tag, t.tag, first.Digest, c.Digest))
		}
	}
	for _, l := range declared(first, s.source.Platform) {
		if l.Kind == policies.Image {
			has = append(has, l.Platform)
		}
	}
	slices.SortFunc(has, config.Platform.Compare)
	return has, ps
}

// take notes what a version serves, and reports whether every platform has one.
func (s *search) take(tag string, has []config.Platform) bool {
	var serves, lacks []config.Platform
	for _, want := range s.wanted {
		if slices.ContainsFunc(has, func(p config.Platform) bool { return p.Is(want) }) {
			serves = append(serves, want)
		} else {
			lacks = append(lacks, want)
		}
	}
	if s.together() && len(lacks) > 0 {
		serves = nil
		if s.waits == "" {
			s.waits = fmt.Sprintf("%s waits for %s", tag, join(lacks))
		}
	}
	for _, want := range lacks {
		if s.chosen[want.Normal()] == "" {
			reason := "no such platform"
			if i := slices.IndexFunc(has, func(p config.Platform) bool { meant, is := p.Misspelled(); return is && meant.Is(want) }); i >= 0 {
				reason = fmt.Sprintf("says %s; rebuild it", has[i])
			}
			s.reasons = append(s.reasons, Candidate{Tag: tag, Platform: want.Normal().String(), Reason: reason})
		}
	}
	for _, want := range serves {
		if s.chosen[want.Normal()] == "" {
			s.chosen[want.Normal()] = tag
			reason := "chosen"
			if s.waits != "" {
				reason = "chosen, " + s.waits
			}
			s.reasons = append(s.reasons, Candidate{Tag: tag, Platform: want.Normal().String(), Reason: reason})
		}
	}
	return len(s.chosen) == len(s.wanted)
}

// passOver notes the candidates that did not have to be looked into.
func (s *search) passOver(older []listed) {
	for _, t := range older {
		s.reasons = append(s.reasons, Candidate{Tag: t.tag, Reason: "older"})
	}
}

// lacking is the violation for platforms that no candidate has.
func (s *search) lacking(seen int) *config.Finding {
	var lacks []config.Platform
	for _, want := range s.wanted {
		if s.chosen[want.Normal()] == "" {
			lacks = append(lacks, want)
		}
	}
	versions := "no version"
	if seen < len(s.fit) {
		versions = fmt.Sprintf("none of the newest %d versions", seen)
	}
	all := ""
	if s.together() && len(lacks) > 1 {
		all = "all of "
	}
	return violation(s.alias, s.source.Pos, findings.MissingPlatform,
		"%s in %q has %s%s; the newest is %s", versions, s.source.Newest.Range.Text, all, join(lacks), s.fit[0].tag)
}

// together reports whether one version must serve every platform.
func (s *search) together() bool {
	return s.source.Platform == (config.Platform{}) && !policies.MixedVersions.Of(s.rules)
}

// nothingFits says what comes nearest to a range or variant that no tag has.
func (s *search) nothingFits() string {
	n := s.source.Newest
	var versions, variants []string
	for _, t := range s.all {
		switch variant := t.version.Variant; {
		case t.err != nil || t.version.Prerelease != "" && !n.Prereleases:
		case variant == n.Variant:
			versions = append(versions, t.tag)
		case variant != "" && n.Range.Has(t.version) && !slices.Contains(variants, variant):
			variants = append(variants, variant)
		}
	}
	switch {
	case n.Variant != "" && len(versions) == 0:
		slices.Sort(variants)
		return fmt.Sprintf("no tag in %q has the variant %q; there are %s", n.Range.Text, n.Variant, cmp.Or(few(variants), "plain versions at most"))
	case len(versions) > 0:
		return fmt.Sprintf("no tag of %s is in %q; the newest are %s", s.home, n.Range.Text, few(versions))
	}
	return fmt.Sprintf("no tag of %s is a version; it has %d tags", s.home, len(s.all))
}
