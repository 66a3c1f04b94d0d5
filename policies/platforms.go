package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
)

// Platforms are what every alias must offer. The policy requires platforms and
// removes none: an alias may have more.
var Platforms = Policy[[]config.Platform]{
	Name:   "platforms",
	Doc:    "platforms that every alias must offer",
	Values: platformList{},
	Strict: Strictness[[]config.Platform]{"more platforms", func(least, own []config.Platform) bool {
		return !slices.ContainsFunc(least, func(want config.Platform) bool {
			return !slices.ContainsFunc(own, func(p config.Platform) bool { return p.Is(want) })
		})
	}},
	Apply: func(required []config.Platform, a Alias) (Alias, []Finding) {
		var has []string
		for _, e := range a.Images() {
			if platform := e.Platform.String(); !slices.Contains(has, platform) {
				has = append(has, platform)
			}
		}
		gives := "the sources give"
		if a.OneSource && len(a.Entries) > 0 {
			gives = fmt.Sprintf("source %q has", a.Entries[0].Source)
		}
		var found []Finding
		for _, want := range required {
			if slices.ContainsFunc(a.Images(), func(e Entry) bool { return e.Platform.Is(want) }) {
				continue
			}
			if i := slices.IndexFunc(a.Images(), func(e Entry) bool { meant, is := e.Platform.Misspelled(); return is && meant.Is(want) }); i >= 0 {
				e := a.Images()[i]
				meant, _ := e.Platform.Misspelled()
				found = append(found, Finding{ID: findings.MisspelledPlatform, Message: fmt.Sprintf(
					"the platforms policy requires %s, and source %q says %s, which should be %s; rebuild it", want, e.Source, e.Platform, meant)})
				continue
			}
			found = append(found, Finding{ID: findings.MissingPlatform, Message: fmt.Sprintf(
				"the platforms policy requires %s, and %s %s", want, gives, cmp.Or(strings.Join(has, ", "), "no platform at all"))})
		}
		return a, found
	},
}
