package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// search decides which version serves which platform of an alias, for one newest
// source, or for all of the alias if versions must not mix. Of a whole alias it
// decides which version that is. It looks into as few versions as possible.
type search struct {
	*finder
	alias    config.Alias
	sources  []config.Source
	together bool          // one version must serve every platform
	whole    bool          // the alias is that version, with all that it has
	groups   [][]candidate // those of one version together, from the newest down

	wanted  []config.Platform
	chosen  map[config.Platform]candidate // by normal platform
	reasons []Candidate
	dates   []candidate // passed over as calendar versions alone, from the newest down
	waits   string      // what the newest version lacks, if versions must not mix
}

// candidate is a version tag that fits a newest source.
type candidate struct {
	listed
	source config.Source
}

// may reports whether a candidate may serve a platform, by its name and by its
// source.
func (c candidate) may(wanted config.Platform) bool {
	return c.version.Serves(wanted) && (c.source.Platform == (config.Platform{}) || c.source.Platform.Normal() == wanted.Normal())
}

// declares returns the platform that the author or the tag's name gives it.
func (c candidate) declares() config.Platform {
	if c.source.Platform == (config.Platform{}) {
		return c.version.Platform
	}
	return c.source.Platform
}

// rivals reports whether two candidates of one version should be one image.
func (c candidate) rivals(o candidate) bool {
	return c.version.Platform.Normal() == o.version.Platform.Normal() && c.source.Platform.Normal() == o.source.Platform.Normal()
}

// searches divides the newest sources of an alias into those that are searched
// for together.
func (s scope) searches(alias config.Alias) (all [][]config.Source) {
	for _, source := range alias.Sources {
		switch {
		case source.Newest == nil:
		case len(all) > 0 && !policies.MixedVersions.Of(s.rules):
			all[0] = append(all[0], source)
		default:
			all = append(all, []config.Source{source})
		}
	}
	return all
}

// newest turns newest sources into sources with a tag: one for each platform, or the
// one of a whole alias.
func (f *finder) newest(alias config.Alias, sources []config.Source) ([]config.Source, Choice, []*config.Finding, problems) {
	s := &search{
		finder: f, alias: alias, sources: sources, chosen: map[config.Platform]candidate{}, whole: sources[0].Newest.Whole,
	}
	s.together = s.whole || !policies.MixedVersions.Of(f.rules)
	ps := s.collect()
	if !ps.any() {
		ps = s.run()
	}
	choice := Choice{alias.Tag, s.ranges(), s.reasons}
	if ps.any() {
		return nil, choice, nil, ps
	}
	var found []config.Source
	wanted := s.wanted
	if s.whole {
		wanted = []config.Platform{{}}
	}
	for _, platform := range wanted {
		c := s.chosen[platform.Normal()]
		found = append(found, config.Source{
			Platform: platform, Repository: f.home, Tag: c.tag, Text: c.tag, Newest: c.source.Newest, Pos: c.source.Pos,
		})
	}
	return found, choice, s.overlooked(), ps
}

// overlooked warns of a tag that is higher than what was chosen, and is passed over
// only as a calendar version, although what was chosen may be one, too: 26.04 beside
// 25.10.
func (s *search) overlooked() (warnings []*config.Finding) {
	for _, source := range s.sources {
		var chosen candidate
		for _, c := range s.chosen {
			if c.source.Newest == source.Newest && (chosen.tag == "" || c.version.Compare(chosen.version) > 0) {
				chosen = c
			}
		}
		of := slices.IndexFunc(s.dates, func(c candidate) bool { return c.source.Newest == source.Newest })
		if chosen.tag == "" || of < 0 || s.dates[of].version.Compare(chosen.version) <= 0 || !fitsCalendar(source.Newest, chosen.version) {
			continue
		}
		warnings = append(warnings, warning(s.alias, source.Pos, findings.CalendarVersion,
			"%s is higher than %s, but looks like a calendar version, so it is passed over; to take it, write versioning: calendar beside newest",
			s.dates[of].tag, chosen.tag))
	}
	return warnings
}

// fitsCalendar reports whether a version would fit a source of calendar versions.
func fitsCalendar(n *config.Newest, v config.Version) bool {
	other := *n
	other.Calendar = true
	return other.Refuses(v) == ""
}

// ranges returns the ranges of the sources.
func (s *search) ranges() string {
	var all []string
	for _, source := range s.sources {
		if text := source.Newest.Range.Text; !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

// collect finds the candidates of each source, and which platforms are wanted.
func (s *search) collect() (ps problems) {
	var fit []candidate
	for _, source := range s.sources {
		tags, err := s.versionsFor(source.Newest)
		if errors.Is(err, registry.ErrNoRepository) {
			ps.forbid(violation(s.alias, source.Pos, findings.NoCandidate, "repository %s does not exist; correct its name, or push to it", s.home))
			continue
		}
		if errors.Is(err, registry.ErrNotFound) {
			tags, err = nil, nil // no repository, so no tags
		}
		if err != nil {
			ps.fail(err)
			return ps
		}
		before := len(fit)
		for _, t := range tags {
			if why := s.unfit(t, source.Newest); why != "" {
				if why == "calendar version" && fitsCalendar(source.Newest, t.version) {
					s.dates = append(s.dates, candidate{t, source})
				}
				s.reasons = append(s.reasons, Candidate{Tag: t.tag, Reason: why})
			} else {
				fit = append(fit, candidate{t, source})
			}
		}
		if len(fit) == before {
			ps.forbid(violation(s.alias, source.Pos, findings.NoCandidate, "%s", s.nothingFits(source.Newest, tags)))
		}
		switch {
		case source.Platform != (config.Platform{}):
			s.wanted = append(s.wanted, source.Platform)
		default:
			s.wanted = policies.Platforms.Of(s.rules)
		}
	}
	if len(s.sources) > 1 { // a tag that no source takes has the reason of the first
		said := map[string]bool{}
		for _, c := range fit {
			said[c.tag] = true
		}
		s.reasons = slices.DeleteFunc(s.reasons, func(c Candidate) bool {
			again := said[c.Tag]
			said[c.Tag] = true
			return again
		})
	}
	slices.SortStableFunc(fit, func(a, b candidate) int { return b.version.Compare(a.version) })
	for i, c := range fit {
		if i == 0 || c.version.Compare(fit[i-1].version) != 0 {
			s.groups = append(s.groups, nil)
		}
		last := &s.groups[len(s.groups)-1]
		*last = append(*last, c)
	}
	return ps
}

// versionsFor returns the tags of the image's repository as a newest source reads
// them, in the order of parseTags.
func (v *view) versionsFor(n *config.Newest) ([]listed, error) {
	tags, err := v.versions()
	if err != nil || n.Tags.Text == "" {
		return tags, err
	}
	if _, ok := v.built[n.Tags.Text]; !ok {
		names := make([]string, len(tags))
		for i, t := range tags {
			names[i] = t.tag
		}
		v.built[n.Tags.Text] = parseTags(names, n.Version)
	}
	return v.built[n.Tags.Text], nil
}

// version returns the manifest of a version tag. Where tags are cheap to ask, a cache
// may have it by its digest.
func (v *view) version(tag string) (*registry.Manifest, error) {
	if !v.cheap[v.home] {
		return v.manifest(v.home, tag)
	}
	now, err := v.tag(v.home, tag)
	if err != nil {
		return nil, err
	}
	return v.manifest(v.home, now.Digest)
}

// run looks into the candidates, newest first, until every platform has one. It
// asks for one unknown version, and then for as many at once as it has seen
// without an end, so that a few rounds are enough for a platform that lags far
// behind.
func (s *search) run() (ps problems) {
	seen, open := 0, 0
	for i, group := range s.groups {
		if seen+open == maxExamined {
			break
		}
		builds := s.builds(group)
		if len(builds) == 0 {
			continue
		}
		found, why := s.look(builds)
		if why.open {
			if open++; open >= max(1, seen) {
				return why
			}
			continue
		}
		if why.any() {
			s.reasons = append(s.reasons, stuck(group)...)
			return why
		}
		seen++
		if open > 0 || len(found) == 0 { // a newer one has to be read first, or there is nothing to choose
			continue
		}
		if len(s.wanted) == 0 { // no policy says which: those of the newest
			s.wanted = platformsOf(found)
		}
		if s.take(found) {
			for _, older := range s.groups[i+1:] {
				s.passOver(older, "older")
			}
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

// stuck says why a version that can't be decided ends a search.
func stuck(group []candidate) (reasons []Candidate) {
	for _, c := range group[1:] {
		reasons = append(reasons, Candidate{Tag: c.tag, Reason: "the same version as " + group[0].tag})
	}
	if len(reasons) == 0 {
		reasons = append(reasons, Candidate{Tag: group[0].tag, Reason: "can't be used"})
	}
	return reasons
}

// builds returns the candidates of a version that may serve what is still wanted,
// rivals together. There are none if the version can't be chosen, by the names of
// its tags.
func (s *search) builds(group []candidate) (builds [][]candidate) {
	var lacks []config.Platform
	for _, want := range s.wanted {
		if !slices.ContainsFunc(group, func(c candidate) bool { return c.may(want) }) {
			lacks = append(lacks, want)
		}
	}
	if s.together && len(lacks) > 0 {
		s.wait(group[0].tag, lacks)
		s.passOver(group, "waits for "+join(lacks))
		return nil
	}
	for _, c := range group {
		useful := func(want config.Platform) bool { return s.chosen[want.Normal()].tag == "" && c.may(want) }
		switch {
		case len(s.wanted) == 0 || slices.ContainsFunc(s.wanted, useful):
		case slices.ContainsFunc(s.wanted, c.may):
			s.passOver([]candidate{c}, "older")
			continue
		default:
			s.passOver([]candidate{c}, "for no wanted platform")
			continue
		}
		i := slices.IndexFunc(builds, func(b []candidate) bool { return b[0].rivals(c) })
		if i < 0 {
			builds = append(builds, nil)
			i = len(builds) - 1
		}
		builds[i] = append(builds[i], c)
	}
	return builds
}

// build is a candidate with the platforms that it has.
type build struct {
	candidate
	has []config.Platform
}

func (b build) serves(wanted config.Platform) bool {
	return b.may(wanted) && slices.ContainsFunc(b.has, func(p config.Platform) bool { return p.Is(wanted) })
}

// look reads the builds of one version. Rivals must have the same digest, but for
// floats: their place is taken by the fuller tag. An index that tagline made for
// the tag is no release: it is an alias that has left images.yaml.
func (s *search) look(builds [][]candidate) (found []build, ps problems) {
	for _, rivals := range builds {
		first, of := content{}, candidate{}
		for _, c := range rivals {
			if of.tag != "" && c.version.FloatOf(of.version) {
				s.reasons = append(s.reasons, Candidate{Tag: c.tag, Reason: "a float of " + of.tag})
				continue
			}
			m, err := s.version(c.tag)
			if err == nil && m.Annotations[AnnotationAlias] == c.tag {
				s.reasons = append(s.reasons, Candidate{Tag: c.tag, Reason: "made by tagline"})
				continue
			}
			if errors.Is(err, registry.ErrNotFound) {
				ps.forbid(violation(s.alias, c.source.Pos, findings.MissingSource,
					"the list of tags has %q, but there is no such tag; if it is not just being deleted, the registry is at odds with itself", c.tag))
				continue
			}
			if of.tag == "" {
				of = c
			}
			offered, why := s.offer(s.alias, config.Source{Repository: s.home, Tag: c.tag, Text: c.tag, Pos: c.source.Pos})
			ps.join(why)
			switch {
			case ps.any():
			case first.Digest == "":
				first = offered
			case offered.Digest != first.Digest:
				ps.forbid(violation(s.alias, c.source.Pos, findings.AmbiguousVersion,
					"tags %q and %q are the same version, but %s and %s; give both the same content, or list the one that moves as an alias",
					of.tag, c.tag, first.Digest, offered.Digest))
			default:
				s.reasons = append(s.reasons, Candidate{Tag: c.tag, Reason: "the same as " + of.tag})
			}
		}
		var has []config.Platform
		declares, artifact := of.declares(), false
		if s.whole { // its bytes say what it is
			declares = config.Platform{}
		}
		for _, l := range declared(first, declares) {
			if l.Kind == policies.Image {
				has = append(has, l.Platform)
			}
			artifact = artifact || l.Kind == policies.Other
		}
		if len(has) > 0 || s.whole && artifact {
			found = append(found, build{of, has})
		}
	}
	return found, ps
}

// platformsOf returns the platforms that builds have.
func platformsOf(builds []build) (has []config.Platform) {
	for _, b := range builds {
		for _, p := range b.has {
			if b.may(p) {
				has = append(has, p)
			}
		}
	}
	slices.SortFunc(has, config.Platform.Compare)
	return slices.CompactFunc(has, func(a, b config.Platform) bool { return a.Normal() == b.Normal() })
}

// take notes what a version serves, and reports whether every platform has one.
func (s *search) take(found []build) bool {
	serving := map[config.Platform]build{}
	var lacks []config.Platform
	for _, want := range s.wanted {
		i := slices.IndexFunc(found, func(b build) bool { return b.serves(want) })
		if i < 0 {
			lacks = append(lacks, want)
			continue
		}
		serving[want.Normal()] = found[i]
	}
	for _, want := range lacks {
		if s.chosen[want.Normal()].tag == "" {
			s.reasons = append(s.reasons, Candidate{Tag: found[0].tag, Platform: want.Normal().String(), Reason: lack(found, want)})
		}
	}
	if s.together && len(lacks) > 0 {
		s.wait(found[0].tag, lacks)
		return false
	}
	if s.whole {
		s.chosen[config.Platform{}] = found[0].candidate
		targets := s.wanted
		if len(targets) == 0 { // it is no image
			targets = []config.Platform{{}}
		}
		for _, want := range targets {
			s.choose(found[0].tag, want)
		}
		return true
	}
	for _, want := range s.wanted {
		b, ok := serving[want.Normal()]
		if !ok || s.chosen[want.Normal()].tag != "" {
			continue
		}
		s.chosen[want.Normal()] = b.candidate
		s.choose(b.tag, want)
	}
	return len(s.chosen) == len(s.wanted)
}

// choose notes that a tag is chosen for a platform, zero if the tag has no image.
func (s *search) choose(tag string, platform config.Platform) {
	c := Candidate{Tag: tag, Reason: reasonChosen}
	if platform != (config.Platform{}) {
		c.Platform = platform.Normal().String()
	}
	if s.waits != "" {
		c.Reason += ", " + s.waits
	}
	s.reasons = append(s.reasons, c)
}

// lack says why builds don't serve a platform.
func lack(found []build, want config.Platform) string {
	for _, b := range found {
		for _, p := range b.has {
			if meant, is := p.Misspelled(); is && meant.Is(want) {
				return fmt.Sprintf("says %s; rebuild it", p)
			}
		}
	}
	return "no such platform"
}

// wait notes what the newest version lacks.
func (s *search) wait(tag string, lacks []config.Platform) {
	if s.waits == "" {
		s.waits = fmt.Sprintf("%s waits for %s", tag, join(lacks))
	}
}

// passOver notes candidates that do not have to be looked into.
func (s *search) passOver(candidates []candidate, why string) {
	for _, c := range candidates {
		s.reasons = append(s.reasons, Candidate{Tag: c.tag, Reason: why})
	}
}

// lacking is the violation for platforms that no candidate has.
func (s *search) lacking(seen int) *config.Finding {
	var lacks []config.Platform
	for _, want := range s.wanted {
		if s.chosen[want.Normal()].tag == "" {
			lacks = append(lacks, want)
		}
	}
	versions := "no version"
	if seen == maxExamined {
		versions = fmt.Sprintf("none of the newest %d versions", seen)
	}
	if len(lacks) == 0 { // nothing says which platforms are wanted, and there is none
		return violation(s.alias, s.sources[0].Pos, findings.MissingPlatform,
			"%s in %q is an image; to follow the newest, %s, as it is, write whole: true beside newest", versions, s.ranges(), s.groups[0][0].tag)
	}
	all := ""
	if s.together && len(lacks) > 1 {
		all = "all of "
	}
	return violation(s.alias, s.sources[0].Pos, findings.MissingPlatform,
		"%s in %q has %s%s; the newest is %s", versions, s.ranges(), all, join(lacks), s.groups[0][0].tag)
}
