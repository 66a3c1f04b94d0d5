package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tagline/config"
)

// Platforms names what every alias must offer. It requires, it does not
// filter: what an alias has beyond it stays.
var Platforms = Policy{
	PolicyKey: config.PolicyKey{
		Name: "platforms",
		Doc:  "platforms that every alias must offer",
		Kind: config.PlatformList,
	},
	Apply: func(s config.Setting, a Alias) (Alias, []Finding) {
		var has []string
		for _, e := range a.Images() {
			has = append(has, e.Platform.String())
		}
		var found []Finding
		for _, want := range s.Platforms {
			if slices.ContainsFunc(a.Images(), func(e Entry) bool { return e.Platform.Is(want) }) {
				continue
			}
			found = append(found, Finding{ID: "missing-platform", Message: fmt.Sprintf(
				"the platforms policy requires %s, and the sources give %s", want, cmp.Or(strings.Join(has, ", "), "no platform at all"))})
		}
		return a, found
	},
}
