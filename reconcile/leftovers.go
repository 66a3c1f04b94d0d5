package reconcile

import (
	"context"
	"slices"
	"strings"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Looking for tags that were aliases, where no sweep has read all tags. It costs
// requests and changes nothing, so what can't be read is left out.

// maxLeftovers bounds how many tags of a repository are looked at: a HEAD each, and
// a GET for each index that is not in the cache.
const maxLeftovers = 64

// leftovers adds to a plan the former aliases that it does not have yet, with
// warnings. look says whether to search the tags for them. recorded are tags that
// tagline moved, with what they named then, by a record of its own.
func (s *State) leftovers(ctx context.Context, readers registry.Readers, image config.Image, plan *Plan, look bool, recorded []TagDigest) {
	if len(plan.Errors) > 0 { // the registry has enough trouble
		return
	}
	var all []FormerAlias
	var more int
	var warnings []*config.Finding
	s.settle(ctx, readers, image.Repository, func(v *view) {
		of := newScope(image, v)
		all, more = nil, 0
		if look && plan.Swept == (Swept{}) { // or else the plan has those with marks
			all, more = of.searchFormer()
		}
		told := append(slices.Clone(plan.Former), all...)
		byRecord, left := of.recordedFormer(recorded, func(tag string) bool {
			return slices.ContainsFunc(told, func(f FormerAlias) bool { return f.Tag == tag }) ||
				slices.ContainsFunc(plan.DeleteTags, func(d DeleteTag) bool { return d.Tag == tag })
		})
		all, more = append(all, byRecord...), more+left
		warnings = of.warnFormer(all, more)
	})
	plan.Former = append(plan.Former, all...)
	sortFormer(plan.Former)
	plan.Warnings = append(plan.Warnings, ofProfile(image, warnings)...)
}

// searchFormer finds former aliases by tagline's mark, among the tags whose names an
// alias may have. more counts the tags that it leaves out.
func (s scope) searchFormer() (found []FormerAlias, more int) {
	tags, err := s.versions()
	if err != nil {
		return nil, 0
	}
	names := make([]string, len(tags))
	for i, t := range tags {
		names[i] = t.tag
	}
	likely := slices.DeleteFunc(aliasNames(names), func(tag string) bool { return !s.unlisted(tag) })
	if more = len(likely) - maxLeftovers; more > 0 {
		likely = likely[:maxLeftovers]
	}
	for _, tag := range likely {
		at, err := s.tag(s.home, tag)
		if err != nil || at.Archived {
			continue
		}
		if index, err := s.isIndex(s.home, at); err != nil || !index {
			continue
		}
		m, err := s.manifest(s.home, at.Digest)
		if was, ok := s.former(tag, m); err == nil && ok {
			found = append(found, was)
		}
	}
	sortFormer(found)
	return found, max(more, 0)
}

// recordedFormer finds former aliases by a record of what tagline moved: tags that
// still name what they named then. more counts the tags that it leaves out.
func (s scope) recordedFormer(recorded []TagDigest, told func(tag string) bool) (found []FormerAlias, more int) {
	recorded = slices.DeleteFunc(slices.Clone(recorded), func(t TagDigest) bool { return told(t.Tag) || !s.unlisted(t.Tag) })
	if more = len(recorded) - maxLeftovers; more > 0 {
		recorded = recorded[:maxLeftovers]
	}
	for _, t := range recorded {
		if now, err := s.tag(s.home, t.Tag); err == nil && now.Digest == t.Digest {
			found = append(found, FormerAlias{Tag: t.Tag})
		}
	}
	sortFormer(found)
	return found, max(more, 0)
}

// aliasNames returns those of a repository's tags that an alias may have as its name,
// the likeliest first and of those the highest: 10, 9.3 and 10-alpine beside fuller
// versions; then latest, stable and 8; then 10.9 beside 10.9-amd64; then other names.
// A version that no tag has more numbers of is the name of one build, and so is a
// commit or a date.
func aliasNames(tags []string) []string {
	floats, wholes := map[string]bool{}, map[string]bool{}
	for _, tag := range tags {
		for _, float := range floatsOf(tag) {
			floats[float] = true
		}
		for _, whole := range wholesOf(tag) {
			wholes[whole] = true
		}
	}
	var byTier [4][]string
	for _, tag := range tags {
		level := rankOf(tag).level
		switch {
		case config.CheckTag(tag) != nil || registry.FallbackSubject(tag) != "" || level == 1:
		case floats[strings.TrimPrefix(tag, "v")]:
			byTier[0] = append(byTier[0], tag)
		case wholes[tag]:
			byTier[2] = append(byTier[2], tag)
		case level > 1:
		case !strings.ContainsAny(tag, "-_."):
			byTier[1] = append(byTier[1], tag)
		default:
			byTier[3] = append(byTier[3], tag)
		}
	}
	for _, tier := range byTier {
		slices.SortFunc(tier, func(a, b string) int { return config.CompareTags(b, a) })
	}
	return slices.Concat(byTier[:]...)
}

// floatsOf returns the names, without a v, that may move along with a release:
// 9-alpine and 9.3-alpine for 9.3.1-alpine, and 9.3.1 too for 9.3.1-r4.
func floatsOf(tag string) (floats []string) {
	r := rankOf(tag)
	if r.level < 2 || r.version.Prerelease != "" {
		return nil
	}
	variant := ""
	if r.version.Variant != "" {
		variant = "-" + r.version.Variant
	}
	numbers := strings.TrimSuffix(r.numbers, ".")
	if r.version.Revision != "" {
		floats = append(floats, numbers+variant)
	}
	for i, c := range numbers {
		if c == '.' {
			floats = append(floats, numbers[:i]+variant)
		}
	}
	return floats
}
