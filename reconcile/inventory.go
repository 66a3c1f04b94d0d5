package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tagline/reconcile/registry"
)

// stock is all that the image's repository holds, nil where the registry lists
// tags alone.
func (p *planner) stock() (*stock, error) {
	all, err := ask(p.state.inventories, p.open.inventories, p.image.Repository)
	switch {
	case errors.Is(err, registry.ErrUnsupported):
		return nil, nil
	case errors.Is(err, registry.ErrNotFound):
		return &all, nil // of no manifests
	case err != nil:
		return nil, err
	}
	return &all, nil
}

// names are all tags of the image's repository.
func (p *planner) names() ([]string, error) {
	all, err := p.stock()
	if err != nil {
		return nil, err
	}
	var names []string
	if all != nil {
		for _, m := range all.Manifests {
			names = append(names, m.Tags...)
		}
		return names, nil
	}
	tags, err := ask(p.state.lists, p.open.lists, p.image.Repository)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	for _, t := range tags {
		names = append(names, t.tag)
	}
	return names, nil
}

// named is what a tag of the repository names, nil if nobody can look into it.
func (p *planner) named(tag string) (*registry.Manifest, error) {
	all, err := p.stock()
	if err != nil {
		return nil, err
	}
	if all == nil {
		return p.manifest(p.image.Repository, tag)
	}
	for _, stored := range all.Manifests {
		if slices.Contains(stored.Tags, tag) {
			return p.stored(stored)
		}
	}
	return nil, fmt.Errorf("tag %q: %w", tag, registry.ErrNotFound) // the names come from the same list
}

// fallbackTags are the tags that stand for the referrers of a digest, by that.
func (p *planner) fallbackTags() (map[string][]string, error) {
	if p.fallbacks != nil {
		return p.fallbacks, nil
	}
	names, err := p.names()
	if err != nil {
		return nil, err
	}
	p.fallbacks = map[string][]string{}
	for _, tag := range names {
		if subject := registry.FallbackSubject(tag); subject != "" {
			p.fallbacks[subject] = append(p.fallbacks[subject], tag)
		}
	}
	return p.fallbacks, nil
}

// referrers are the manifests whose subject is the digest.
func (p *planner) referrers(digest string) ([]registry.Descriptor, error) {
	all, err := p.stock()
	if err != nil {
		return nil, err
	}
	if all == nil {
		return ask(p.state.referrers, p.open.referrers, place{p.image.Repository, digest})
	}
	if p.subjects == nil {
		subjects := map[string][]registry.Descriptor{}
		var errs []error
		for _, stored := range all.Manifests {
			m, err := p.stored(stored)
			errs = append(errs, err)
			if m != nil && m.Subject != nil {
				subject := m.Subject.Digest.String()
				subjects[subject] = append(subjects[subject], stored.Descriptor)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		p.subjects = subjects
	}
	return p.subjects[digest], nil
}

// stored is the manifest of an inventory's line. It is nil where nobody can look
// into it: what is archived, and Docker schema 1, which lists no manifests and
// refers to none.
func (p *planner) stored(s registry.StoredManifest) (*registry.Manifest, error) {
	if s.Archived || strings.HasPrefix(s.MediaType, "application/vnd.docker.distribution.manifest.v1+") {
		return nil, nil
	}
	return p.manifest(p.image.Repository, s.Digest)
}
