package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tagline/config"
)

// unfit says why a tag is not a candidate, "" if it is one.
func (s scope) unfit(t listed, n *config.Newest) string {
	switch _, managed := s.aliases[t.tag]; {
	case managed:
		return "alias"
	case t.err != nil && n.Tags.Text != "":
		return "of another form"
	case t.err != nil:
		return "not a version"
	}
	return n.Refuses(t.version)
}

// nothingFits says why no tag fits a newest source: by which rule how many tags
// were passed over, and what to write if some of these are meant.
func (s scope) nothingFits(n *config.Newest, tags []listed) string {
	if len(tags) == 0 {
		return fmt.Sprintf("%s has no tags", s.home)
	}
	var variants []string
	for _, t := range tags {
		if t.err == nil && t.version.Variant != "" && s.aliases[t.tag].Tag == "" {
			variants = append(variants, t.version.Variant)
		}
	}
	nearest := nearestVariant(n.Variant, variants)
	counts, meant := map[string]int{}, map[string]int{}
	example := map[string]string{}
	var newest []string
	for _, t := range tags {
		why := s.unfit(t, n)
		counts[why]++
		if why == "not in range" && t.version.Variant == n.Variant && t.version.Calendar == n.Calendar && (t.version.Prerelease == "" || n.Prereleases) {
			newest = append(newest, t.tag)
		}
		if advice := instead(why, t, n, nearest); advice != "" {
			meant[advice]++
			example[advice] = cmp.Or(example[advice], t.tag)
		}
	}
	what := ""
	switch {
	case n.Variant != "":
		what = fmt.Sprintf(" with the variant %q", n.Variant)
	case n.Tags.Text != "":
		what = fmt.Sprintf(" of the form %q", n.Tags.Text)
	}
	var passed []string
	for _, why := range byCount(counts) {
		passed = append(passed, passedOver(why, counts[why]))
	}
	text := fmt.Sprintf("no tag of %s%s is in %q: %s", s.home, what, n.Range.Text, few(passed))
	if len(newest) > 0 {
		text += "; the newest are " + few(newest)
	}
	if advice := byCount(meant); len(advice) > 0 {
		text += fmt.Sprintf("; to take tags such as %s, write %s beside newest", example[advice[0]], advice[0])
	}
	return text
}

// nearestVariant returns the variant that may be meant by one that no tag has, "" if
// there is none.
func nearestVariant(want string, variants []string) string {
	for _, v := range variants {
		if want != "" && strings.HasPrefix(strings.ToLower(v), strings.ToLower(want)) && !strings.Contains(v, "-") {
			return v // alpine3.20 for alpine, from the newest version
		}
	}
	return config.Closest(want, variants)
}

// instead says what to write so that a tag that was passed over would fit. Where the
// source asks for a variant, only a tag that has it, or the nearest, can be meant.
func instead(why string, t listed, n *config.Newest, nearest string) string {
	switch {
	case why == "prerelease":
		return "prereleases: true"
	case why == "calendar version":
		return "versioning: calendar"
	case why == "not a version" || strings.HasPrefix(why, "variant "):
		other := *n
		other.Variant = ""
		if pattern, v, ok := config.SuggestTags(t.tag); ok && other.Refuses(v) == "" && (n.Variant == "" || hasWord(pattern, n.Variant)) {
			return fmt.Sprintf("tags: %q", pattern)
		} else if t.err == nil && (n.Variant == "" || t.version.Variant == nearest) {
			return "variant: " + t.version.Variant
		}
	}
	return ""
}

// hasWord reports whether a pattern of tags has some words between its dashes.
func hasWord(pattern, words string) bool {
	return strings.Contains("-"+pattern+"-", "-"+words+"-")
}

// passedOver says that a rule passed so many tags over.
func passedOver(why string, count int) string {
	words := map[string][2]string{
		"alias":                  {"is an alias", "are aliases"},
		"prerelease":             {"is a prerelease", "are prereleases"},
		"calendar version":       {"is a calendar version", "are calendar versions"},
		"not a version":          {"is not a version", "are not versions"},
		"not a calendar version": {"is not a calendar version", "are not calendar versions"},
		"no variant":             {"has no variant", "have no variant"},
	}
	says, ok := words[why]
	switch {
	case ok:
	case strings.HasPrefix(why, "variant "):
		says = [2]string{"has the " + why, "have the " + why}
	default:
		says = [2]string{"is " + why, "are " + why}
	}
	return fmt.Sprintf("%d %s", count, says[min(count, 2)-1])
}

// byCount returns the keys of a map, the one with the highest count first.
func byCount(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}
