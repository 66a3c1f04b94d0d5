package reconcile

import (
	"slices"

	"tagline/policies"
)

// changes compares the images that an alias gets with those that it has.
func changes(before []oldImage, leaves []leaf) []PlatformChange {
	var all []PlatformChange
	attests := attestations(leaves)
	for _, l := range leaves {
		if l.Kind == policies.Attestation {
			continue
		}
		c := PlatformChange{
			Platform: l.Platform.Normal().String(), Source: l.Source, SourceDigest: l.sourceDigest,
			Digest: l.Digest, Attestations: attests[l.Digest], Behind: behind(l, leaves),
		}
		i := slices.IndexFunc(before, func(o oldImage) bool { return o.platform.Normal() == l.Platform.Normal() })
		if i >= 0 && l.Kind == policies.Image {
			c.OldSource, c.OldDigest, c.OldAttestations = before[i].source, before[i].digest, before[i].attests
			c.Moved = l.Newest && c.OldSource != "" && c.OldSource != c.Source
			before = slices.Delete(before, i, i+1)
		}
		all = append(all, c)
	}
	for _, o := range before {
		all = append(all, PlatformChange{Platform: o.platform.Normal().String(), OldSource: o.source, OldDigest: o.digest})
	}
	return all
}

// behind returns the highest version that another platform of an alias comes
// from, if it is higher than this one's: the versions are mixed.
func behind(l leaf, leaves []leaf) string {
	if l.Version.Tag == "" || l.Kind != policies.Image {
		return ""
	}
	highest, higher := l.Version, ""
	for _, other := range leaves {
		if other.Version.Tag != "" && other.Version.Compare(highest) > 0 {
			highest, higher = other.Version, other.Origin
		}
	}
	return higher
}
