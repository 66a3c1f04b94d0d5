package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// absent is the word for an alias that should not exist.
const absent = "absent"

// alias reads one alias of an image in the repository own. Its Tag is "" if the
// key is not a valid tag.
func (w *walk) alias(key, value *yaml.Node, own Repository) Alias {
	alias := Alias{Pos: w.pos(key)}
	if err := CheckTag(key.Value); err != nil {
		w.report(key, findings.InvalidTag, "%v", err)
	} else {
		alias.Tag, w.about = key.Value, key.Value
		defer func() { w.about = "" }()
	}
	what := "alias " + quote(key.Value)
	switch {
	case value.Kind == yaml.MappingNode && newestKey(value) == nil && fromKey(value) == nil && keyOf(value, "tag") == nil:
		alias.Sources = w.sources(value, what, own)
	case value.Kind == yaml.ScalarNode && value.Value == absent:
		alias.Absent = true
	case value.Kind == yaml.ScalarNode && strings.EqualFold(value.Value, absent):
		w.report(value, findings.InvalidSource, `%s is %s; did you mean "absent"? A tag of that name can be written with its repository`, what, quote(value.Value))
	default:
		want := "a source, such as 10.2, or a map from platform to source, or absent"
		if s, ok := w.source(value, what, want, own); ok {
			alias.Sources = []Source{s}
		}
	}
	return alias
}

// sources reads a map from platform to source.
func (w *walk) sources(n *yaml.Node, what string, own Repository) []Source {
	if isEmpty(n) {
		w.report(n, findings.EmptyValue, "%s is an empty map; expected at least one platform and its source", what)
	}
	sources := make([]Source, 0, len(n.Content)/2)
	first := newTaken()
	for key, value := range w.entries(n, what, "") {
		if _, known := parsePlatform(key.Value); !known {
			if slices.Contains(besideNewest, key.Value) {
				w.report(key, findings.UnknownField, `%s stands beside newest, as in {newest: "10.x", %s: …}; add newest with its range`, quote(key.Value), key.Value)
				continue
			}
			if hint := didYouMean(key.Value, []string{"newest", "from"}); hint != "" {
				w.report(key, findings.UnknownField, "%s is neither a platform nor a key of a source%s", quote(key.Value), hint)
				continue
			}
		}
		p, _ := w.platform(key, first)
		if value.Kind == yaml.ScalarNode && value.Value == absent {
			w.report(value, findings.InvalidSource, `"absent" stands for a whole alias; leave the platform %s out`, quote(key.Value))
			continue
		}
		if s, ok := w.source(value, "platform "+quote(key.Value), "a source, such as 10.2", own); ok {
			if s.Newest != nil && s.Newest.Whole {
				w.report(keyOf(value, "whole"), findings.InvalidValue,
					"whole: true is of a whole alias, not of one platform; leave it out, or write {newest: …, whole: true} in the place of the platforms")
			}
			s.Platform = p
			sources = append(sources, s)
		}
	}
	slices.SortFunc(sources, func(a, b Source) int { return a.Platform.Compare(b.Platform) })
	return sources
}

func (w *walk) source(n *yaml.Node, what, want string, own Repository) (s Source, ok bool) {
	if newestKey(n) != nil {
		return w.newest(n, own)
	}
	if fromKey(n) != nil {
		return w.from(n)
	}
	if key := keyOf(n, "tag"); key != nil {
		w.report(key, findings.InvalidSource, "%s has tag without from; write {from: HOST, tag: TAG}, or the tag alone if it is one of the image itself", what)
		return s, false
	}
	text, ok := w.scalar(n, what, want)
	if !ok {
		return s, false
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && strings.HasPrefix(text, "{") {
		w.report(n, findings.InvalidSource, "%s is quoted; remove the quotes", quote(text))
		return s, false
	}
	s, err := parseSource(text, own)
	if err != nil {
		w.report(n, findings.InvalidSource, "%v", err)
		return s, false
	}
	s.Pos = w.pos(n)
	return s, true
}
