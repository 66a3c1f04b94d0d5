package reconcile

import (
	"cmp"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
)

// pick takes out of a source what an alias wants: everything, or the images of
// one platform with their attestations and companions.
//
// Images of one platform that differ in what they ask of a runtime are all taken,
// so that each runtime gets from the alias what it gets from the source. Those
// that no runtime can tell apart are ambiguous, unless the alias wants everything
// and so needs no choice.
func pick(alias config.Alias, s config.Source, of content) (picked []leaf, ps problems) {
	of.leaves = declared(of, s.Platform)
	has := spelled(of.leaves)
	switch {
	case len(has) == 0 && !slices.ContainsFunc(of.leaves, func(l leaf) bool { return l.Kind == policies.Other }):
		ps.forbid(violation(alias, s.Pos, findings.NoImage,
			"source %q holds no image, at most attestation manifests; push it again with its images", s.Text))
		return nil, ps
	case s.Platform == (config.Platform{}): // everything
		return distinct(of.leaves), ps
	}
	images, ambiguous := imagesOf(alias, s, of.leaves)
	switch {
	case ambiguous != nil:
		ps.forbid(ambiguous)
		return nil, ps
	case len(images) == 0:
		ps.forbid(noImageOf(alias, s, of, has))
		return nil, ps
	}
	wanted, digests := map[policies.Entry]bool{}, map[string]bool{}
	for _, l := range images {
		if !digests[l.Digest] { // an index may list one manifest for several platforms
			wanted[l.Entry], digests[l.Digest] = true, true
		}
	}
	return distinct(slices.DeleteFunc(slices.Clone(of.leaves), func(l leaf) bool {
		belongs := (l.Kind == policies.Attestation || l.Kind == policies.Companion) && digests[l.RefersTo]
		return !wanted[l.Entry] && !belongs
	})), ps
}

// spelled returns the platforms of the images, each once, as they are spelled.
func spelled(leaves []leaf) []string {
	var all []string
	for _, l := range leaves {
		if platform := l.Platform.String(); l.Kind == policies.Image && !slices.Contains(all, platform) {
			all = append(all, platform)
		}
	}
	return all
}

// imagesOf returns the images of the source's platform. If no runtime can tell two of
// them apart, ambiguous says so.
func imagesOf(alias config.Alias, s config.Source, leaves []leaf) (images []leaf, ambiguous *config.Finding) {
	for _, l := range leaves {
		if l.Kind != policies.Image || !l.Platform.Is(s.Platform) {
			continue
		}
		for _, other := range images {
			switch same := other.Platform.Normal() == l.Platform.Normal(); {
			case other.Digest == l.Digest || same && other.Features != l.Features:
			case same:
				return nil, violation(alias, s.Pos, findings.AmbiguousPlatform,
					"source %q has two images for %s, %s and %s, and %s; push it again with one, or take the source as a whole",
					s.Text, l.Platform, other.Digest, l.Digest, difference(other.descriptor, l.descriptor))
			default: // two versions of Windows
				return nil, violation(alias, s.Pos, findings.AmbiguousPlatform,
					"source %q has two images for %s, %s for %s and %s for %s; ask for one of them, such as %s, or take the source as a whole",
					s.Text, s.Platform, other.Digest, other.Platform, l.Digest, l.Platform, versionApart(l.Platform, other.Platform))
			}
		}
		images = append(images, l)
	}
	return images, nil
}

// noImageOf says why a source has no image of the platform that an alias wants of it,
// but of others.
func noImageOf(alias config.Alias, s config.Source, of content, has []string) *config.Finding {
	if odd, meant, is := misspelled(of.leaves, s.Platform); is {
		where := "index"
		if of.plain() {
			where = "config"
		}
		return violation(alias, s.Pos, findings.MisspelledPlatform,
			"source %q says %s in its %s, which should be %s; rebuild it", s.Text, odd.Platform, where, meant)
	}
	if of.plain() && len(has) == 1 {
		return violation(alias, s.Pos, findings.PlatformMismatch, "source %q is %s by its config, not %s", s.Text, has[0], s.Platform)
	}
	return violation(alias, s.Pos, findings.MissingPlatform,
		"source %q has no %s; it has %s", s.Text, s.Platform, cmp.Or(strings.Join(has, ", "), "no image that names its platform"))
}

// difference says in what index entries differ that no runtime can tell apart.
func difference(a, b ocispec.Descriptor) string {
	var keys []string
	for key := range a.Annotations {
		if value, there := b.Annotations[key]; !there || value != a.Annotations[key] {
			keys = append(keys, key)
		}
	}
	for key := range b.Annotations {
		if _, there := a.Annotations[key]; !there {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	switch len(keys) {
	case 0:
		return "nothing else tells them apart"
	case 1:
		return "they differ only in the annotation " + keys[0] + ", by which no runtime chooses"
	}
	return "they differ only in the annotations " + few(keys) + ", by which no runtime chooses"
}
