package config

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// reader reads the maps and scalars of a file, and notes what is wrong with them.
type reader struct {
	file     string
	policies []PolicyKey // whose names are no keys of anything else
	about    string      // the alias that is being read, if any
	findings found
	refused  map[*yaml.Node]bool // reported by refuse, so nothing else is reported about them
}

func (r *reader) pos(n *yaml.Node) Pos { return Pos{r.file, n.Line, n.Column} }

func (r *reader) reportAt(pos Pos, id findings.ID, format string, args ...any) {
	r.findings.add(&Finding{ID: id, Alias: r.about, Pos: pos, Message: fmt.Sprintf(format, args...)})
}

func (r *reader) report(n *yaml.Node, id findings.ID, format string, args ...any) {
	if !r.refused[n] {
		r.reportAt(r.pos(n), id, format, args...)
	}
}

// refuse reports a node for its kind, not its content.
func (r *reader) refuse(n *yaml.Node, id findings.ID, format string, args ...any) {
	r.report(n, id, format, args...)
	r.refused[n] = true
}

// reportFile reports a problem of the file as a whole.
func (r *reader) reportFile(id findings.ID, format string, args ...any) {
	r.reportAt(Pos{File: r.file}, id, format, args...)
}

// mismatch reports a node of the wrong kind.
func (r *reader) mismatch(n *yaml.Node, what, want string) {
	id, found := findings.WrongType, "the text "+quote(n.Value)
	switch {
	case n.Kind == yaml.MappingNode:
		found = "a map"
	case n.Kind == yaml.SequenceNode:
		found = "a list"
	case isNull(n) && n.Value == "":
		id, found = findings.EmptyValue, "empty"
	case isNull(n):
		id, found = findings.EmptyValue, quote(n.Value)+", which is no text unless quoted"
	}
	r.report(n, id, "%s is %s; expected %s", what, found, want)
}

// scalar returns the source text of a scalar. YAML's types don't count: 10.10 is
// not a number here.
func (r *reader) scalar(n *yaml.Node, what, want string) (text string, ok bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		r.mismatch(n, what, want)
		return "", false
	}
	return n.Value, !r.refused[n]
}

// entries ranges over the keys and values of a map. It reports keys that are not
// text or are repeated.
func (r *reader) entries(n *yaml.Node, what, want string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return r.pairs(n, what, want, false)
}

// lastEntries is entries for a large map that is not needed again: each entry is
// dropped after its turn.
func (r *reader) lastEntries(n *yaml.Node, what, want string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return r.pairs(n, what, want, true)
}

func (r *reader) pairs(n *yaml.Node, what, want string, drop bool) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			r.mismatch(n, what, want)
			return
		}
		first := make(map[string]int, len(n.Content)/2) // the line by the key
		for pair := range slices.Chunk(n.Content, 2) {
			key, value := pair[0], pair[1]
			if drop {
				pair[0], pair[1] = nil, nil
			}
			if key.Kind != yaml.ScalarNode || isNull(key) {
				r.mismatch(key, "key of "+what, "text")
				continue
			}
			if line := first[key.Value]; line > 0 {
				r.refuse(key, findings.DuplicateKey, "%s is given twice in %s, first in line %d; keep one", quote(key.Value), what, line)
			} else {
				first[key.Value] = key.Line
			}
			if isNull(value) && value.Value == "" { // nothing has no place of its own
				value.Line, value.Column = key.Line, key.Column
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

// fields returns the values of a map that has only the named keys, the first of
// a repeated key. ok is false if n is not a map.
func (r *reader) fields(n *yaml.Node, what string, names ...string) (values map[string]*yaml.Node, ok bool) {
	values = map[string]*yaml.Node{}
	for key, value := range r.entries(n, what, "a map of "+strings.Join(names, ", ")) {
		switch {
		case !slices.Contains(names, key.Value):
			r.unknown(key, "a key of "+what, names)
		case values[key.Value] == nil:
			values[key.Value] = value
		}
	}
	return values, n.Kind == yaml.MappingNode
}

// unknown reports a key that is not among the names.
func (r *reader) unknown(key *yaml.Node, what string, names []string) {
	hint := didYouMean(key.Value, names)
	isPolicy := func(p PolicyKey) bool { return p.Name == key.Value }
	switch {
	case slices.ContainsFunc(r.policies, isPolicy):
		hint = `; put it under "policies"`
	case hint == "":
		hint = "; expected one of " + strings.Join(names, ", ")
	}
	r.report(key, findings.UnknownField, "%s is not %s%s", quote(key.Value), what, hint)
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style&yaml.TaggedStyle == 0
}

// isEmpty reports whether a value is missing, null or an empty map.
func isEmpty(n *yaml.Node) bool {
	return n == nil || isNull(n) || n.Kind == yaml.MappingNode && len(n.Content) == 0
}

// keyOf returns a key of a map, nil if n has no such key or is no map.
func keyOf(n *yaml.Node, name string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				return n.Content[i]
			}
		}
	}
	return nil
}
