package compose

import (
	"iter"
	"slices"

	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// file is a compose file that has been read.
type file struct {
	path, shown string       // in the workspace; in messages
	documents   []*yaml.Node // plain
	values      int
	resets      int
	problem     *config.Finding // the first
}

func (f *file) pos(n *yaml.Node) config.Pos {
	return config.Pos{File: f.shown, Line: n.Line, Column: n.Column}
}

func (f *file) fail(n *yaml.Node, id findings.ID, format string, args ...any) {
	if f.problem == nil {
		f.problem = errorf(f.pos(n), id, format, args...)
	}
}

// file reads a compose file once. It is nil, with a finding, if that fails.
func (p *project) file(path string) *file {
	if f, read := p.files[path]; read {
		return f
	}
	p.files[path] = nil
	f := &file{path: path, shown: p.shown(path)}
	data, problem := p.read(path, maxFileBytes)
	if problem != nil {
		p.add(problem)
		return nil
	}
	roots, err := config.ReadYAML(f.shown, data)
	if err != nil {
		p.errs = append(p.errs, err)
		return nil
	}
	if len(roots) == 0 {
		f.problem = errorf(config.Pos{File: f.shown}, findings.InvalidCompose, "file is empty; expected services")
	}
	for _, root := range roots {
		root = f.plain(root, 1)
		if f.documents = append(f.documents, root); root.Kind != yaml.MappingNode {
			f.fail(root, findings.InvalidCompose, "expected a map of services, volumes and the like")
		}
	}
	if f.problem != nil {
		p.add(f.problem)
		return nil
	}
	p.files[path] = f
	return f
}

// plain returns a copy of a value with its YAML aliases and merge keys written
// out. Each part keeps its place; "!reset" and "!override" stay.
func (f *file) plain(n *yaml.Node, depth int) *yaml.Node {
	out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style, Line: n.Line, Column: n.Column}
	if isTagged(n) {
		f.resets++
	}
	switch f.values++; {
	case f.problem != nil:
	case depth > maxDepth:
		f.fail(n, findings.TooDeep, "maps, lists and YAML aliases are nested more than %d deep", maxDepth)
	case f.values > maxValues:
		f.fail(n, findings.TooMuch, "file has more than %d values, with its YAML aliases written out", maxValues)
	case f.resets > maxResets:
		f.fail(n, findings.TooMuch, "file has more than %d values with !reset or !override", maxResets)
	case n.Kind == yaml.AliasNode:
		return f.plain(n.Alias, depth+1)
	case n.Tag == "!reset":
		out.Kind, out.Value = yaml.ScalarNode, "null"
	case n.Kind == yaml.MappingNode:
		f.mapping(out, n, depth)
	default:
		for _, item := range n.Content {
			if item = f.plain(item, depth+1); item.Tag != "!reset" {
				out.Content = append(out.Content, item)
			}
		}
	}
	return out
}

func (f *file) mapping(out, n *yaml.Node, depth int) {
	if len(n.Content) > 2*maxKeys {
		f.fail(n, findings.TooMuch, "map has more than %d keys", maxKeys)
		return
	}
	first, merges := map[string]int{}, []*yaml.Node{}
	for at, value := range pairs(n) {
		key := at
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch line, twice := first[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			f.fail(at, findings.WrongType, "a key is a map or a list; expected text")
		case twice:
			f.fail(at, findings.DuplicateKey, "%s is given twice, first in line %d; keep one", quote(key.Value), line)
		case key.ShortTag() == "!!merge":
			merges = items(f.plain(value, depth+1))
		case key.ShortTag() != "!!str":
			f.fail(at, findings.InvalidCompose, "key %s is not text; put it in quotes", quote(key.Value))
		default:
			out.Content = append(out.Content, key, f.plain(value, depth+1))
		}
		first[key.Value] = at.Line
	}
	for _, merge := range merges {
		if merge.Kind != yaml.MappingNode {
			f.fail(merge, findings.InvalidCompose, "a merge key takes maps alone")
		}
		for key, value := range pairs(merge) {
			if _, has := first[key.Value]; !has {
				first[key.Value] = key.Line
				out.Content = append(out.Content, key, value)
			}
		}
	}
}

// isTagged reports whether a value has a tag of compose, which drops or
// replaces what earlier files say.
func isTagged(n *yaml.Node) bool { return n.Tag == "!reset" || n.Tag == "!override" }

// pairs are the keys and values of a map. What is no map has none.
func pairs(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for pair := range slices.Chunk(n.Content, 2) {
			if !yield(pair[0], pair[1]) {
				return
			}
		}
	}
}

// child is the value of a key in a map, or nil.
func child(n *yaml.Node, name string) *yaml.Node {
	_, value := entry(n, name)
	return value
}

// entry is a key of a map and its value, or nil.
func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	for key, value := range pairs(n) {
		if key.Value == name {
			return key, value
		}
	}
	return nil, nil
}

// items are the values of a list, or the one value that stands for it.
func items(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil || n.Tag == "!reset" || n.ShortTag() == "!!null":
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	}
	return []*yaml.Node{n}
}
