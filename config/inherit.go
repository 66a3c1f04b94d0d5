package config

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"tagline/config/findings"
)

// maxSharedAliases is how many aliases profiles may give to the images of one file: a
// few lines can stand for very many.
const maxSharedAliases = 250_000

// body puts profiles together: the later override the earlier ones, and a profile
// overrides those that it uses, alias by alias and policy by policy.
func (w *walk) body(uses []*profile) body {
	names := make([]string, len(uses))
	for i, p := range uses {
		names[i] = p.name
	}
	key := strings.Join(names, " ")
	if b, ok := w.bodies[key]; ok {
		return b
	}
	b := body{policies: Settings{}, all: w.base}
	aliases := map[string]Alias{}
	put := func(policies Settings, of []Alias) {
		if !w.share(len(of)) {
			return
		}
		maps.Copy(b.policies, policies)
		for _, alias := range of {
			aliases[alias.Tag] = alias
		}
	}
	for _, p := range uses {
		below := w.body(p.uses)
		put(below.policies, below.aliases)
		put(p.policies, p.aliases)
	}
	if len(b.policies) > 0 {
		b.all = maps.Clone(w.base)
		maps.Copy(b.all, b.policies)
	}
	b.aliases = slices.SortedFunc(maps.Values(aliases), func(a, b Alias) int { return CompareTags(a.Tag, b.Tag) })
	if w.bodies == nil {
		w.bodies = map[string]body{}
	}
	w.bodies[key] = b
	return b
}

// share counts the aliases that a file has from profiles. It reports, once,
// that there are too many.
func (w *walk) share(count int) bool {
	before := w.shared
	if w.shared += count; w.shared <= maxSharedAliases {
		return true
	}
	if before <= maxSharedAliases {
		w.reportFile(findings.TooLarge, "profiles give the images of the file more than %d aliases; divide the images among several files", maxSharedAliases)
	}
	return false
}

// inherit adds to an image the aliases of its profiles that it does not have
// itself.
func (w *walk) inherit(image *Image, from body) {
	if !w.share(len(from.aliases)) {
		return
	}
	own := make(map[string]bool, len(image.Aliases))
	for _, alias := range image.Aliases {
		own[alias.Tag] = true
	}
	image.Aliases = slices.Grow(image.Aliases, len(from.aliases))
	for _, alias := range from.aliases {
		if own[alias.Tag] {
			continue
		}
		alias.Sources = slices.Clone(alias.Sources)
		for i := range alias.Sources {
			w.complete(&alias.Sources[i], alias, *image)
		}
		image.Aliases = append(image.Aliases, alias)
	}
}

// complete gives a source its repository, where that depends on the image.
func (w *walk) complete(s *Source, of Alias, image Image) {
	own := image.Repository
	var err error
	switch {
	case s.Repository == nowhere:
		s.Repository = own
	case s.Repository.Host == nowhere.Host:
		s.Repository, err = ParseRepository(s.Repository.Path, own.Host)
	case isFrom(*s):
		err = s.completeFrom(of.Tag, own)
	}
	if err != nil && own.Host != unreadHost {
		id := findings.InvalidSource
		if errors.Is(err, errItself) {
			id = findings.AliasCycle
		}
		w.reportSource(image, of, *s, id, "%v", err)
	}
}

// ProfileAt returns the profile that has an alias, a source or a policy of the
// image at a place. It is "" if that place is the image's own, or the file's.
func (i Image) ProfileAt(pos Pos) string {
	for _, alias := range i.Aliases {
		if alias.Profile == "" {
			continue
		}
		if alias.Pos == pos || slices.ContainsFunc(alias.Sources, func(s Source) bool { return s.Pos == pos }) {
			return alias.Profile
		}
	}
	for _, s := range i.Policies {
		if s.Profile != "" && s.Pos == pos {
			return s.Profile
		}
	}
	return ""
}
