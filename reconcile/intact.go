package reconcile

import (
	"errors"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// Whether what an alias lists still exists. An index whose images are gone can't
// be told from an intact one otherwise: its tag names what it should.

// Deletes reports whether images.yaml has tagline delete from the image's
// repository. There a deep look is worth its price.
func Deletes(image config.Image) bool {
	rules := policies.Of(image.Policies)
	return policies.Prune.Of(rules) || policies.Untagged.Of(rules) || policies.Provenance.Of(rules) == policies.Purge ||
		slices.ContainsFunc(image.Aliases, func(a config.Alias) bool { return a.Absent })
}

// checkPush refuses to push an alias that would list something missing.
func (s scope) checkPush(alias config.Alias, v *verdict) {
	gone, err := s.missingOf(v.content, v.content.home)
	v.fail(err)
	gone = s.putBack(alias, &v.decision, gone, v.content.home)
	if len(gone) > 0 {
		v.push = nil
		v.forbid(violation(alias, alias.Pos, findings.MissingChild,
			"it would list %s, which its source lists but which is not there; push the source again", listing(gone)))
	}
}

// checkBlocked looks at an alias that stays as it is because something forbids
// or prevents its change.
func (s scope) checkBlocked(alias config.Alias, d *decision) {
	old, err := s.tag(s.home, alias.Tag)
	index := false
	if err == nil {
		index, err = s.isIndex(s.home, old)
	}
	if err != nil || !index {
		d.wait(err)
		return
	}
	m, err := s.manifest(s.home, old.Digest)
	if err != nil {
		d.wait(err)
		return
	}
	gone, err := s.missing(m, func(string) config.Repository { return s.home }, 0)
	d.fail(err)
	gone = s.putBack(alias, d, gone, func(string) config.Repository { return s.home })
	if len(gone) > 0 {
		d.forbid(violation(alias, alias.Pos, findings.MissingChild,
			"alias %q lists %s, which is not in %s any more, so a pull of it fails", alias.Tag, listing(gone), s.home))
	}
}

// putBack has what is missing from the repository put back, as far as its bytes
// are known, and returns the rest.
func (s scope) putBack(alias config.Alias, d *decision, gone []ocispec.Descriptor, where func(digest string) config.Repository) (rest []ocispec.Descriptor) {
	var here []ocispec.Descriptor
	for _, child := range gone {
		if where(child.Digest.String()) == s.home {
			here = append(here, child)
		} else {
			rest = append(rest, child)
		}
	}
	regained, lost, err := s.regain(here, listedBy(aliasWord(alias.Tag)))
	d.fail(err)
	d.regained = append(d.regained, regained...)
	if len(regained) > 0 {
		var names []string
		for _, k := range regained {
			names = append(names, registry.Short(k.Digest))
		}
		d.warnings = append(d.warnings, warning(alias, alias.Pos, findings.MissingChild,
			"alias %q lists %s, which is not in %s any more; it is put back from the cache", alias.Tag, few(names), s.home))
	}
	return append(rest, lost...)
}

// mend restores what an alias in sync has lost: it is copied again if it came
// from another repository that still has it, or put back if its bytes are known.
// Otherwise it is a violation, and lost is what the alias lists and can't be pulled.
func (s scope) mend(alias config.Alias, d *decision, c content) (lost []ocispec.Descriptor) {
	gone, err := s.missingOf(c, func(string) config.Repository { return s.home })
	d.fail(err)
	gone = s.putBack(alias, d, gone, c.home)
	if len(gone) == 0 {
		return nil
	}
	push := &Push{Tag: alias.Tag, Old: c.Digest, New: c.Digest, MediaType: c.MediaType}
	for _, child := range gone {
		from := c.home(child.Digest.String())
		_, err := s.tag(from, child.Digest.String())
		switch {
		case from == s.home || errors.Is(err, registry.ErrNotFound):
			lost = append(lost, child)
		case err != nil:
			d.fail(err)
		default:
			push.Copies = append(push.Copies, Copy{From: from, Digest: child.Digest.String()})
		}
	}
	switch m, err := s.body(c); {
	case len(lost) > 0:
		d.forbid(violation(alias, alias.Pos, findings.MissingChild,
			"alias %q lists %s, which is not in %s any more, so a pull of it fails; push its source again", alias.Tag, listing(lost), s.home))
	case err != nil:
		d.fail(err)
	case !d.any():
		push.Manifest = m.Body
		before, err := s.before(alias.Tag, c.Digest)
		d.fail(err)
		push.Platforms = changes(before, c.leaves)
		var warnings []*config.Finding
		push.Referrers, warnings = s.along(alias, push.Copies, m)
		d.push = push
		d.warnings = append(d.warnings, warnings...)
		d.warnings = append(d.warnings, warning(alias, alias.Pos, findings.MissingChild,
			"alias %q lists %s, which is not in %s any more; it is copied again", alias.Tag, listing(gone), s.home))
	}
	return lost
}

// mendLeft restores what an alias that is left alone has lost, as mend does. If that
// can't be done, and what the alias would move to can be pulled, the alias moves: a
// tag that can't be pulled is worse than one that is not signed.
func (s scope) mendLeft(alias config.Alias, v *verdict) {
	lost := s.mend(alias, &v.decision, v.fromSources())
	if len(lost) == 0 || v.open || len(v.failures) > 0 {
		return
	}
	moves := *v.moves
	moves.warnings = append(slices.Clone(moves.warnings), warning(alias, alias.Pos, findings.MissingChild,
		"alias %q lists %s, which is not in %s any more and can't be put back; so the alias moves", alias.Tag, listing(lost), s.home))
	if s.checkPush(alias, &moves); !moves.any() {
		*v = moves
	}
	v.open = v.open || moves.open
}

// missingOf returns what a content lists and can't be pulled.
func (v *view) missingOf(c content, where func(digest string) config.Repository) ([]ocispec.Descriptor, error) {
	m, err := v.body(c)
	if err != nil {
		return nil, err
	}
	return v.missing(m, where, 0)
}
