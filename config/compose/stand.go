package compose

import (
	"slices"
	"strings"

	"tagline/config"
)

// takes reports whether a source of an alias names the tag, and whether it follows
// versions like it.
func takes(image config.Image, s config.Source, tag string) (taking, following bool) {
	if s.Newest == nil {
		return s.Tag == tag && s.Repository == image.Repository, false
	}
	v, err := s.Newest.Version(tag)
	return false, err == nil && s.Newest.Refuses(v) == "" && (s.Platform == (config.Platform{}) || v.Serves(s.Platform))
}

// standsFor reports whether the alias has, on every platform that the service may
// want, images of the tag or of versions that follow it. If not, where is a platform
// for which images.yaml does not say so.
func standsFor(s Service, image config.Image, alias config.Alias, tag string) (where config.Platform, ok bool) {
	has, known := offers(image, alias)
	for _, p := range wanted(s, image, alias, tag) {
		runs := func(of config.Platform) bool { return of.RunsOn(p) }
		if known && !slices.ContainsFunc(has, runs) {
			return p, false
		}
		sources := sourcesFor(alias, p)
		for _, source := range sources {
			taking, following := takes(image, source, tag)
			if following && p != (config.Platform{}) {
				v, _ := source.Newest.Version(tag)
				following = v.Serves(p)
			}
			if !taking && !following {
				return p, false
			}
		}
		if len(sources) == 0 {
			return p, false
		}
	}
	return config.Platform{}, true
}

// wanted are the platforms that a service may want of a tag: its own, or that of the
// tag's name, or those that the policy requires, or those of the alias. The zero
// platform is one that images.yaml does not tell.
func wanted(s Service, image config.Image, alias config.Alias, tag string) []config.Platform {
	system := strings.ToLower(s.Platform.Value)
	if s.Platform.Written != "" && !config.IsSystem(system) {
		p, _ := config.ParseLoosePlatform(s.Platform.Value) // platforms reports one that is not valid
		return []config.Platform{p}
	}
	for _, source := range alias.Sources {
		if _, following := takes(image, source, tag); following {
			if v, _ := source.Newest.Version(tag); v.Platform != (config.Platform{}) {
				return []config.Platform{v.Platform}
			}
		}
	}
	all := image.Policies["platforms"].Platforms
	if len(all) == 0 {
		all, _ = offers(image, alias)
	}
	var of []config.Platform
	for _, p := range all {
		if s.Platform.Written == "" || p.OS == system {
			of = append(of, p)
		}
	}
	if len(of) == 0 {
		return []config.Platform{{}}
	}
	return of
}

// sourcesFor are the sources of an alias that may have its image for a platform.
func sourcesFor(alias config.Alias, p config.Platform) []config.Source {
	for _, is := range []func(config.Platform) bool{
		func(of config.Platform) bool { return of.Is(p) },
		func(of config.Platform) bool { return of.RunsOn(p) },
		func(of config.Platform) bool { return of == config.Platform{} },
	} {
		var sources []config.Source
		for _, s := range alias.Sources {
			if is(s.Platform) {
				sources = append(sources, s)
			}
		}
		if len(sources) > 0 {
			return sources
		}
	}
	return nil
}
