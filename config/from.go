package config

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

const wantFrom = "a registry, with a path before the names of its repositories if it has one, such as staging.example.com or ghcr.io/mirror"

// from reads {from: HOST}: the same tag of the same repository on another
// registry. The source is not complete, see [Source.completeFrom].
func (w *walk) from(n *yaml.Node) (s Source, ok bool) {
	fields, _ := w.fields(n, "a source from elsewhere", "from", "tag")
	s = Source{Pos: w.pos(n)}
	if v := fields["tag"]; v != nil {
		text, ok := w.scalar(v, "tag", "a tag, such as 10.2")
		if !ok {
			return s, false
		}
		if algorithm, _, found := strings.Cut(text, ":"); found && isDigestAlgorithm(algorithm) {
			w.report(v, findings.InvalidTag, "tag is the digest %s; write HOST/repository@sha256:… in place of from and tag", quote(text))
			return s, false
		}
		if err := CheckTag(text); err != nil {
			w.report(v, findings.InvalidTag, "%v", err)
			return s, false
		}
		s.Tag = text
	}
	text, ok := w.scalar(fields["from"], "from", wantFrom)
	if !ok {
		return s, false
	}
	name, prefix, _ := strings.Cut(text, "/")
	host, err := ParseHost(name)
	switch {
	case strings.Contains(text, "://"), strings.Contains(text, "@"): // may be a password
		_, err = ParseHost(text)
	case err == nil && prefix != "" && !pathPattern.MatchString(prefix), err == nil && name+"/" == text:
		err = fmt.Errorf("from is %s; expected %s", quote(text), wantFrom)
	}
	if err != nil {
		w.report(fields["from"], findings.InvalidRegistry, "%v", err)
		return s, false
	}
	if prefix != "" {
		prefix += "/"
	}
	s.Repository, s.Text = Repository{Host: host, Path: prefix}, "from "+text
	return s, true
}

// isFrom reports whether a source is one that [walk.from] has read, and is not
// complete: its path is what comes before that of the image.
func isFrom(s Source) bool {
	return s.Repository.Host != "" && (s.Repository.Path == "" || strings.HasSuffix(s.Repository.Path, "/"))
}

// completeFrom gives a source that is not complete the path of an image, and the
// tag of an alias if it has none. It is errItself if that is the image's own
// repository.
func (s *Source) completeFrom(tag string, own Repository) error {
	r, err := ParseRepository(s.Repository.String()+own.Path, "")
	if err != nil {
		return err
	}
	if r.Place() == own.Place() {
		s.Repository.Host = unreadHost
		return fmt.Errorf("from %s %w; expected another registry, or a tag of the image without from", r.Host, errItself)
	}
	s.Repository = r
	if s.Tag == "" {
		s.Tag = tag
	}
	s.Text = r.String() + ":" + s.Tag
	return nil
}

var errItself = errors.New("leads back to the repository of the image")

// fromKey returns the key of {from: …}, nil if n is something else.
func fromKey(n *yaml.Node) *yaml.Node { return keyOf(n, "from") }
