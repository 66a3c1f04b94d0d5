package reconcile

import (
	"errors"
	"maps"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// shortcut learns the platforms of plain images from the index of the alias that
// lists them, instead of from their config blobs.
//
// An alias of n plain images needs n platforms. Their configs cost n requests;
// the alias's own index, composed by an earlier run, has all of them in one. For
// 200 aliases of two platforms in a run without a cache that is 4 requests an
// alias instead of 5 (BENCHMARKS.md). Content is addressed by digest, so what an
// earlier run found in a config still holds.
//
// But anyone can push an index with our annotation. So a claim of an index
// counts only if the alias turns out to be in sync: the bytes composed from the
// claims are then the very index. Otherwise the alias is doubted, and the
// configs are read. Claims that counted are remembered in the cache.
type shortcut struct {
	scope
	saves     map[place]map[place]bool             // by index of an alias: the configs that reading it would save
	claims    map[string]map[place]config.Platform // by alias tag: what its index says of configs
	doubted   map[string]bool                      // aliases whose claims do not count
	confirmed map[place]config.Platform            // by config: claims of aliases that are in sync
}

func newShortcut(s scope) *shortcut {
	return &shortcut{
		scope: s, saves: map[place]map[place]bool{}, claims: map[string]map[place]config.Platform{},
		doubted: map[string]bool{}, confirmed: map[place]config.Platform{},
	}
}

// image returns a plain image as the alias's own index lists it. It is nil if
// its config has to tell the platform, or has told it already.
func (s *shortcut) image(alias config.Alias, blob place, d ocispec.Descriptor) (*leaf, error) {
	if _, read := s.platforms[blob]; read || s.doubted[alias.Tag] || alias.Tag == "" {
		return nil, nil
	}
	index, ok, err := s.index(alias)
	if !ok || err != nil {
		return nil, err
	}
	if _, read := s.manifests[index]; !read { // weigh decides which of the two to read
		if s.saves[index] == nil {
			s.saves[index] = map[place]bool{}
		}
		s.saves[index][blob] = true
		return nil, errUnknown
	}
	l, err := s.unread(alias, d)
	if l != nil && !told(alias, l.Platform) {
		s.claims[alias.Tag][blob] = l.Platform
	}
	return l, err
}

// told reports whether the variant or the OS version of a platform may be the
// author's word, and not the config's: see declared. It is nothing to remember
// of the config.
func told(alias config.Alias, platform config.Platform) bool {
	return slices.ContainsFunc(alias.Sources, func(s config.Source) bool {
		author := s.Platform
		return author.Overlaps(platform) && (author.Variant != "" && author.Variant == platform.Variant ||
			author.OSVersion != "" && author.OSVersion == platform.OSVersion)
	})
}

// unread is image for a manifest that has not been read, so that its config is
// not known either.
func (s *shortcut) unread(alias config.Alias, image ocispec.Descriptor) (*leaf, error) {
	if s.doubted[alias.Tag] || alias.Tag == "" {
		return nil, nil
	}
	own, err := s.listed(alias)
	if err != nil {
		return nil, err
	}
	for _, d := range own {
		entry, _ := leafOf(d)
		sameType := d.MediaType == image.MediaType || image.MediaType == "" && !registry.IsIndex(d.MediaType)
		if d.Digest != image.Digest || !sameType || entry.Kind != policies.Image {
			continue
		}
		image.MediaType = d.MediaType
		if image.Size == 0 {
			image.Size, image.ArtifactType = d.Size, d.ArtifactType
		}
		l := newLeaf(image)
		l.setPlatform(entry.Platform)
		if s.claims[alias.Tag] == nil {
			s.claims[alias.Tag] = map[place]config.Platform{}
		}
		return &l, nil
	}
	return nil, nil
}

// listed returns what the alias's index lists now, if it was made for this
// alias. One that can't be read claims nothing, so the only error is errUnknown.
func (s *shortcut) listed(alias config.Alias) ([]ocispec.Descriptor, error) {
	at, ok, err := s.index(alias)
	if !ok || err != nil {
		return nil, err
	}
	m, err := s.manifest(at.repository, at.reference)
	switch {
	case errors.Is(err, errUnknown):
		return nil, err
	case err == nil && m.Annotations[AnnotationAlias] == alias.Tag:
		return m.Children, nil
	}
	return nil, nil
}

// index returns the index that an alias names now, if it names one.
func (s *shortcut) index(alias config.Alias) (at place, ok bool, err error) {
	old, err := s.tag(s.home, alias.Tag)
	if err == nil {
		ok, err = s.isIndex(s.home, old)
	}
	if !errors.Is(err, errUnknown) { // an alias that can't be read claims nothing
		err = nil
	}
	return place{s.home, old.Digest}, ok, err
}

// claimed reports whether an alias was composed from what its own index claims.
func (s *shortcut) claimed(alias config.Alias) bool { return s.claims[alias.Tag] != nil }

// judge accepts the claims of an alias that is in sync, and doubts those of any
// other: then the alias has to be composed again.
func (s *shortcut) judge(alias config.Alias, inSync bool) {
	if inSync {
		maps.Copy(s.confirmed, s.claims[alias.Tag])
	} else {
		s.doubted[alias.Tag] = true
	}
}

// weigh decides what to read where either an alias's index or configs would do:
// the index, if it saves more than one config that nothing else needs.
func (s *shortcut) weigh() {
	users := map[place]int{}
	for config := range s.open.configs {
		users[config]++
	}
	for _, configs := range s.saves {
		for config := range configs {
			users[config]++
		}
	}
	for index, configs := range s.saves {
		saved := 0
		for config := range configs {
			if users[config] == 1 {
				saved++
			}
		}
		if saved > 1 {
			s.open.manifests[index] = true
		} else {
			maps.Copy(s.open.configs, configs)
		}
	}
}

// remember saves the next run the questions that confirmed claims answer.
func (s *shortcut) remember(readers registry.Readers) {
	platforms := map[config.Repository]map[string]config.Platform{}
	for of, platform := range s.confirmed {
		if platforms[of.repository] == nil {
			platforms[of.repository] = map[string]config.Platform{}
		}
		platforms[of.repository][of.reference] = platform
	}
	for repository, of := range platforms {
		readers.Reader(repository).Memory().Remember(of)
	}
}
