package policies

import (
	"fmt"
	"slices"
	"strings"

	"tagline/config/findings"
)

// MixedVersions reports whether the platforms of an alias may come from
// different versions. If they may not, a newest source takes the newest version
// that has all the platforms; sources that images.yaml names can only be judged.
var MixedVersions = Policy[bool]{
	Name:   "mixed-versions",
	Doc:    "whether the platforms of an alias may come from different versions",
	Values: words[bool]{{"allow", true}, {"deny", false}},
	Strict: orFalse("deny"),
	Apply: func(allowed bool, a Alias) (Alias, []Finding) {
		images := a.Images()
		if allowed || len(images) == 0 {
			return a, nil
		}
		var from []string
		mixed := false
		for _, e := range images {
			if one := e.Platform.String() + " from " + e.Origin; !slices.Contains(from, one) {
				from = append(from, one)
			}
			mixed = mixed || !sameVersion(e, images[0])
		}
		if !mixed {
			return a, nil
		}
		return a, []Finding{{ID: findings.MixedVersions, Message: fmt.Sprintf(
			"its platforms come from different versions, which mixed-versions: deny forbids: %s", strings.Join(from, ", "))}}
	},
}

// sameVersion reports whether two entries are one version: 10.10-amd64 and
// 10.10-arm64 are. What is no version must be of one source.
func sameVersion(a, b Entry) bool {
	if a.Version == nil || b.Version == nil {
		return a.Origin == b.Origin
	}
	return a.Version.Compare(*b.Version) == 0
}
