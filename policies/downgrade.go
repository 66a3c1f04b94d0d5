package policies

import (
	"fmt"

	"tagline/config"
)

// Downgrade keeps a newest source from choosing a lower version than the alias
// carries now, as it would when a release is deleted. A tag that is written
// out is its author's word, whichever way it goes.
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
			if !e.Newest {
				continue
			}
			now, err := config.ParseVersion(e.Source)
			was, unknown := config.ParseVersion(e.Was)
			if err != nil || unknown != nil || now.Compare(was) >= 0 {
				continue
			}
			found = append(found, Finding{"downgrade", fmt.Sprintf(
				"%s would be downgraded from %s to %s; push %s again, name a tag, or set downgrade: allow", e.Platform, e.Was, e.Source, e.Was)})
		}
		return a, found
	},
}
