package reconcile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile/registry"
)

// content is what an alias should be, or what one of its sources is.
type content struct {
	registry.RawManifest                   // without Body if only a push would need it
	repository           config.Repository // where the manifest is, if it exists yet
	leaves               []leaf
	copies               []Copy
	follows              []string // aliases that it is made of
	filtered             bool     // a policy took something out of it
	stays                bool     // it is what an alias has that is left alone
}

// plain reports whether a source is one manifest and no index.
func (c content) plain() bool { return len(c.leaves) == 1 && c.leaves[0].Digest == c.Digest }

// home returns the repository that has what a content lists, by its digest.
func (c content) home(digest string) config.Repository {
	for _, l := range c.leaves {
		if l.Digest == digest {
			return l.repository
		}
	}
	return c.repository
}

// setSource marks the leaves with the source that they come from.
func (c *content) setSource(s config.Source) {
	parse := config.ParseVersion
	if s.Newest != nil {
		parse = s.Newest.Version
	}
	var version *config.Version
	if v, err := parse(s.Tag); err == nil {
		version = &v
	}
	for i := range c.leaves {
		l := &c.leaves[i]
		if !s.Alias {
			l.Origin, l.Version, l.written = s.Reference(), version, s.Text
		}
		l.Source, l.Newest, l.sourceDigest, l.repository = s.Text, s.Newest != nil, c.Digest, c.repository
	}
}

// body returns the manifest of a content.
func (v *view) body(c content) (*registry.Manifest, error) {
	if c.Body == nil {
		return v.manifest(c.repository, c.Digest)
	}
	return registry.ParseManifest(c.RawManifest)
}

// finder finds what tags and digests offer to an alias.
type finder struct {
	scope
	shortcut *shortcut
}

// offer returns all that a tag or digest offers to an alias. The zero alias
// takes no shortcut.
func (f *finder) offer(alias config.Alias, s config.Source) (content, problems) {
	var ps problems
	c, err := f.read(alias, s)
	listed := (*listedError)(nil)
	switch missing := errors.Is(err, registry.ErrNotFound); {
	case err == nil:
		c.setSource(s)
		return c, ps
	case errors.As(err, &listed) && !missing:
		ps.fail(fmt.Errorf("source %q: %w", s.Text, err))
	case errors.As(err, &listed):
		ps.forbid(violation(alias, s.Pos, findings.BrokenSource,
			"source %q refers to something that is not there: %s; push it again", s.Text, registry.Line(err)))
	case errors.Is(err, registry.ErrNoRepository), missing && f.nowhere(s.Repository, &ps):
		ps.forbid(violation(alias, s.Pos, findings.MissingSource,
			"source %q is in the repository %s, which does not exist; correct its name, or push to it", s.Text, s.Repository))
	case missing:
		ps.forbid(violation(alias, s.Pos, findings.MissingSource,
			"source %q does not exist in %s; %s", s.Text, s.Repository, f.meant(s, &ps)))
	case errors.Is(err, registry.ErrArchived):
		ps.forbid(violation(alias, s.Pos, findings.ArchivedSource,
			"source %q is archived in %s, so it can't be pulled; restore it, or change the source", s.Text, s.Repository))
	default:
		ps.fail(fmt.Errorf("source %q: %w", s.Text, err))
	}
	for _, v := range ps.violations {
		v.Source = s.Text
	}
	return content{}, ps
}

// nowhere reports whether a repository certainly does not exist. Many registries say of
// a tag alone that it is not found, so if nothing in the repository is known to exist,
// its list of tags is asked for.
func (f *finder) nowhere(repository config.Repository, ps *problems) bool {
	for at, a := range f.tags {
		if at.repository == repository && a.Err == nil {
			return false
		}
	}
	_, err := ask(f.lists, f.open.lists, repository)
	ps.wait(err)
	return errors.Is(err, registry.ErrNoRepository)
}

// meant says what to do about a source that does not exist. A range that stands where
// a tag belongs is told by its look; 1.1 is asked for where v1.1 is not there.
func (f *finder) meant(s config.Source, ps *problems) string {
	const push = "push it, or change the source"
	if s.Tag == "newest" || rangeLike.MatchString(s.Tag) {
		wants := s.Tag
		if wants == "newest" {
			wants = "1.x"
		}
		return fmt.Sprintf("%s; if a range is meant, write {newest: %q}", push, wants)
	}
	other, had := strings.CutPrefix(s.Tag, "v")
	if !had {
		other = "v" + other
	}
	if v, err := config.ParseVersion(other); err != nil || v.Tag == "" {
		return push
	}
	_, err := f.tag(s.Repository, other)
	if ps.wait(err); err == nil {
		return fmt.Sprintf("did you mean %q?", other)
	}
	return push
}

// rangeLike is a tag that only a range of versions would be called by.
var rangeLike = regexp.MustCompile(`^v?\d+(?:\.\d+)*\.[xX](?:\.[xX])*$`)

// listedError is about something that a source lists, not about the source itself.
type listedError struct{ error }

func (e *listedError) Unwrap() error { return e.error }

// read reads a source and what it lists.
func (f *finder) read(alias config.Alias, s config.Source) (content, error) {
	m, known, err := f.find(alias, s)
	if err == nil && s.Tag != "" {
		f.present[place{s.Repository, m.Digest}] = true
		if s.Repository == f.home {
			m, err = f.afterPurge(s.Tag, m)
		}
	}
	if err != nil {
		return content{}, err
	}
	c := content{RawManifest: m.RawManifest, repository: s.Repository}
	if known != nil {
		c.leaves = []leaf{*known}
		return c, nil
	}
	if c.leaves, err = f.leaves(s.Repository, m, descriptorOf(m), 0); err != nil {
		return content{}, &listedError{err}
	}
	return c, nil
}

// find returns a source's manifest. If the alias's own index lists that digest,
// its platform comes from there: known is the image, and no config is read.
// Where tags are cheap to ask, the manifest isn't read either, and m has no body.
func (f *finder) find(alias config.Alias, s config.Source) (m *registry.Manifest, known *leaf, err error) {
	if s.Tag == "" || !f.cheap[s.Repository] {
		if m, err = f.manifest(s.Repository, s.Reference()); err != nil || !m.IsImage() {
			return m, nil, err
		}
		known, err = f.shortcut.image(alias, place{s.Repository, m.Config.Digest.String()}, descriptorOf(m))
		return m, known, err
	}
	now, err := f.tag(s.Repository, s.Tag)
	if err != nil {
		return nil, nil, err
	}
	if now.Archived {
		return nil, nil, fmt.Errorf("%s: %w", now.Digest, registry.ErrArchived)
	}
	if !registry.IsIndex(now.MediaType) {
		m = &registry.Manifest{RawManifest: registry.RawManifest{Digest: now.Digest, MediaType: now.MediaType}}
		if known, err = f.shortcut.unread(alias, descriptorOf(m)); known != nil || err != nil {
			if known != nil {
				m.MediaType = known.MediaType
			}
			return m, known, err
		}
	}
	m, err = f.manifest(s.Repository, now.Digest)
	if errors.Is(err, registry.ErrNotFound) { // the tag itself is there
		err = fmt.Errorf("it named %s, which was deleted a moment later; run again", now.Digest)
	}
	return m, nil, err
}
