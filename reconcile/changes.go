package reconcile

import (
	"slices"

	"tagline/policies"
)

// changes compares the images that an alias gets with those that it has: each with
// the one of the same target, or else with one of the same platform.
func changes(before []oldImage, leaves []leaf) []PlatformChange {
	gets := map[string]bool{}
	for _, l := range leaves {
		if l.Kind == policies.Image {
			gets[l.target()] = true
		}
	}
	var all []PlatformChange
	highest := highestOf(leaves)
	attests, companions := belongings(leaves, policies.Attestation), belongings(leaves, policies.Companion)
	for _, l := range leaves {
		if l.Kind == policies.Attestation || l.Kind == policies.Companion {
			continue
		}
		c := PlatformChange{
			Source: l.Source, SourceDigest: l.sourceDigest, Digest: l.Digest,
			Attestations: attests[l.Digest], Companions: companions[l.Digest], Behind: behind(l, highest),
		}
		if l.written != l.Source {
			c.Origin = l.written
		}
		if l.Kind == policies.Image {
			c.Platform = l.target()
			i := slices.IndexFunc(before, func(o oldImage) bool { return o.target == c.Platform })
			if i < 0 { // also an update of Windows
				i = slices.IndexFunc(before, func(o oldImage) bool {
					return !gets[o.target] && o.platform.WithoutRevision().Normal() == l.Platform.WithoutRevision().Normal()
				})
			}
			if i >= 0 {
				o := before[i]
				c.OldSource, c.OldDigest, c.OldAttestations, c.OldCompanions = o.source, o.digest, o.attests, o.companions
				c.Moved = l.Newest && c.OldSource != "" && c.OldSource != c.Source
				before = slices.Delete(before, i, i+1)
			}
		}
		all = append(all, c)
	}
	for _, o := range before {
		all = append(all, PlatformChange{Platform: o.target, OldSource: o.source, OldDigest: o.digest})
	}
	return all
}

// highestOf returns the leaf of the highest version.
func highestOf(leaves []leaf) (highest leaf) {
	for _, l := range leaves {
		if l.Version != nil && (highest.Version == nil || l.Version.Compare(*highest.Version) > 0) {
			highest = l
		}
	}
	return highest
}

// behind returns the highest version that another platform of an alias comes
// from, if it is higher than this one's: the versions are mixed.
func behind(l, highest leaf) string {
	if l.Version == nil || l.Kind != policies.Image || highest.Version.Compare(*l.Version) <= 0 {
		return ""
	}
	return highest.Origin
}
