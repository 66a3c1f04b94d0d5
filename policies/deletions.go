package policies

import "tagline/config"

// Prune, Untagged, Grace and Signed are about what a repository holds beside
// its aliases, so they are keys alone: the planner of a whole repository reads
// them (reconcile/sweep*.go).
var (
	Prune = Policy{PolicyKey: config.PolicyKey{
		Name:    "prune",
		Doc:     "whether alias tags that tagline made and images.yaml no longer lists are deleted",
		Values:  []string{"false", "true"},
		Default: "false",
	}}
	Untagged = Policy{PolicyKey: config.PolicyKey{
		Name:    "untagged",
		Doc:     "whether untagged manifests that nothing needs are deleted",
		Values:  []string{"keep", "delete"},
		Default: "keep",
	}}
	Grace = Policy{PolicyKey: config.PolicyKey{
		Name:    "grace",
		Doc:     "how old an untagged manifest must be before it is deleted",
		Kind:    config.Duration,
		Default: "24h",
	}}
	Signed = Policy{PolicyKey: config.PolicyKey{
		Name:    "signed",
		Doc:     "whether purge rewrites tags that have a signature or another referrer",
		Values:  []string{"keep", "purge"},
		Default: "keep",
	}}
)
