package compose

import (
	"slices"

	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// screen looks for what is wrong with the YAML of a file, before anything
// follows its YAML aliases.
type screen struct {
	*source
	nodes, resets int
	problem       *config.Finding // the first
}

func (s *screen) fail(n *yaml.Node, id findings.ID, format string, args ...any) {
	if s.problem == nil {
		s.problem = errorf(s.pos(n), id, format, args...)
	}
}

// value counts a node and all below it, as often as YAML aliases name them.
func (s *screen) value(n *yaml.Node, depth int) {
	if s.nodes++; s.problem != nil {
		return
	}
	if isReset(n) || n.Tag == "!override" {
		s.resets++
	}
	switch {
	case depth > maxDepth:
		s.fail(n, findings.TooDeep, "maps, lists and YAML aliases are nested more than %d deep", maxDepth)
	case s.nodes > maxNodes:
		s.fail(n, findings.TooMuch, "file has more than %d values, with its YAML aliases written out", maxNodes)
	case s.resets > maxResets:
		s.fail(n, findings.TooMuch, "file has more than %d values with !reset or !override", maxResets)
	case n.Kind == yaml.AliasNode:
		s.value(n.Alias, depth+1)
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			s.value(item, depth+1)
		}
	case n.Kind == yaml.MappingNode:
		s.mapping(n, depth)
	}
}

func (s *screen) mapping(n *yaml.Node, depth int) {
	if len(n.Content)/2 > maxKeys {
		s.fail(n, findings.TooMuch, "map has more than %d keys", maxKeys)
		return
	}
	first := map[string]*yaml.Node{}
	for pair := range slices.Chunk(n.Content, 2) {
		key := target(pair[0])
		if key.Kind != yaml.ScalarNode {
			s.fail(pair[0], findings.WrongType, "a key is a map or a list; expected text")
			return
		}
		if before := first[key.Value]; before != nil {
			s.fail(pair[0], findings.DuplicateKey, "%s is given twice, first in line %d; keep one", quote(key.Value), before.Line)
			return
		}
		first[key.Value] = pair[0]
		s.value(pair[1], depth+1)
		if !isMerge(key) {
			continue
		}
		for _, each := range merges(n) {
			if target(each).Kind != yaml.MappingNode {
				s.fail(each, findings.InvalidCompose, "a merge key takes maps alone")
			}
		}
	}
}

// count is how many values a node has.
func count(n *yaml.Node) int {
	n = target(n)
	values := 1
	for _, each := range n.Content {
		values += count(each)
	}
	return values
}

// isReset reports whether a value takes away what an earlier file says.
func isReset(n *yaml.Node) bool { return target(n).Tag == "!reset" }

func isMerge(key *yaml.Node) bool { return key.Tag == "!!merge" }

// target is the node itself, or the one that a YAML alias names.
func target(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

// items are the values of a list.
func items(n *yaml.Node) []*yaml.Node {
	if n == nil || target(n).Kind != yaml.SequenceNode {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(target(n).Content), isReset)
}

// child is the value of a key in a map, or nil. Merge keys are followed.
func child(n *yaml.Node, name string) *yaml.Node {
	for _, each := range entries(n) {
		if target(each[0]).Value == name {
			return each[1]
		}
	}
	return nil
}

// entries are the keys and values of a map, each key once. Merge keys are
// followed; what "!reset" takes away is not there.
func entries(n *yaml.Node) [][2]*yaml.Node {
	var all [][2]*yaml.Node
	seen := map[string]bool{}
	var collect func(n *yaml.Node)
	collect = func(n *yaml.Node) {
		if n == nil || target(n).Kind != yaml.MappingNode {
			return
		}
		n = target(n)
		for pair := range slices.Chunk(n.Content, 2) {
			if k := target(pair[0]); !isMerge(k) && !seen[k.Value] && !isReset(pair[1]) {
				seen[k.Value] = true
				all = append(all, [2]*yaml.Node(pair))
			}
		}
		for _, each := range merges(n) {
			collect(each)
		}
	}
	collect(n)
	return all
}

// merges are the maps that a map's merge keys name.
func merges(n *yaml.Node) []*yaml.Node {
	var all []*yaml.Node
	for pair := range slices.Chunk(n.Content, 2) {
		if !isMerge(target(pair[0])) {
			continue
		}
		if t := target(pair[1]); t.Kind == yaml.SequenceNode {
			all = append(all, t.Content...)
		} else {
			all = append(all, t)
		}
	}
	return all
}
