package policies

import (
	"fmt"
	"strings"

	"tagline/config"
)

// MixedVersions says whether the platforms of an alias may come from
// different versions. A newest source that must not mix takes the newest
// version that has all the platforms; what is written out can only be judged.
var MixedVersions = Policy{
	PolicyKey: config.PolicyKey{
		Name:    "mixed-versions",
		Doc:     "whether the platforms of an alias may come from different versions",
		Values:  []string{"allow", "deny"},
		Default: "allow",
	},
	Apply: func(s config.Setting, a Alias) (Alias, []Finding) {
		images := a.Images()
		if s.Value == "allow" || len(images) == 0 {
			return a, nil
		}
		var from []string
		mixed := false
		for _, e := range images {
			from = append(from, e.Platform.String()+" from "+e.Origin)
			mixed = mixed || !sameVersion(e.Origin, images[0].Origin)
		}
		if !mixed {
			return a, nil
		}
		return a, []Finding{{ID: "mixed-versions", Message: fmt.Sprintf(
			"its platforms come from different versions, which mixed-versions: deny forbids: %s", strings.Join(from, ", "))}}
	},
}

// sameVersion compares tags, or whatever else sources are: 10.10-amd64 and
// 10.10-arm64 are one version, and so is anything and itself.
func sameVersion(a, b string) bool {
	v, err := config.ParseVersion(a)
	w, other := config.ParseVersion(b)
	if err != nil || other != nil {
		return a == b
	}
	return v.Compare(w) == 0
}
