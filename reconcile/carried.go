package reconcile

import (
	"context"
	"errors"
	"slices"

	"tagline/config"
	"tagline/reconcile/registry"
)

// carried reads what the aliases of an image name, with one more question for each
// that the plan did not have to look into. Where an image came from is what
// tagline's mark says. Without one, it is what images.yaml says of an alias that has
// the images it should have.
func (s *State) carried(ctx context.Context, readers registry.Readers, image config.Image, plan Plan) []Carried {
	all := make([]Carried, len(image.Aliases))
	s.settle(ctx, readers, image.Repository, func(v *view) {
		for i, alias := range image.Aliases {
			all[i] = v.carries(alias.Tag)
		}
	})
	c := carrying{byTag(image), all, plan}
	for i := range all {
		for k := range all[i].Images {
			all[i].Images[k].Source = c.source(all[i], all[i].Images[k], 0)
		}
	}
	return all
}

func (v *view) carries(tag string) Carried {
	now, err := v.tag(v.home, tag)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return Carried{Tag: tag}
	case err != nil:
		return Carried{Tag: tag, Err: err}
	}
	c := Carried{Tag: tag, Digest: now.Digest}
	_, err = v.manifest(v.home, now.Digest)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return Carried{Tag: tag, Err: err}
	}
	images, _ := v.before("", now.Digest) // an error is that of an open question
	for _, o := range images {
		c.Images = append(c.Images, CarriedImage{Platform: o.target, Source: o.mark, Digest: o.digest})
	}
	if len(images) == 0 && err == nil { // an artifact
		c.Images = []CarriedImage{{Digest: now.Digest}}
	}
	return c
}

// carrying finds where images came from.
type carrying struct {
	aliases map[string]config.Alias
	all     []Carried
	plan    Plan
}

// source returns where an image came from. depth counts the aliases before this one.
func (c carrying) source(of Carried, image CarriedImage, depth int) string {
	settled := slices.Contains(c.plan.InSync, of.Tag) || slices.Contains(c.plan.LeftAlone, of.Tag)
	if image.Source != "" || !settled || depth > len(c.all) {
		return image.Source
	}
	for _, s := range c.aliases[of.Tag].Sources {
		if s.Platform != (config.Platform{}) && !serves(image.Platform, s.Platform) {
			continue
		}
		switch {
		case s.Newest != nil && s.Newest.Whole:
			return c.chosen(of.Tag, "")
		case s.Newest != nil:
			return c.chosen(of.Tag, image.Platform)
		case !s.Alias:
			return s.Text
		}
		for _, other := range c.all {
			for _, same := range other.Images {
				if other.Tag == s.Tag && same.Digest == image.Digest {
					return c.source(other, same, depth+1)
				}
			}
		}
	}
	return ""
}

func serves(platform string, wanted config.Platform) bool {
	p, err := config.ParsePlatform(platform)
	return err == nil && p.Is(wanted)
}

// chosen returns the tag that a newest source took for a platform, or without one the
// tag of a whole alias.
func (c carrying) chosen(alias, platform string) string {
	for _, choice := range c.plan.Choices {
		for _, candidate := range choice.Candidates {
			if choice.Alias == alias && candidate.Chosen() && (platform == "" || candidate.Platform == platform) {
				return candidate.Tag
			}
		}
	}
	return ""
}
