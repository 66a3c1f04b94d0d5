package reconcile

import (
	"errors"
	"fmt"
	"slices"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What is to become of one alias. This is the one place where planning is
// recursive: an alias can follow another alias of the same image.

// planner decides the aliases of an image, each once.
type planner struct {
	*finder
	verdicts map[string]verdict // of aliases that others follow
	followed map[string]bool    // tags of aliases that others follow
}

func newPlanner(image config.Image, v *view) *planner {
	s := newScope(image, v)
	p := &planner{finder: &finder{scope: s, shortcut: newShortcut(s)}, verdicts: map[string]verdict{}, followed: map[string]bool{}}
	for _, a := range image.Aliases {
		for _, source := range a.Sources {
			if source.Alias {
				p.followed[source.Tag] = true
			}
		}
	}
	return p
}

// verdict decides on an alias, once.
func (p *planner) verdict(alias config.Alias) verdict {
	if v, decided := p.verdicts[alias.Tag]; decided {
		return v
	}
	v := p.decide(alias)
	p.check(alias, &v)
	if v.any() {
		v = verdict{decision: v.blocked()}
	}
	if p.followed[alias.Tag] { // only these are asked for again
		p.verdicts[alias.Tag] = v
	}
	return v
}

// check asks whether what an alias lists still exists: always for a push, and
// for every alias if the run looks deep.
func (p *planner) check(alias config.Alias, v *verdict) {
	index := registry.IsIndex(v.content.MediaType)
	switch {
	case alias.Absent:
	case v.any():
		if p.deep {
			p.checkBlocked(alias, &v.decision)
		}
	case v.push != nil && index:
		p.expect(v.content)
		p.checkPush(alias, v)
	case v.leftAlone && p.deep && index:
		p.expect(v.moves.content)
		p.mendLeft(alias, v)
	case v.push == nil && p.deep && index && len(v.content.follows) == 0: // an alias that it follows is checked itself
		p.mend(alias, &v.decision, v.content)
	}
	if !alias.Absent && !v.any() && v.push == nil && p.late && len(v.content.copies) > 0 {
		p.alongLater(alias, v)
	}
}

// expect notes as present what the pushes of the aliases that c follows bring: those
// pushes are checked themselves.
func (p *planner) expect(c content) {
	for _, tag := range c.follows {
		if followed := p.verdict(p.aliases[tag]); followed.push != nil {
			for _, l := range followed.content.leaves {
				p.present[place{p.home, l.Digest}] = true
			}
		}
	}
}

// decide compares what an alias should be with what it is.
func (p *planner) decide(alias config.Alias) verdict {
	if alias.Absent {
		return p.absent(alias)
	}
	v := p.compose(alias) // before the tag is looked at, so that one round asks for both
	old, err := p.tag(p.home, alias.Tag)
	if p.shortcut.claimed(alias) && !v.open {
		inSync := err == nil && !v.any() && old.Digest == v.content.Digest
		if p.shortcut.judge(alias, inSync); !inSync {
			v = p.compose(alias)
		}
	}
	exists := !errors.Is(err, registry.ErrNotFound)
	switch {
	case exists && err != nil:
		v.problems = problems{}
		v.fail(err)
		return v
	case v.any() || old.Digest == v.content.Digest:
		return v
	}
	p.change(alias, &v, old, exists)
	return v
}

// absent decides on an alias that is set to absent.
func (p *planner) absent(alias config.Alias) (v verdict) {
	old, err := p.tag(p.home, alias.Tag)
	switch {
	case errors.Is(err, registry.ErrNoRepository):
		v.warnings = append(v.warnings, warning(alias, p.image.Pos, findings.MissingRepository, "repository %s does not exist; correct its name", p.home))
	case errors.Is(err, registry.ErrNotFound):
	case err != nil:
		v.fail(err)
	default:
		var why problems
		v.warnings, why = p.allowed(alias, old, content{})
		v.join(why)
		v.remove = &DeleteTag{Tag: alias.Tag, Old: old.Digest, Reason: "set to absent"}
	}
	return v
}

// change adds the push of an alias that is not what it should be.
func (p *planner) change(alias config.Alias, v *verdict, old registry.Descriptor, exists bool) {
	told := len(v.warnings)
	warnings, why := p.allowed(alias, old, v.content)
	v.join(why)
	v.warnings = append(v.warnings, warnings...)
	c := v.content
	if c.Body == nil {
		m, err := p.manifest(c.repository, c.Digest)
		if err != nil {
			v.fail(err)
			return
		}
		c.Body = m.Body
		v.content.Body = m.Body
	}
	var before []oldImage
	was := ""
	if exists {
		var err error
		before, err = p.before(alias.Tag, old.Digest)
		v.fail(err)
		if m, err := p.manifest(p.home, old.Digest); err == nil {
			was = m.MediaType
		}
	}
	v.push = &Push{
		Tag: alias.Tag, Old: old.Digest, OldType: was, New: c.Digest, MediaType: c.MediaType, Manifest: c.Body,
		Platforms: changes(before, c.leaves), Copies: c.copies, Follows: c.follows,
	}
	v.warnings = append(v.warnings, p.dropped(alias, v.push)...)
	if len(c.copies) > 0 && !v.any() { // or else nothing is copied
		m, err := p.body(c)
		if v.fail(err); err == nil {
			v.push.Referrers, warnings = p.along(alias, c.copies, m)
			v.warnings = append(v.warnings, warnings...)
		}
	}
	if exists && !v.any() {
		m, leaves, _ := p.had(old.Digest) // an error is one of before
		if p.detach(alias, v, leaves); v.leftAlone {
			v.leave(p.home, m, leaves)
			v.warnings = slices.Delete(v.warnings, told, len(v.warnings)-1) // of the push
		}
	}
}

// compose works out what an alias should be, from its sources and under the
// policies, and how its newest sources were chosen.
func (p *planner) compose(alias config.Alias) (v verdict) {
	var sources []config.Source
	for _, s := range alias.Sources {
		if s.Newest == nil {
			sources = append(sources, s)
		}
	}
	for _, together := range p.searches(alias) {
		found, choice, overlooked, why := p.newest(alias, together)
		v.warnings = append(v.warnings, overlooked...)
		sources = append(sources, found...)
		v.join(why)
		v.choices = append(v.choices, choice)
	}
	var c, whole content // whole is the last source as it is
	for _, s := range sources {
		var why problems
		if whole, why = p.source(alias, s); why.any() {
			v.join(why)
			continue
		}
		leaves, why := pick(alias, s, whole)
		v.join(why)
		c.leaves = append(c.leaves, leaves...)
		c.follows = append(c.follows, whole.follows...)
	}
	if v.any() {
		return v
	}

	a := policies.Alias{Tag: alias.Tag, OneSource: sources[0].Platform == (config.Platform{})}
	for _, l := range c.leaves {
		a.Entries = append(a.Entries, l.Entry)
	}
	all := a.Entries
	a, warnings, why := p.apply(alias, a)
	if why.any() {
		v.join(why)
		return v
	}
	if c.stays = whole.stays && a.OneSource; c.stays { // it gets what the alias that it follows has
		a.Entries, a.Filtered = all, false
	}
	kept := map[policies.Entry]bool{}
	for _, e := range a.Entries {
		kept[e] = true
	}
	c.filtered = a.Filtered || whole.filtered
	c.leaves = slices.DeleteFunc(c.leaves, func(l leaf) bool { return !kept[l.Entry] })
	p.chooseBytes(&c, a, whole)
	if alias.OneVersion() && !a.Composed() {
		p.dates[c.Digest] = sources[0].Tag
	}
	if size := len(c.Body); size > registry.MaxManifest {
		v.fail(fmt.Errorf("its index would have %d entries and %d bytes, more than registries take; take fewer platforms of each source, or set provenance: drop", len(c.leaves), size))
		return v
	}
	if slices.ContainsFunc(alias.Sources, p.guarded) {
		if warnings, why = p.compare(alias, a, c.Digest); why.any() {
			v.join(why)
			return v
		}
	}
	v.content, v.warnings = c, append(v.warnings, warnings...)
	return v
}

// source returns all that one source offers to an alias.
func (p *planner) source(alias config.Alias, s config.Source) (content, problems) {
	if !s.Alias {
		return p.offer(alias, s)
	}
	followed := p.verdict(p.aliases[s.Tag])
	if followed.any() {
		return content{}, p.blocked(alias, s, followed.problems)
	}
	c := content{
		RawManifest: followed.content.RawManifest, repository: p.home,
		leaves: slices.Clone(followed.content.leaves), follows: []string{s.Tag}, filtered: followed.content.filtered,
		stays: followed.leftAlone || followed.content.stays,
	}
	c.setSource(s)
	return c, problems{}
}

// blocked says why an alias can't follow another one.
func (p *planner) blocked(alias config.Alias, s config.Source, of problems) (ps problems) {
	ps.open = of.open
	if len(of.failures) > 0 {
		ps.fail(fmt.Errorf("alias %q, which it follows: %w", s.Tag, of.failures[0]))
	} else if !of.open {
		ps.forbid(violation(alias, s.Pos, findings.BlockedSource, "it follows alias %q, which is blocked", s.Tag))
	}
	return ps
}

// apply puts an alias through the policies.
func (p *planner) apply(alias config.Alias, a policies.Alias) (_ policies.Alias, warnings []*config.Finding, ps problems) {
	a, findings := p.rules.Apply(a)
	for _, f := range findings {
		if f.Warning {
			warnings = append(warnings, warning(alias, alias.Pos, f.ID, "%s", f.Message))
		} else {
			ps.forbid(violation(alias, alias.Pos, f.ID, "%s", f.Message))
		}
	}
	return a, warnings, ps
}

// guarded reports whether a source must not choose a lower version than the alias
// has.
func (s scope) guarded(source config.Source) bool {
	return source.Newest != nil && !policies.Downgrade.Over(s.rules, source.Newest.Downgrade)
}

// compare applies the policies to an alias of newest sources a second time, now with
// what it carries today. An alias that does not change needs no judging.
func (p *planner) compare(alias config.Alias, a policies.Alias, digest string) (warnings []*config.Finding, ps problems) {
	old, err := p.tag(p.home, alias.Tag)
	if errors.Is(err, registry.ErrNotFound) || err == nil && old.Digest == digest {
		return nil, ps
	}
	var images []oldImage
	if err == nil {
		images, err = p.carried(alias, old)
	}
	if err != nil {
		ps.fail(err)
		return nil, ps
	}
	for i, e := range a.Entries {
		of := slices.IndexFunc(alias.Sources, func(s config.Source) bool {
			return p.guarded(s) && (s.Platform == (config.Platform{}) || e.Platform.Is(s.Platform))
		})
		judged := e.Kind == policies.Image || alias.OneVersion() && len(a.Images()) == 0
		if !judged || of < 0 {
			continue
		}
		// A version that the range excludes by name may be replaced by a lower one.
		wants := alias.Sources[of].Newest.Range
		was := highest(images, e.Platform)
		switch {
		case was == nil || was.Version != nil && wants.Excludes(*was.Version):
			continue
		case was.Version != nil && !wants.Has(*was.Version):
			was.Outside = wants.Text
		}
		a.Entries[i].Was = was
	}
	_, warnings, ps = p.apply(alias, a)
	return warnings, ps
}

// chooseBytes decides whether an alias re-uses the bytes of its source, is the one
// image that is left, or gets an index of its own. It notes what has to be copied for
// that.
func (p *planner) chooseBytes(c *content, a policies.Alias, whole content) {
	needed := c.leaves
	switch {
	case a.Composed():
		c.RawManifest, c.repository = composeIndex(a.Tag, a.MediaType, c.leaves), p.home
	case a.Filtered:
		only := c.leaves[0]
		c.Digest, c.MediaType, c.repository = only.Digest, only.MediaType, only.repository
	default:
		c.RawManifest, c.repository = whole.RawManifest, whole.repository
		needed = []leaf{{Entry: policies.Entry{Digest: c.Digest}, repository: c.repository}}
	}
	for _, l := range needed {
		if l.repository != p.home {
			c.copies = append(c.copies, Copy{From: l.repository, Digest: l.Digest})
		}
	}
}
