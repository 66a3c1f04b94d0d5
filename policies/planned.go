package policies

import "tagline/config"

// planned are the keys of the file format that have no rule yet: their default
// is what tagline does, and every other value is refused rather than ignored.
func planned() []Policy {
	var all []Policy
	for _, k := range []config.PolicyKey{
		{Name: "prune", Doc: "whether aliases that left images.yaml are deleted",
			Values: []string{"false"}, Planned: []string{"true"}, Default: "false"},
		{Name: "untagged", Doc: "whether untagged manifests that nothing needs are deleted",
			Values: []string{"keep"}, Planned: []string{"delete"}, Default: "keep"},
		{Name: "grace", Doc: "how old an untagged manifest must be before it is deleted",
			Kind: config.Duration, Default: "24h"},
		{Name: "signed", Doc: "whether purge rewrites tags that have a signature or another referrer",
			Values: []string{"keep"}, Planned: []string{"purge"}, Default: "keep"},
	} {
		all = append(all, Policy{PolicyKey: k})
	}
	return all
}
