package reconcile

import (
	"tagline/config"
	"tagline/policies"
)

// What images.yaml would have the next run delete once more.

// AsksAgain returns the words of images.yaml that ask for the deletion of what was
// put back.
func AsksAgain(image config.Image, r Restored) []string {
	back := func(o RestoredOne) bool { return !o.Already && o.Blocked == "" && o.Err == nil }
	rules, aliases := policies.Of(image.Policies), byTag(image)
	purge := policies.Provenance.Of(rules) == policies.Purge
	var absent, pruned, attested, untagged bool
	tagged := map[string]bool{}
	for _, t := range r.Tags {
		alias, listed := aliases[t.Tag]
		tagged[t.Digest] = true
		absent = absent || back(t) && alias.Absent
		pruned = pruned || back(t) && !listed && image.Used[t.Tag] == "" && policies.Prune.Of(rules)
		attested = attested || back(t) && !listed && t.Was != "" && purge // a run pushed something else there
	}
	for _, m := range r.Manifests {
		attested = attested || back(m) && m.Kind == "attestation" && purge
		untagged = untagged || back(m) && len(tagged) == 0 && policies.Untagged.Of(rules)
	}
	var all []string
	for _, asks := range []struct {
		does bool
		word string
	}{{absent, "absent"}, {pruned, "prune: true"}, {attested, "provenance: purge"}, {untagged, "untagged: delete"}} {
		if asks.does {
			all = append(all, asks.word)
		}
	}
	return all
}
