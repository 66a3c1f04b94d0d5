package reconcile

import (
	"errors"
	"slices"

	"tagline/config"
	"tagline/reconcile/registry"
)

// An image from which a source tag has moved away. Where the registry drops a
// manifest with its last tag, as zot does, each alias that still lists it is
// broken, also one that does not follow that tag. The move shows only in the
// aliases that follow it, so only where one of them is about to change, or is
// blocked, is anything asked: a run with nothing to do sends no request for it.

// checkDeserted asks whether such images are still there, for every alias that
// lists one. A push has been checked already, and so has everything if the run
// looks deep.
func (p *planner) checkDeserted(decisions []decision) {
	if p.deep {
		return
	}
	current := make([][]oldImage, len(decisions)) // of blocked aliases
	deserted := map[string]bool{}
	for i, alias := range p.image.Aliases {
		d := &decisions[i]
		switch {
		case alias.Absent:
		case d.push != nil:
			for _, c := range d.push.Platforms {
				if c.OldDigest != c.Digest && c.OldDigest != d.push.Old {
					deserted[c.OldDigest] = true
				}
			}
		case d.any() && !d.open:
			images, err := p.current(alias)
			d.wait(err)
			current[i] = images
			for _, o := range images {
				deserted[o.digest] = deserted[o.digest] || p.moved(o)
			}
		}
	}
	gone := func(digest string) (bool, error) {
		if !deserted[digest] {
			return false, nil
		}
		_, err := p.tag(p.home, digest)
		if errors.Is(err, registry.ErrNotFound) {
			return true, nil
		}
		return false, err
	}
	for i, alias := range p.image.Aliases {
		d := &decisions[i]
		lost := false
		ask := func(digest string) {
			is, err := gone(digest)
			d.fail(err)
			lost = lost || is
		}
		switch {
		case alias.Absent || d.push != nil:
		case current[i] != nil:
			for _, o := range current[i] {
				ask(o.digest)
			}
			if lost {
				p.checkBlocked(alias, d)
			}
		case !d.any() && !slices.ContainsFunc(alias.Sources, func(s config.Source) bool { return s.Alias }):
			for _, digest := range d.lists {
				ask(digest)
			}
			switch {
			case !lost || d.any():
			case d.leftAlone: // it is not what its sources would make it
				p.mend(alias, d, p.decide(alias).fromSources())
			default:
				p.mend(alias, d, p.compose(alias).content)
			}
		}
		if d.any() {
			*d = d.blocked()
		}
	}
}

// current returns what the index of an alias lists now.
func (p *planner) current(alias config.Alias) ([]oldImage, error) {
	now, err := p.tag(p.home, alias.Tag)
	if err != nil {
		return nil, err
	}
	if index, err := p.isIndex(p.home, now); err != nil || !index {
		return nil, err
	}
	return p.before(alias.Tag, now.Digest)
}

// moved reports whether the source that an image came from is known to be gone,
// or to name something else now.
func (p *planner) moved(o oldImage) bool {
	a, asked := p.manifests[place{p.home, o.source}]
	if !asked || a.Err != nil {
		return asked && errors.Is(a.Err, registry.ErrNotFound)
	}
	return a.Value.Digest != o.digest && !slices.Contains(holdingOf(a.Value).children, o.digest)
}

// knownOf is what the plan of the aliases knows of the repository, which is not
// all of it.
func (p *planner) knownOf(plan Plan, decisions []decision) known {
	k := newKnown(p.image.Pinned)
	for _, digest := range afterwards(p.resolved(), plan) {
		k.named[digest] = true
	}
	for i, alias := range p.image.Aliases {
		for _, digest := range decisions[i].lists {
			k.lists(aliasWord(alias.Tag), digest)
		}
	}
	return k
}
