package kindstest

import "tagline/reconcile/registry"

// Removals deletes what tags name, by its digest, and lets each tag go with it.
func Removals(digests map[string]string, tags ...string) []registry.Removal {
	var all []registry.Removal
	for _, tag := range tags {
		all = append(all, registry.Removal{Digest: digests[tag], Tags: []string{tag}})
	}
	return all
}
