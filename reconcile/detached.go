package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What refers to the digest that an alias has, and to nothing that it gets: a
// signature, say.
//
//	                       the images stay       an image moves
//	signed: keep           it is left alone      it moves, with a warning
//	signed: guard          violation             violation
//	signed: purge          it moves, with a warning
//
// A push that changes no image is of no use to those who pull, so nothing is lost if
// the alias stays as it is. A purge decides and warns by itself, except under guard.

// detach decides on a push that takes an alias away from what refers to its digest.
// leaves is what the alias has.
func (s scope) detach(alias config.Alias, v *verdict, leaves []leaf) {
	rule := policies.Signed.Of(s.rules)
	guard := rule == policies.GuardSigned
	if s.purging() && !guard {
		return
	}
	loses, err := s.detached(v.push)
	same := keepsImages(*v.push, leaves)
	stays := same && rule == policies.KeepSigned
	switch {
	case guard && err != nil:
		v.fail(fmt.Errorf("signed: guard needs to know what refers to %s and to %s: %w", v.push.Old, v.push.New, err))
	case stays && errors.Is(err, errUnknown):
		v.fail(err)
	}
	unread := stays && err != nil
	if v.any() || len(loses) == 0 && !unread {
		return
	}
	old, now, lost := v.push.Old, v.push.New, strings.Join(loses, " and ")
	attach, must, has := toReplace(loses, now)
	keep := s.toKeep(alias, v.content, has)
	tell := func(text string, args ...any) *config.Finding {
		return warning(alias, alias.Pos, findings.DetachedReferrer, "alias %q "+text, append([]any{alias.Tag}, args...)...)
	}
	moves := func() *config.Finding {
		if keep != "" {
			must += ", or " + keep
		}
		return tell("moves from %s, which has %s, to %s, which does not; %s if the alias must %s", old, lost, now, attach, must)
	}
	switch {
	case guard:
		if keep != "" {
			first, err := s.first(v.push, loses)
			if v.wait(err); v.open {
				return
			}
			keep = first + keep
		}
		lax := "keep"
		if same {
			lax = "purge"
		}
		to := "to let it move"
		if same && s.purging() {
			to += ", which also deletes what refers to a digest that the purge deletes"
		}
		f := tell("would move from %s, which has %s, to %s, which does not; %s, or set signed: %s %s", old, lost, now, cmp.Or(keep, attach), lax, to)
		f.Warning = false
		v.forbid(f)
	case stays && len(loses) == 0:
		v.stay(tell("is left alone: it would move from %s to %s, which has the same images, and what refers to them can't be read: %s; the next run tries again", old, now, registry.Line(err)))
	case stays:
		v.stay(tell("is left alone: it would move from %s, which has %s, to %s, which has the same images and does not; %s, or set signed: purge to let it move", old, lost, now, cmp.Or(keep, attach)), moves())
	default:
		v.warnings = append(v.warnings, moves())
	}
}

// stay notes that an alias is left alone, and why. warnings are what is told if it
// moves all the same.
func (v *verdict) stay(why *config.Finding, warnings ...*config.Finding) {
	moves := *v
	moves.warnings = slices.Concat(v.warnings, warnings)
	v.leftAlone, v.moves = true, &moves
	v.warnings = append(v.warnings, why)
}

// leave makes the verdict of an alias that keeps what it has, for those that follow
// it. Its images are those that it should have, so they come from the same sources.
func (v *verdict) leave(home config.Repository, m *registry.Manifest, leaves []leaf) {
	planned := map[string]leaf{} // by digest
	for _, l := range v.content.leaves {
		planned[l.Digest] = l
	}
	for i := range leaves {
		l := &leaves[i]
		of, ok := planned[l.Digest]
		if !ok {
			of, ok = planned[l.RefersTo]
		}
		if !ok {
			of = v.content.leaves[0]
		}
		l.Source, l.Origin, l.Version, l.Newest, l.written, l.sourceDigest, l.repository = of.Source, of.Origin, of.Version, of.Newest, of.written, of.sourceDigest, home
	}
	v.content = content{RawManifest: m.RawManifest, repository: home, leaves: leaves, copies: v.content.copies}
	v.push = nil
}

// fromSources is what an alias that is left alone has. Its images are where its
// sources have them.
func (v verdict) fromSources() content {
	c := v.content
	if v.moves == nil {
		return c
	}
	c.leaves = slices.Clone(c.leaves)
	for i := range c.leaves {
		l := &c.leaves[i]
		of := slices.IndexFunc(v.moves.content.leaves, func(planned leaf) bool { return planned.Digest == l.Digest })
		if of >= 0 {
			l.repository = v.moves.content.leaves[of].repository
		}
	}
	return c
}

// WhyLeftAlone says why an alias is left alone, "" if it is not.
func (p Plan) WhyLeftAlone(alias string) string {
	i := slices.IndexFunc(p.Warnings, func(f *config.Finding) bool { return f.ID == findings.DetachedReferrer && f.Alias == alias })
	if i < 0 || !slices.Contains(p.LeftAlone, alias) {
		return ""
	}
	return p.Warnings[i].Message
}

// detached returns what refers to the digest that an alias has, and not to the one
// that it gets, in words. With an error there may be more; if it is not known what
// refers to the one that it gets, there is nothing to tell.
func (s scope) detached(push *Push) (loses []string, _ error) {
	had, err := s.refersTo(push.Old)
	if len(had) == 0 {
		return nil, err
	}
	has, unread := s.refersTo(push.New)
	if unread != nil {
		return nil, errors.Join(err, unread)
	}
	for _, r := range push.Referrers {
		if r.Subject == push.New {
			has = append(has, r.Kind)
		}
	}
	for _, kind := range had {
		if !slices.Contains(has, kind) {
			loses = append(loses, referrerWords[kind])
		}
	}
	return loses, err
}

// keepsImages reports whether a push leaves an alias the images that it has for each
// platform. leaves is what it has.
func keepsImages(push Push, leaves []leaf) bool {
	return !slices.ContainsFunc(push.Platforms, func(c PlatformChange) bool {
		if c.Platform == "" { // an artifact
			return !slices.ContainsFunc(leaves, func(l leaf) bool { return l.Digest == c.Digest })
		}
		return c.Digest != c.OldDigest
	})
}

// toKeep says what would give an alias the digest of its source, with what refers to
// that. It is "" if the alias has that digest already. has is what must be true of a
// tag to follow.
func (s scope) toKeep(alias config.Alias, c content, has string) string {
	whole := "have the alias follow one whole tag that " + has
	if s.byPlatform(alias) {
		return whole
	}
	of := ""
	for alias.Sources[0].Alias {
		alias = s.aliases[alias.Sources[0].Tag]
		of = fmt.Sprintf(" of alias %q", alias.Tag)
	}
	keep := ""
	if c.filtered {
		var drop []string
		if policies.Provenance.Of(s.rules) != policies.Keep {
			drop = append(drop, policies.Provenance.Name+": keep")
		}
		if !policies.Companions.Of(s.rules) {
			drop = append(drop, policies.Companions.Name+": keep")
		}
		keep = strings.Join(drop, " and ")
	}
	n := alias.Sources[0].Newest
	switch composed := n != nil && !n.Whole; {
	case composed && n.Tags.Arch:
		return whole
	case composed && keep != "":
		return "write whole: true beside newest" + of + " and set " + keep + " to follow one whole tag that " + has
	case composed:
		return "write whole: true beside newest" + of + " to follow one whole tag that " + has
	case keep != "":
		return "set " + keep
	}
	return ""
}

// first says what has to be done before an alias follows the whole release that it has
// the images of: the release may lack what the alias would lose. It is "" if nothing
// has, or if it is not known. Only an alias that signed: guard holds is worth the
// questions, since an alias that is left alone is one in a run with nothing to do.
func (s scope) first(push *Push, loses []string) (string, error) {
	var tag, release string
	for _, c := range push.Platforms {
		switch {
		case c.Digest == "":
		case c.Origin != "", c.SourceDigest == "", c.Source == c.SourceDigest, len(push.Copies) > 0, s.purging(), release != "" && release != c.SourceDigest:
			return "", nil
		default:
			tag, release = c.Source, c.SourceDigest
		}
	}
	if release == "" {
		return "", nil
	}
	kinds, err := s.refersTo(release)
	if err != nil {
		return "", err
	}
	lacks := slices.DeleteFunc(slices.Clone(loses), func(what string) bool {
		return slices.ContainsFunc(kinds, func(kind string) bool { return referrerWords[kind] == what })
	})
	if len(lacks) == 0 {
		return "", nil
	}
	attach, _, _ := toReplace(lacks, fmt.Sprintf("%s (%s)", tag, release))
	return attach + " and ", nil
}

// refersTo returns the kinds of what refers to a digest of the image's repository,
// each once. BuildKit's attestations go by the provenance policy. With an error there
// may be more: a warning goes without it, a guard does not.
func (s scope) refersTo(digest string) (kinds []string, _ error) {
	var errs []error
	for _, tag := range registry.CosignTags(digest) {
		switch _, err := s.tag(s.home, tag); {
		case err == nil:
			kinds = append(kinds, cosignKinds[path.Ext(tag)])
		case !errors.Is(err, registry.ErrNotFound):
			errs = append(errs, err)
		}
	}
	found, err := ask(s.referrers, s.open.referrers, place{s.home, digest})
	if !errors.Is(err, registry.ErrNotFound) {
		errs = append(errs, err)
	}
	for _, d := range found {
		if d.ArtifactType != registry.AttestationArtifactType {
			kinds = append(kinds, refersAs(d.ArtifactType))
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), errors.Join(errs...)
}
