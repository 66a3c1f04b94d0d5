package reconcile

import (
	"cmp"
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
)

// pick takes out of a source what an alias wants: everything, or one platform
// with its attestations.
func pick(alias config.Alias, s config.Source, of content) (picked []leaf, ps problems) {
	var (
		everything = s.Platform == (config.Platform{})
		images     []leaf // the wanted ones
		has        []string
	)
	of.leaves = declared(of, s.Platform)
	for _, l := range of.leaves {
		if l.Kind != policies.Image {
			continue
		}
		has = append(has, l.Platform.String())
		if !everything && !l.Platform.Is(s.Platform) {
			continue
		}
		for _, other := range images {
			switch same := other.Platform.Normal() == l.Platform.Normal(); {
			case other.Digest == l.Digest || everything && !same:
			case same:
				ps.forbid(violation(alias, s.Pos, findings.AmbiguousPlatform,
					"source %q has two images for %s, %s and %s; push it again with one", s.Text, l.Platform, other.Digest, l.Digest))
			default: // two versions of Windows
				ps.forbid(violation(alias, s.Pos, findings.AmbiguousPlatform,
					"source %q has two images for %s, %s for %s and %s for %s; ask for one of them, such as %s, or take the source as a whole",
					s.Text, s.Platform, other.Digest, other.Platform, l.Digest, l.Platform, versionApart(l.Platform, other.Platform)))
			}
		}
		images = append(images, l)
	}
	odd, meant, misspelled := misspelled(of.leaves, s.Platform)
	switch {
	case ps.any():
		return nil, ps
	case len(has) == 0 && !slices.ContainsFunc(of.leaves, func(l leaf) bool { return l.Kind == policies.Other }):
		ps.forbid(violation(alias, s.Pos, findings.NoImage,
			"source %q holds no image, at most attestation manifests; push it again with its images", s.Text))
		return nil, ps
	case everything:
		return distinct(of.leaves), ps
	case len(images) == 0 && misspelled:
		where := "index"
		if of.plain() {
			where = "config"
		}
		ps.forbid(violation(alias, s.Pos, findings.MisspelledPlatform,
			"source %q says %s in its %s, which should be %s; rebuild it", s.Text, odd.Platform, where, meant))
		return nil, ps
	case len(images) == 0 && of.plain() && len(has) == 1:
		ps.forbid(violation(alias, s.Pos, findings.PlatformMismatch,
			"source %q is %s by its config, not %s", s.Text, has[0], s.Platform))
		return nil, ps
	case len(images) == 0:
		ps.forbid(violation(alias, s.Pos, findings.MissingPlatform,
			"source %q has no %s; it has %s", s.Text, s.Platform, cmp.Or(strings.Join(has, ", "), "no image that names its platform")))
		return nil, ps
	}
	image := images[0].Entry // an index may list one manifest for several platforms
	return distinct(slices.DeleteFunc(slices.Clone(of.leaves), func(l leaf) bool {
		return l.Entry != image && (l.Kind != policies.Attestation || l.Attests != image.Digest)
	})), ps
}
