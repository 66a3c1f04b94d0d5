package reconcile

import (
	"maps"
	"slices"
	"strings"

	"tagline/config"
	"tagline/policies"
)

// tagged is a tag that could be read.
type tagged struct {
	digest string
	owner  string // the alias it was made for, by tagline's mark
	leaves []leaf
	rank   rank
	of     string // the tag of which it is one platform: 10.9 for 10.9-amd64; "" for most tags
}

func (t tagged) images() []leaf {
	return slices.DeleteFunc(slices.Clone(t.leaves), func(l leaf) bool { return l.Kind != policies.Image })
}

// partOf returns the tag of which another is one platform: 10.9 for 10.9-amd64 or
// amd64-10.9, and latest for amd64, if that has an amd64 image and no other. It is
// "" for most tags.
func partOf(tag string, t tagged) string {
	images := t.images()
	if len(images) != 1 {
		return ""
	}
	p := images[0].Platform.Normal()
	name := p.Short()
	for _, spelling := range append([]string{p.Architecture, strings.ReplaceAll(name, "/", "-")}, spellings[name]...) {
		for _, separator := range separators {
			for _, word := range []string{p.OS + separator + spelling, spelling} {
				if of, ok := withoutWord(tag, word, separator); ok && config.CheckTag(of) == nil {
					return of
				}
			}
		}
	}
	return ""
}

// forms returns the ways to write the same: one source for all platforms, if
// there is only one, and a source for each.
func forms(byPlatform []config.Source) [][]config.Source {
	if len(byPlatform) == 0 {
		return nil
	}
	slices.SortFunc(byPlatform, func(a, b config.Source) int { return a.Platform.Compare(b.Platform) })
	byPlatform = slices.CompactFunc(byPlatform, func(a, b config.Source) bool { // several images of one platform and one source
		return a.Platform.Normal() == b.Platform.Normal() && a.Text == b.Text
	})
	one := byPlatform[0]
	for i, s := range byPlatform {
		if i > 0 && s.Platform.Overlaps(byPlatform[i-1].Platform) {
			return nil // two images of one platform
		}
		if s.Text != one.Text {
			return [][]config.Source{byPlatform}
		}
	}
	one.Platform = config.Platform{}
	return [][]config.Source{{one}, byPlatform}
}

// named returns a platform as images.yaml should name it: a Windows version
// without its revision. ok is false if it can't: a manifest may hold anything.
func named(p config.Platform) (name config.Platform, ok bool) {
	name = p.WithoutRevision()
	_, err := config.ParsePlatform(name.String())
	return name, err == nil && (name.OSVersion == "" || name.OS == "windows")
}

// suggest returns aliases that don't exist and that the names of tags suggest: 10.9
// for 10.9-amd64 and 10.9-arm64, and 10 for the newest 10.x of each platform.
func suggest(tags map[string]tagged, source func(tag string) config.Source) []config.Alias {
	var all []config.Alias
	names := slices.SortedFunc(maps.Keys(tags), config.CompareTags)
	add := func(alias string, sources []config.Source) {
		_, there := tags[alias]
		if ways := forms(sources); !there && len(ways) > 0 {
			all = append(all, config.Alias{Tag: alias, Sources: ways[0]})
		}
	}

	parts := map[string][]config.Source{} // by the alias
	lines := map[string][]line{}
	enter := func(tag string, r rank, platforms []config.Platform) {
		if r.level >= 2 && r.version.Prerelease == "" {
			name := lineOf(tag, r)
			lines[name] = append(lines[name], line{tag, r, platforms})
		}
	}
	for _, tag := range names {
		t := tags[tag]
		var platforms []config.Platform
		for _, l := range t.images() {
			if platform, ok := named(l.Platform); ok {
				platforms = append(platforms, platform)
			}
		}
		switch {
		case len(platforms) == 0:
		case t.of == "":
			enter(tag, t.rank, platforms)
		default:
			s := source(tag)
			s.Platform = platforms[0]
			parts[t.of] = append(parts[t.of], s)
		}
	}
	for _, alias := range slices.SortedFunc(maps.Keys(parts), config.CompareTags) {
		if len(parts[alias]) < 2 {
			continue
		}
		before := len(all)
		if add(alias, parts[alias]); len(all) > before { // 10 can follow it then
			var platforms []config.Platform
			for _, s := range parts[alias] {
				platforms = append(platforms, s.Platform)
			}
			enter(alias, rankOf(alias), platforms)
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(lines), config.CompareTags) {
		add(name, newestOf(lines[name], source))
	}
	slices.SortFunc(all, func(a, b config.Alias) int { return config.CompareTags(a.Tag, b.Tag) })
	return all
}

// line is a version in a line of versions, such as all 10.x.
type line struct {
	tag       string
	rank      rank
	platforms []config.Platform
}

// lineOf names the alias for all versions of one major number and variant.
func lineOf(tag string, r rank) string {
	major, _, _ := strings.Cut(r.numbers, ".")
	if strings.HasPrefix(tag, "v") {
		major = "v" + major
	}
	if r.version.Variant != "" {
		major += "-" + r.version.Variant
	}
	return major
}

// newestOf returns the newest version for each platform.
func newestOf(versions []line, source func(tag string) config.Source) []config.Source {
	newest := map[config.Platform]line{}
	for _, v := range versions {
		for _, p := range v.platforms {
			if have, ok := newest[p.Normal()]; !ok || v.rank.over(have.rank) {
				newest[p.Normal()] = v
			}
		}
	}
	var sources []config.Source
	for platform, v := range newest {
		s := source(v.tag)
		s.Platform = platform
		sources = append(sources, s)
	}
	return sources
}
