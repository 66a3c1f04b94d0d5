package reconcile

import (
	"slices"

	"tagline/config"
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
	from := versionsOf(leaves)
	attests, companions := belongings(leaves, policies.Attestation), belongings(leaves, policies.Companion)
	for _, l := range leaves {
		if l.Kind == policies.Attestation || l.Kind == policies.Companion {
			continue
		}
		c := PlatformChange{
			Source: l.Source, SourceDigest: l.sourceDigest, Digest: l.Digest,
			Attestations: attests[l.Digest], Companions: companions[l.Digest], Behind: from.behind(l),
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

// versions are those that the images of an alias come from, and the highest.
type versions struct {
	of      map[string]config.Version // by origin, as far as it is a version
	highest string                    // an origin
}

func versionsOf(leaves []leaf) versions {
	all := versions{of: map[string]config.Version{}}
	seen := map[string]bool{}
	for _, l := range leaves {
		if seen[l.Origin] {
			continue
		}
		seen[l.Origin] = true
		v, err := config.ParseVersion(l.Origin)
		if err != nil {
			continue
		}
		if all.of[l.Origin] = v; all.highest == "" || v.Compare(all.of[all.highest]) > 0 {
			all.highest = l.Origin
		}
	}
	return all
}

// behind returns the highest version that another platform of an alias comes
// from, if it is higher than this one's: the versions are mixed.
func (all versions) behind(l leaf) string {
	v, is := all.of[l.Origin]
	if !is || l.Kind != policies.Image || all.of[all.highest].Compare(v) <= 0 {
		return ""
	}
	return all.highest
}
