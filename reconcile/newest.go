package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// maxExamined bounds how many versions a newest source looks into. The first
// few have the platforms, or something is wrong that more reading would not
// mend.
const maxExamined = 32

// listed is a tag of a repository, read as a version once.
type listed struct {
	tag     string
	version config.Version
	err     error // why it is no version
}

// parseTags puts the tags of a repository in order: versions from the newest
// down, those that compare equal by name, then what is no version.
func parseTags(tags []string) []listed {
	all := make([]listed, len(tags))
	for i, tag := range tags {
		v, err := config.ParseVersion(tag)
		all[i] = listed{tag, v, err}
	}
	slices.SortFunc(all, func(a, b listed) int {
		switch {
		case a.err != nil && b.err != nil:
			return config.CompareTags(a.tag, b.tag)
		case a.err != nil:
			return 1
		case b.err != nil:
			return -1
		}
		if c := b.version.Compare(a.version); c != 0 {
			return c
		}
		return config.CompareTags(a.tag, b.tag)
	})
	return all
}

// unfit says why a tag is no candidate, "" if it is one.
func (p *planner) unfit(t listed, n *config.Newest) string {
	switch _, managed := p.aliases[t.tag]; {
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

// search is one newest source being decided: which version serves which
// platform, looking into as few as possible.
type search struct {
	p      *planner
	alias  config.Alias
	source config.Source
	fit    []listed // the candidates, from the newest down
	all    []listed

	wanted  []config.Platform
	chosen  map[config.Platform]string // tag by normal platform
	reasons []Candidate
	waits   string // what the newest version lacks, where versions must not mix
}

// newest turns a newest source into sources with a tag, one per platform.
func (p *planner) newest(alias config.Alias, source config.Source) ([]config.Source, []Candidate, []error) {
	tags, err := ask(p.state.lists, p.open.lists, p.image.Repository)
	if errors.Is(err, registry.ErrNotFound) {
		tags, err = nil, nil // no such repository: there are no tags
	}
	if err != nil {
		return nil, nil, []error{err}
	}
	s := &search{p: p, alias: alias, source: source, all: tags, chosen: map[config.Platform]string{}}
	for _, t := range tags {
		if why := p.unfit(t, source.Newest); why != "" {
			s.reasons = append(s.reasons, Candidate{Tag: t.tag, Reason: why})
		} else {
			s.fit = append(s.fit, t)
		}
	}
	if len(s.fit) == 0 {
		return nil, s.reasons, []error{violation(alias, source.Pos, "no-candidate", "%s", s.nothingFits())}
	}
	if errs := s.run(); len(errs) > 0 {
		return nil, s.reasons, errs
	}
	var sources []config.Source
	for _, platform := range s.wanted {
		tag := s.chosen[platform.Normal()]
		sources = append(sources, config.Source{
			Platform: platform, Repository: p.image.Repository, Tag: tag, Text: tag, Newest: source.Newest, Pos: source.Pos,
		})
	}
	return sources, s.reasons, nil
}

// run looks into the candidates, newest first, until every platform has one.
// It asks for one that is not known yet, then for as many more as it has seen
// in vain, so that a few rounds are enough even for a platform that lags far
// behind.
func (s *search) run() []error {
	switch {
	case s.source.Platform != (config.Platform{}):
		s.wanted = []config.Platform{s.source.Platform}
	default:
		s.wanted = s.p.image.Policies[policies.Platforms.Name].Platforms
	}
	seen, open := 0, 0
	for i := 0; i < len(s.fit) && seen+open < maxExamined; {
		end := i + 1
		for end < len(s.fit) && s.fit[end].version.Compare(s.fit[i].version) == 0 {
			end++
		}
		same := s.fit[i:end]
		i = end
		has, errs := s.platforms(same)
		if unknown(errs) {
			if open++; open >= max(1, seen) {
				return errs
			}
			continue
		}
		if len(errs) > 0 {
			s.reasons = append(s.reasons, Candidate{Tag: same[0].tag, Reason: "in the way"})
			return errs
		}
		seen++
		for _, twin := range same[1:] {
			s.reasons = append(s.reasons, Candidate{Tag: twin.tag, Reason: "the same as " + same[0].tag})
		}
		if open > 0 {
			continue // what comes before is still to be read
		}
		if len(has) == 0 {
			continue // nothing to choose
		}
		if len(s.wanted) == 0 { // nobody says which: those of the newest
			s.wanted = slices.CompactFunc(has, func(a, b config.Platform) bool { return a.Normal() == b.Normal() })
		}
		if s.take(same[0].tag, has) {
			s.rest(s.fit[i:])
			return nil
		}
	}
	if open > 0 {
		return []error{errUnknown}
	}
	return s.lacking(seen)
}

// platforms are those of the versions that compare equal, which must be one
// and the same. An index that tagline made for the tag is no release: its line
// has left images.yaml.
func (s *search) platforms(same []listed) (has []config.Platform, errs []error) {
	var first content
	for _, t := range same {
		m, err := s.p.manifest(s.p.image.Repository, t.tag)
		if err == nil && m.Annotations[AnnotationAlias] == t.tag {
			s.reasons = append(s.reasons, Candidate{Tag: t.tag, Reason: "made by tagline"})
			continue
		}
		if errors.Is(err, registry.ErrNotFound) {
			errs = append(errs, violation(s.alias, s.source.Pos, "missing-source",
				"the list of tags has %q, but there is no such tag; if it is not just being deleted, the registry is at odds with itself", t.tag))
			continue
		}
		c, why := s.p.source(s.alias, config.Source{Repository: s.p.image.Repository, Tag: t.tag, Text: t.tag, Pos: s.source.Pos})
		errs = append(errs, why...)
		switch {
		case len(errs) > 0:
		case first.Digest == "":
			first = c
		case c.Digest != first.Digest:
			errs = append(errs, violation(s.alias, s.source.Pos, "ambiguous-version",
				"tags %q and %q are the same version, but %s and %s; delete one", same[0].tag, t.tag, first.Digest, c.Digest))
		}
	}
	for _, l := range first.leaves {
		if l.Kind == policies.Image {
			has = append(has, l.Platform)
		}
	}
	slices.SortFunc(has, config.Platform.Compare)
	return has, errs
}

// take notes what a version serves, and tells whether nothing is left to find.
func (s *search) take(tag string, has []config.Platform) bool {
	var serves, lacks []config.Platform
	for _, want := range s.wanted {
		switch {
		case slices.ContainsFunc(has, func(p config.Platform) bool { return p.Is(want) }):
			serves = append(serves, want)
		default:
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
			s.reasons = append(s.reasons, Candidate{Tag: tag, Platform: want.Normal().String(), Reason: "no such platform"})
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

// rest are candidates that nobody had to look into.
func (s *search) rest(older []listed) {
	for _, t := range older {
		s.reasons = append(s.reasons, Candidate{Tag: t.tag, Reason: "older"})
	}
}

// lacking is the violation of a platform that no candidate has.
func (s *search) lacking(seen int) []error {
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
	return []error{violation(s.alias, s.source.Pos, "missing-platform",
		"%s in %q has %s%s; the newest is %s", versions, s.source.Newest.Range.Text, all, join(lacks), s.fit[0].tag)}
}

// together tells whether one version must serve every platform.
func (s *search) together() bool {
	return s.source.Platform == (config.Platform{}) && s.p.image.Policies[policies.MixedVersions.Name].Value == "deny"
}

// nothingFits says what is nearest to a range or a variant that no tag has.
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
		return fmt.Sprintf("no tag of %s is in %q; the newest are %s", s.p.image.Repository, n.Range.Text, few(versions))
	}
	return fmt.Sprintf("no tag of %s is a version; it has %d tags", s.p.image.Repository, len(s.all))
}

// few joins the first of some words.
func few(words []string) string {
	const most = 5
	if len(words) > most {
		words = append(slices.Clone(words[:most]), fmt.Sprintf("and %d more", len(words)-most))
	}
	return strings.Join(words, ", ")
}

func join(platforms []config.Platform) string {
	var all []string
	for _, p := range platforms {
		all = append(all, p.String())
	}
	return strings.Join(all, ", ")
}

// unknown tells whether something is yet to be asked.
func unknown(errs []error) bool {
	return slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, errUnknown) })
}

// carried tells from which version tag an alias has each of its images: by a
// mark that tagline left on whatever index that is, or else by a tag that has
// the same image. A source stays "" if neither knows.
func (p *planner) carried(digest string) ([]oldImage, error) {
	images, err := p.before("", digest)
	if err != nil {
		return nil, err
	}
	searched := false
	for i, o := range images {
		if _, err := config.ParseVersion(o.mark); err == nil {
			images[i].source = o.mark
		} else {
			searched = true
		}
	}
	if !searched {
		return images, nil
	}
	tags, err := ask(p.state.lists, p.open.lists, p.image.Repository)
	if err != nil {
		return nil, err
	}
	open := false
	for _, t := range tags[:min(maxExamined, len(tags))] {
		if _, managed := p.aliases[t.tag]; managed || t.err != nil {
			continue
		}
		c, errs := p.source(config.Alias{}, config.Source{Repository: p.image.Repository, Tag: t.tag, Text: t.tag})
		open = open || unknown(errs)
		for i, o := range images {
			if o.source == "" && slices.ContainsFunc(c.leaves, func(l leaf) bool { return l.Digest == o.digest }) {
				images[i].source = t.tag
			}
		}
	}
	if open {
		return nil, errUnknown
	}
	return images, nil
}
