package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// ObserveDeep is [Observe], and asks of everything that an alias lists whether it
// is still there, where [Observe] asks it of what a push will list alone. That
// costs a question for each, which no cache answers: a digest can't change, but
// it can be deleted.
//
// An index whose images are gone can't be told from a whole one otherwise: its
// tag names what it should.
func ObserveDeep(ctx context.Context, readers registry.Readers, image config.Image) *State {
	state := newState()
	state.deep = true
	state.settle(ctx, readers, image, func(p *planner) { p.plan() })
	return state
}

// Deletes tells whether images.yaml has tagline delete from the image's
// repository. There a deep look is worth its price.
func Deletes(image config.Image) bool {
	value := func(p policies.Policy) string { return image.Policies[p.Name].Value }
	return value(policies.Prune) == "true" || value(policies.Untagged) == "delete" || value(policies.Provenance) == "purge" ||
		slices.ContainsFunc(image.Aliases, func(a config.Alias) bool { return a.Absent })
}

// deepen looks into what an alias will be, and where everything is asked into
// what it is. What it lists and its
// repository lacks is copied again where it came from another one; else it is a
// violation, and no tag is pushed that would lead to it.
func (p *planner) deepen(alias config.Alias, v *verdict) {
	at := p.image.Repository
	switch {
	case alias.Absent:
	case len(v.errs) > 0: // it stays what it is
		old, err := p.tag(at, alias.Tag)
		if err != nil || !registry.IsIndex(old.MediaType) {
			v.unless(errUnknown, err)
			return
		}
		m, err := p.manifest(at, old.Digest)
		if err != nil {
			v.unless(errUnknown, err)
			return
		}
		gone, err := p.gone(m, func(string) config.Repository { return at }, 0)
		v.unless(nil, err)
		if len(gone) > 0 {
			v.errs = append(v.errs, violation(alias, alias.Pos, "missing-child",
				"alias %q lists %s, which is not in %s any more, so a pull of it fails", alias.Tag, listing(gone), at))
		}
	case v.push == nil && len(v.content.follows) > 0: // the other alias is looked into
	case !registry.IsIndex(v.content.MediaType):
	case v.push != nil:
		for _, tag := range v.content.follows {
			if followed := p.verdict(p.aliases[tag]); followed.push != nil { // it is looked into
				for _, l := range followed.content.leaves {
					p.known[place{at, l.Digest}] = true
				}
			}
		}
		gone, err := p.lacks(v.content, v.content.home)
		v.unless(nil, err)
		if len(gone) > 0 {
			v.push = nil
			v.errs = append(v.errs, violation(alias, alias.Pos, "missing-child",
				"it would list %s, which its source lists but which is not there; push the source again", listing(gone)))
		}
	default:
		p.mend(alias, v)
	}
}

// mend copies again what an alias that is in sync has lost.
func (p *planner) mend(alias config.Alias, v *verdict) {
	at, c := p.image.Repository, v.content
	gone, err := p.lacks(c, func(string) config.Repository { return at })
	v.unless(nil, err)
	if len(gone) == 0 {
		return
	}
	push := &Push{Tag: alias.Tag, Old: c.Digest, New: c.Digest, MediaType: c.MediaType}
	var lost []ocispec.Descriptor
	for _, d := range gone {
		from := c.home(d.Digest.String())
		_, err := p.tag(from, d.Digest.String())
		switch {
		case from == at || errors.Is(err, registry.ErrNotFound):
			lost = append(lost, d)
		case err != nil:
			v.errs = append(v.errs, err)
		default:
			push.Copies = append(push.Copies, Copy{From: from, Digest: d.Digest.String()})
		}
	}
	switch m, err := p.bytes(c); {
	case len(lost) > 0:
		v.errs = append(v.errs, violation(alias, alias.Pos, "missing-child",
			"alias %q lists %s, which is not in %s any more, so a pull of it fails; push its source again", alias.Tag, listing(lost), at))
	case err != nil:
		v.errs = append(v.errs, err)
	case len(v.errs) == 0:
		push.Manifest = m.Body
		before, err := p.before(alias.Tag, c.Digest)
		v.unless(nil, err)
		push.Platforms = changes(before, c.leaves)
		v.push = push
		w := violation(alias, alias.Pos, "missing-child", "alias %q lists %s, which is not in %s any more; it is copied again", alias.Tag, listing(gone), at)
		w.Warning = true
		v.warnings = append(v.warnings, w)
	}
}

// unless notes an error; only, if there is one, is the kind that counts.
func (v *verdict) unless(only, err error) {
	if err != nil && (only == nil || errors.Is(err, only)) {
		v.errs = append(v.errs, err)
	}
}

// home is the repository that has what a content lists, by its digest.
func (c content) home(digest string) config.Repository {
	for _, l := range c.leaves {
		if l.Digest == digest {
			return l.repository
		}
	}
	return c.repository
}

// bytes is the manifest of a content.
func (p *planner) bytes(c content) (*registry.Manifest, error) {
	if c.Body == nil {
		return p.manifest(c.repository, c.Digest)
	}
	return registry.ParseManifest(c.RawManifest)
}

// lacks is what a content lists, and is not where it should be.
func (p *planner) lacks(c content, where func(digest string) config.Repository) ([]ocispec.Descriptor, error) {
	m, err := p.bytes(c)
	if err != nil {
		return nil, err
	}
	return p.gone(m, where, 0)
}

// gone is what an index lists, however deep, and nobody can pull.
func (p *planner) gone(index *registry.Manifest, where func(digest string) config.Repository, depth int) ([]ocispec.Descriptor, error) {
	var missing []ocispec.Descriptor
	var errs []error
	for _, d := range index.Children {
		at, of := where(d.Digest.String()), d.Digest.String()
		if p.known[place{at, of}] {
			continue
		}
		switch now, err := p.tag(at, of); {
		case errors.Is(err, registry.ErrNotFound) || err == nil && now.Archived:
			missing = append(missing, d)
		case err != nil:
			errs = append(errs, err)
		case now.Digest != of:
			errs = append(errs, fmt.Errorf("%s@%s: answered as %s", at, of, now.Digest))
		case registry.IsIndex(d.MediaType) && depth < maxNesting:
			below, err := p.manifest(at, of)
			if err == nil {
				var more []ocispec.Descriptor
				more, err = p.gone(below, where, depth+1)
				missing = append(missing, more...)
			}
			errs = append(errs, err)
		}
	}
	return missing, errors.Join(errs...)
}

// listing names what an index lists.
func listing(all []ocispec.Descriptor) string {
	var names []string
	for _, d := range all {
		names = append(names, described(d))
	}
	return few(names)
}

func described(d ocispec.Descriptor) string {
	switch platform := registry.PlatformOf(d.Platform); {
	case registry.MarksAttestation(d):
		return "attestation " + short(d.Digest)
	case platform != (config.Platform{}):
		return fmt.Sprintf("%s (%s)", short(d.Digest), platform)
	}
	return short(d.Digest)
}

// short is a digest that is long enough to be found.
func short(d digest.Digest) string {
	algorithm, hex, _ := strings.Cut(d.String(), ":")
	return algorithm + ":" + hex[:min(12, len(hex))] + "…"
}
