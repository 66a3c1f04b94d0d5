package reconcile

import (
	"cmp"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
)

// What an author says of a platform that the image itself leaves open.

// declared returns the leaves of a source as the author's word completes them.
// Who asks for arm/v6 of an image that says arm knows more than the image does:
// the image becomes one for arm/v6. So with an OS version that it leaves out.
// An index that lists amd64 means just that, and not amd64/v3; a config that says
// so may be of either, as few builders write a variant there.
//
// Nothing changes if an image serves the platform anyway, or if the images for
// that system and architecture say different things: then each says what it is.
func declared(source content, wanted config.Platform) []leaf {
	var (
		leaves = source.leaves
		said   config.Platform
	)
	for _, l := range leaves {
		switch {
		case l.Kind != policies.Image || l.Platform.OS != wanted.OS || l.Platform.Architecture != wanted.Architecture:
		case l.Platform.Is(wanted) || !l.Platform.Admits(wanted) || said != (config.Platform{}) && l.Platform != said:
			return leaves
		case !source.plain() && wanted.Architecture != "arm" && l.Platform.Normal().Variant != wanted.Normal().Variant:
			return leaves
		default:
			said = l.Platform
		}
	}
	if said == (config.Platform{}) {
		return leaves
	}
	full := said // with what the author adds
	full.Variant = cmp.Or(said.Variant, wanted.Variant)
	full.OSVersion = longer(said.OSVersion, wanted.OSVersion)
	leaves = slices.Clone(leaves)
	for i := range leaves {
		if l := &leaves[i]; l.Platform == said { // the image, and what belongs to it
			l.Platform = full
			if l.Kind == policies.Image {
				l.descriptor.Platform = saying(l.descriptor.Platform, full)
			}
		}
	}
	return leaves
}

// longer returns the longer one of two OS versions.
func longer(a, b string) string {
	if len(b) > len(a) {
		return b
	}
	return a
}

// saying returns the platform of an index entry with the variant and OS version
// of another.
func saying(p *ocispec.Platform, other config.Platform) *ocispec.Platform {
	said := *p
	said.Variant, said.OSVersion = other.Variant, other.OSVersion
	return &said
}

// versionApart returns a platform as images.yaml can ask for it rather than for
// another one that differs by its OS version.
func versionApart(p, other config.Platform) config.Platform {
	if short := p.WithoutRevision(); !other.Is(short) {
		return short
	}
	return p
}

// misspelled finds the image that should say that it is for a platform, and says
// so in a way that not every runtime understands.
func misspelled(leaves []leaf, wanted config.Platform) (l leaf, meant config.Platform, found bool) {
	for _, l := range leaves {
		if meant, is := l.Platform.Misspelled(); l.Kind == policies.Image && is && meant.Overlaps(wanted) {
			return l, meant, true
		}
	}
	return leaf{}, config.Platform{}, false
}
