package reconcile

import (
	"errors"
	"slices"

	"tagline/config"
	"tagline/policies"
)

// What an alias has now.

// oldImage is an image that an alias has now.
type oldImage struct {
	platform config.Platform
	digest   string
	source   string // by the mark of an index that was made for this very tag
	mark     string // by the mark of any index
	attests  int    // attestation manifests that travel with it
}

// before returns what an alias has now. Its marks count if the index was made
// for this very tag. An alias that can't be looked into any more is replaced all
// the same, so the only error is errUnknown.
func (v *view) before(tag, digest string) ([]oldImage, error) {
	var leaves []leaf
	m, err := v.manifest(v.home, digest)
	if err == nil {
		leaves, err = v.leaves(v.home, m, descriptorOf(m), 0)
	}
	if errors.Is(err, errUnknown) {
		return nil, err
	}
	var images []oldImage
	attests := attestations(leaves)
	for _, l := range leaves {
		if l.Kind == policies.Image {
			old := oldImage{platform: l.Platform, digest: l.Digest, mark: l.descriptor.Annotations[AnnotationSource], attests: attests[l.Digest]}
			if m.Annotations[AnnotationAlias] == tag {
				old.source = old.mark
			}
			images = append(images, old)
		}
	}
	return images, nil
}

// carried tells which version tag each image of an alias came from: by the mark
// that tagline left on whatever index it is, or by a tag that has the same image.
// A source stays "" if neither says.
func (f *finder) carried(digest string) ([]oldImage, error) {
	images, err := f.before("", digest)
	if err != nil {
		return nil, err
	}
	searched := false
	for i, o := range images {
		if _, err := config.ParseVersion(o.mark); err == nil {
			images[i].source = o.mark
		} else {
			searched = true
		}
	}
	if !searched {
		return images, nil
	}
	tags, err := f.versions()
	if err != nil {
		return nil, err
	}
	open := false
	for _, t := range tags[:min(maxExamined, len(tags))] {
		if _, managed := f.aliases[t.tag]; managed || t.err != nil {
			continue
		}
		c, ps := f.offer(config.Alias{}, config.Source{Repository: f.home, Tag: t.tag, Text: t.tag})
		open = open || ps.open
		for i, o := range images {
			if o.source == "" && slices.ContainsFunc(c.leaves, func(l leaf) bool { return l.Digest == o.digest }) {
				images[i].source = t.tag
			}
		}
	}
	if open {
		return nil, errUnknown
	}
	return images, nil
}
