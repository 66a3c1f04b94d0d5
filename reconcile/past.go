package reconcile

import (
	"errors"
	"maps"
	"slices"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What an alias has now.

// oldImage is an image that an alias has now.
type oldImage struct {
	platform   config.Platform
	target     string // see leaf.target
	digest     string
	source     string         // by the mark of an index that was made for this very tag
	mark       string         // by the mark of any index
	version    config.Version // see carried; zero if it is not known
	float      bool           // version is that of a tag that moves
	attests    int            // attestation manifests that travel with it
	companions int            // companions that travel with it
}

// had returns a manifest of the image's repository, and what it lists.
func (v *view) had(digest string) (m *registry.Manifest, leaves []leaf, err error) {
	if m, err = v.manifest(v.home, digest); err == nil {
		leaves, err = v.leaves(v.home, m, descriptorOf(m), 0)
	}
	return m, leaves, err
}

// before returns what an alias has now. Its marks count if the index was made
// for this very tag. An alias that can't be looked into any more is replaced all
// the same, so the only error is errUnknown.
func (v *view) before(tag, digest string) ([]oldImage, error) {
	m, leaves, err := v.had(digest)
	if errors.Is(err, errUnknown) {
		return nil, err
	}
	var images []oldImage
	attests, companions := belongings(leaves, policies.Attestation), belongings(leaves, policies.Companion)
	for _, l := range leaves {
		if l.Kind == policies.Image {
			old := oldImage{
				platform: l.Platform, target: l.target(), digest: l.Digest, mark: l.descriptor.Annotations[AnnotationSource],
				attests: attests[l.Digest], companions: companions[l.Digest],
			}
			if m.Annotations[AnnotationAlias] == tag {
				old.source = old.mark
			}
			images = append(images, old)
		}
	}
	return images, nil
}

// maxSearched bounds how many version tags are searched for the images of an
// alias that has no mark. It is a request each, as long as that alias is blocked.
const maxSearched = 256

// carried tells which version each image of an alias is: by the mark that tagline
// left on whatever index it is, by what a run remembers of a whole version, or else by
// the highest version tag that has the same image. A version stays zero if none of them
// says. What can't be looked into is one image without a platform. There is none if the
// alias can't be pulled.
func (f *finder) carried(alias config.Alias, now registry.Descriptor) ([]oldImage, error) {
	unknown := []oldImage{{digest: now.Digest}}
	if now.MediaType != "" && !registry.KnownType(now.MediaType) {
		return unknown, nil
	}
	switch _, err := f.manifest(f.home, now.Digest); {
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, registry.ErrArchived):
		return nil, nil
	case err != nil: // it may be a higher version
		return nil, err
	}
	images, err := f.before("", now.Digest)
	if err != nil {
		return nil, err
	}
	if len(images) == 0 {
		if !alias.OneVersion() {
			return unknown, nil
		}
		images = unknown // a version tag may name the same manifest
	}
	for i, o := range images {
		images[i].version = versionOf(alias, o.mark)
	}
	if tag := f.noted.Versions[now.Digest]; tag != "" && alias.OneVersion() {
		for i, o := range images {
			if o.version.Tag == "" {
				images[i].version = versionOf(alias, tag)
			}
		}
	}
	undated := func() bool { return slices.ContainsFunc(images, func(o oldImage) bool { return o.version.Tag == "" }) }
	if !undated() {
		return images, nil
	}
	tags, err := f.dated(alias)
	if err != nil {
		return nil, err
	}
	searched := tags[:min(maxSearched, len(tags))]
	for n := maxExamined; len(searched) > 0 && undated(); n *= 2 {
		some := searched[:min(n, len(searched))]
		searched = searched[len(some):]
		if err := f.date(images, some); err != nil {
			return nil, err
		}
	}
	for i, o := range images {
		images[i].float = o.version.Tag != o.mark && slices.ContainsFunc(tags, func(t listed) bool {
			return o.version.Variant == t.version.Variant && o.version.Covers(t.version)
		})
	}
	return images, nil
}

// maxDated bounds how many manifests a run remembers the versions of. If there are more,
// it keeps those that it has seen itself, and no others.
const maxDated = 1000

// note notes for later runs what a plan found out. A whole version has no mark, and
// its tag may be pushed again with another image.
func (v *view) note(r registry.Record) {
	for digest, since := range v.waits {
		switch {
		case !since.IsZero():
			r.Waiting[digest] = since
		case r.Waiting[digest].Equal(v.noted.Waiting[digest]): // no run has noted it anew
			delete(r.Waiting, digest)
		}
	}
	maps.Copy(r.Versions, v.dates)
	if len(r.Versions) > maxDated {
		maps.DeleteFunc(r.Versions, func(digest, _ string) bool { return v.dates[digest] == "" })
	}
}

// versionOf reads a tag as a newest source of an alias does, or as any other.
func versionOf(alias config.Alias, tag string) config.Version {
	for _, s := range alias.Sources {
		if s.Newest != nil {
			if v, err := s.Newest.Version(tag); err == nil {
				return v
			}
		}
	}
	v, _ := config.ParseVersion(tag)
	return v
}

// dated returns the tags that are versions, or are versions to a source of the
// alias, from the newest down.
func (f *finder) dated(alias config.Alias) ([]listed, error) {
	tags, err := f.versions()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range tags {
		if _, managed := f.aliases[t.tag]; !managed {
			names = append(names, t.tag)
		}
	}
	all := parseTags(names, func(tag string) (config.Version, error) {
		if v := versionOf(alias, tag); v.Tag != "" {
			return v, nil
		}
		return config.Version{}, errNoVersion
	})
	return slices.DeleteFunc(all, func(t listed) bool { return t.err != nil }), nil
}

var errNoVersion = errors.New("not a version")

// date notes which of the version tags has each image whose version is not known
// yet. A tag that can't be read may have it, too.
func (f *finder) date(images []oldImage, tags []listed) error {
	var unread problems
	for _, t := range tags {
		c, ps := f.offer(config.Alias{}, config.Source{Repository: f.home, Tag: t.tag, Text: t.tag})
		unread.join(ps)
		for i, o := range images {
			if o.version.Tag == "" && (c.Digest == o.digest || slices.ContainsFunc(c.leaves, func(l leaf) bool { return l.Digest == o.digest })) {
				images[i].version = t.version
			}
		}
	}
	if unread.open {
		return errUnknown
	}
	return errors.Join(unread.failures...)
}

// highest returns the image of a platform that must not be replaced by a lower
// version, nil if the alias has none. It may have several; one whose version is not
// known comes first. Of the zero platform it is what the alias is as a whole.
func highest(images []oldImage, of config.Platform) (past *policies.Past) {
	for _, o := range images {
		if o.platform != (config.Platform{}) && of != (config.Platform{}) && !o.platform.WithoutRevision().Overlaps(of.WithoutRevision()) {
			continue
		}
		if o.version.Tag == "" {
			return &policies.Past{Digest: o.digest}
		}
		if past == nil || o.version.Compare(*past.Version) > 0 {
			past = &policies.Past{Digest: o.digest, Version: &o.version, Float: o.float}
		}
	}
	return past
}
