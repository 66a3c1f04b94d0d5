package policies

import (
	"fmt"

	"tagline/config"
)

// Downgrade keeps a newest source from choosing a lower version than the alias
// carries now, as it would when a release is deleted. Where nobody can tell
// what it carries, a warning says so. A tag that is written out is its author's
// word, whichever way it goes.
var Downgrade = Policy{
	PolicyKey: config.PolicyKey{
		Name:    "downgrade",
		Doc:     "whether newest may choose a lower version than the alias has",
		Values:  []string{"deny", "allow"},
		Default: "deny",
	},
	Apply: func(s config.Setting, a Alias) (Alias, []Finding) {
		if s.Value == "allow" {
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
				found = append(found, Finding{ID: "unknown-version", Warning: true, Message: fmt.Sprintf(
					"%s goes from %s to %s; no mark and no version tag tells what that was, so this may be a downgrade",
					e.Platform, e.Was.Digest, e.Source)})
			case now.Compare(was) < 0:
				found = append(found, Finding{ID: "downgrade", Message: fmt.Sprintf(
					"%s would be downgraded from %s to %s; bring %s back for it, name a tag, or set downgrade: allow",
					e.Platform, e.Was.Source, e.Source, e.Was.Source)})
			}
		}
		return a, found
	},
}
