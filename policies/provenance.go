package policies

import (
	"slices"

	"tagline/config"
)

// Provenance says what becomes of the attestation manifests that BuildKit puts
// beside every image (since buildx 0.10 by default, docker/build-push-action#1339).
// For an alias purge is drop; what it does to the other tags is for the planner
// of a whole repository.
var Provenance = Policy{
	PolicyKey: config.PolicyKey{
		Name:    "provenance",
		Doc:     "whether aliases carry the attestation manifests of their sources, or with purge any tag",
		Values:  []string{"keep", "drop", "purge"},
		Default: "keep",
	},
	Apply: func(s config.Setting, a Alias) (Alias, []Finding) {
		if s.Value == "keep" {
			return a, nil
		}
		had := len(a.Entries)
		a.Entries = slices.DeleteFunc(slices.Clone(a.Entries), func(e Entry) bool { return e.Kind == Attestation })
		a.Filtered = a.Filtered || len(a.Entries) < had
		return a, nil
	},
}
