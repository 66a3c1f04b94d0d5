package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/registry"
)

// sourcesOf returns where each image came from: what the registry tells, or else what
// the journal knows of the digest.
func sourcesOf(carried reconcile.Carried, h journal.History) []string {
	var all []string
	for _, image := range carried.Images {
		source := image.Source
		for i := len(h.States) - 1; i >= 0 && source == ""; i-- {
			for _, was := range h.States[i].Images {
				if was.Digest == image.Digest {
					source = was.Version()
				}
			}
		}
		all = append(all, clean(source))
	}
	return all
}

// mixed reports whether an alias has images of several versions. Tags that are no
// versions, as far as images.yaml tells, don't count.
func mixed(a config.Alias, sources []string) bool {
	var versions []config.Version
	for _, source := range sources {
		if v, is := version(a, source); is {
			versions = append(versions, v)
		}
	}
	return slices.ContainsFunc(versions, func(v config.Version) bool { return v.Compare(versions[0]) != 0 })
}

// version reads a source as a version, as a newest source of the alias does if it has one.
func version(a config.Alias, source string) (config.Version, bool) {
	tag := source[strings.LastIndexByte(source, ':')+1:]
	for _, s := range a.Sources {
		if s.Newest != nil {
			if v, err := s.Newest.Version(tag); err == nil {
				return v, true
			}
		}
	}
	v, err := config.ParseVersion(tag)
	return v, err == nil
}

// words says in a row what an alias is: one version, or one for each platform.
func words(carried reconcile.Carried, sources []string) string {
	var platforms, versions []string
	_, same := only(sources)
	for i, image := range carried.Images {
		version := sources[i]
		if version == "" && !same {
			version = registry.Short(image.Digest)
		}
		platforms, versions = append(platforms, clean(image.Platform)), append(versions, version)
	}
	return cmp.Or(inWords(platforms, versions), registry.Short(carried.Digest), "–")
}

// next says what a push makes of an alias.
func next(push reconcile.Push) string {
	var platforms, versions []string
	for _, c := range push.Platforms {
		if c.Digest != "" {
			platforms, versions = append(platforms, c.Platform), append(versions, c.Version())
		}
	}
	return cmp.Or(inWords(platforms, versions), registry.Short(push.New))
}

// inWords lists the versions of some platforms. One that all have stands alone.
func inWords(platforms, versions []string) string {
	if one, same := only(versions); same {
		return one
	}
	var parts []string
	for i, platform := range platforms {
		parts = append(parts, strings.TrimPrefix(platform, "linux/")+" "+versions[i])
	}
	return strings.Join(parts, ", ")
}

// only returns the one text that all are.
func only(texts []string) (string, bool) {
	for _, text := range texts {
		if text != texts[0] {
			return "", false
		}
	}
	if len(texts) == 0 {
		return "", true
	}
	return texts[0], true
}
