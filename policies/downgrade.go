package policies

import (
	"fmt"

	"tagline/config"
	"tagline/config/findings"
)

// Downgrade reports whether a newest source may choose a lower version than the
// alias has now, as it would when a release is deleted. If it is not known what
// version the alias has, it may not choose any. A tag that images.yaml names may
// always be lower.
var Downgrade = Policy[bool]{
	Name:   "downgrade",
	Doc:    "whether newest may choose a lower version than the alias has",
	Values: words[bool]{{"deny", false}, {"allow", true}},
	Apply: func(allowed bool, a Alias) (Alias, []Finding) {
		if allowed {
			return a, nil
		}
		var found []Finding
		for _, e := range a.Images() {
			if !e.Newest || e.Was == (Past{}) || e.Was.Digest == e.Digest {
				continue
			}
			now, err := config.ParseVersion(e.Source)
			was, unknown := config.ParseVersion(e.Was.Source)
			switch {
			case err != nil: // a newest source chooses nothing else
			case unknown != nil:
				found = append(found, Finding{ID: findings.UnknownVersion, Message: fmt.Sprintf(
					"%s would go from %s to %s, which may be a downgrade: no mark and none of the newest version tags says what it is now; name a tag once, or set downgrade: allow",
					e.Platform, e.Was.Digest, e.Source)})
			case now.Compare(was) < 0:
				found = append(found, Finding{ID: findings.Downgrade, Message: fmt.Sprintf(
					"%s would be downgraded from %s to %s; bring %s back for it, name a tag, or set downgrade: allow",
					e.Platform, e.Was.Source, e.Source, e.Was.Source)})
			}
		}
		return a, found
	},
}
