package compose

import (
	"slices"

	"tagline/config"
)

// aliasesFor are the aliases that take images from a tag or, if there are none, those
// that follow versions like it.
func aliasesFor(image config.Image, tag string) (all []config.Alias, following bool) {
	for _, following = range []bool{false, true} {
		for _, a := range image.Aliases {
			if slices.ContainsFunc(a.Sources, func(s config.Source) bool {
				return following == (s.Newest != nil) && takes(image, s, tag, s.Platform)
			}) {
				all = append(all, a)
			}
		}
		if len(all) > 0 {
			break
		}
	}
	return all, following
}

// takes reports whether a source of an alias names the tag, or follows versions like
// it, for a platform. The zero platform is any.
func takes(image config.Image, s config.Source, tag string, p config.Platform) bool {
	if s.Newest == nil {
		return s.Tag == tag && s.Repository == image.Repository
	}
	v, err := s.Newest.Version(tag)
	return err == nil && s.Newest.Refuses(v) == "" && (p == (config.Platform{}) || v.Serves(p))
}

// suiting are the aliases that a service may have in place of a tag: those that have
// images of the tag, or of versions that follow it, on each platform that the service
// may want. If there are none, where is a platform that the first one lacks, or zero if
// they have the images, but not all that the policy requires.
func suiting(s Service, image config.Image, aliases []config.Alias, tag string) (all []config.Alias, where config.Platform) {
	for _, alias := range slices.Backward(aliases) {
		platforms := wanted(s, image, alias)
		lacking := slices.IndexFunc(platforms, func(p config.Platform) bool { return !hasAll(image, alias, tag, p) })
		if lacking >= 0 {
			where = platforms[lacking]
		} else if unserved(s, image, alias) == nil {
			all = append(all, alias)
		}
	}
	slices.Reverse(all)
	return all, where
}

// hasAll reports whether an alias has sources for a platform, and each of them takes
// the tag or follows versions like it.
func hasAll(image config.Image, alias config.Alias, tag string, p config.Platform) (has bool) {
	for _, source := range alias.Sources {
		if source.Platform == (config.Platform{}) || source.Platform.RunsOn(p) {
			if !takes(image, source, tag, p) {
				return false
			}
			has = true
		}
	}
	return has
}

// wanted are the platforms that a service may want of an alias: its own, or those that
// the policy requires, or those of the alias. The zero platform is one that images.yaml
// does not tell.
func wanted(s Service, image config.Image, alias config.Alias) []config.Platform {
	if p, err := config.ParseLoosePlatform(s.Platform.Value); err == nil {
		return []config.Platform{p}
	}
	all := image.Policies["platforms"].Platforms
	if len(all) == 0 {
		all, _ = offers(image, alias)
	}
	if len(all) == 0 {
		return []config.Platform{{}}
	}
	return all
}
