package compose

import (
	"errors"
	"iter"
	"slices"

	"github.com/hashicorp/go-multierror"
	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// file reads a compose file once. It is nil, with a finding, if that fails.
func (p *project) file(path string) *file {
	if f, read := p.files[path]; read {
		return f
	}
	p.files[path] = nil
	data, ok := p.read(path)
	if !ok {
		return nil
	}
	f := &file{path: path, shown: p.shown(path)}
	roots, err := config.ReadYAML(f.shown, data)
	if all := (*multierror.Error)(nil); errors.As(err, &all) {
		p.errs = append(p.errs, all.Errors...)
		return nil
	}
	if len(roots) == 0 {
		p.report(config.Pos{File: f.shown}, findings.InvalidCompose, "file is empty; expected services")
		return nil
	}
	for _, root := range roots {
		r := reading{project: p, file: f}
		root = r.plain(root, 1)
		if root.Kind != yaml.MappingNode {
			r.fail(root, findings.InvalidCompose, "expected a map of services, volumes and the like")
		}
		if r.failed || !p.spend(0) {
			return nil
		}
		f.documents = append(f.documents, root)
	}
	p.files[path] = f
	return f
}

// reading is a document that is being read, up to its first problem.
type reading struct {
	*project
	*file
	failed bool
}

func (r *reading) fail(n *yaml.Node, id findings.ID, format string, args ...any) {
	if !r.failed {
		r.report(r.pos(n), id, format, args...)
	}
	r.failed = true
}

// plain returns a copy of a value with its YAML aliases and merge keys written
// out. Each part keeps its place; "!reset" and "!override" stay.
func (r *reading) plain(n *yaml.Node, depth int) *yaml.Node {
	out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style, Line: n.Line, Column: n.Column}
	switch r.values++; {
	case r.failed || !r.spend(1):
	case depth > maxDepth:
		r.fail(n, findings.TooDeep, "maps, lists and YAML aliases are nested more than %d deep", maxDepth)
	case n.Kind == yaml.AliasNode:
		return r.plain(n.Alias, depth+1)
	case n.Tag == "!reset":
		out.Kind, out.Value = yaml.ScalarNode, "null"
	case n.Kind == yaml.MappingNode:
		r.mapping(out, n, depth)
	default:
		for _, item := range n.Content {
			if item = r.plain(item, depth+1); item.Tag != "!reset" {
				out.Content = append(out.Content, item)
			}
		}
	}
	return out
}

func (r *reading) mapping(out, n *yaml.Node, depth int) {
	first, merges := map[string]int{}, []*yaml.Node{}
	for at, value := range pairs(n) {
		key := at
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch line, twice := first[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			r.fail(at, findings.WrongType, "a key is a map or a list; expected text")
		case twice:
			r.fail(at, findings.DuplicateKey, "%q is given twice, first in line %d; keep one", key.Value, line)
		case key.ShortTag() == "!!merge":
			merges = items(r.plain(value, depth+1))
		case key.ShortTag() != "!!str":
			r.fail(at, findings.InvalidCompose, "key %q is not text; put it in quotes", key.Value)
		default:
			out.Content = append(out.Content, key, r.plain(value, depth+1))
		}
		first[key.Value] = at.Line
	}
	for _, merge := range merges {
		if merge.Kind != yaml.MappingNode {
			r.fail(merge, findings.InvalidCompose, "a merge key takes maps alone")
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
	for key, value := range pairs(n) {
		if key.Value == name {
			return value
		}
	}
	return nil
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
