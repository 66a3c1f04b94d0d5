package compose

import (
	"slices"

	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// source is a compose file that has been read.
type source struct {
	path, shown string // in the workspace; in messages
	documents   []document
	texts       map[string]*yaml.Node // where each text is first
	paths       map[named]*yaml.Node  // of other files and folders
	sizes       map[*yaml.Node]int    // how many values a value has, with its YAML aliases written out
	values      int                   // of the file, with what its services extend in it
	ports       int                   // that its ranges stand for
	extends     int                   // services that extend one of the file
	through     int                   // those of them that so extend one of another file

	// How compose-go gets to the file.
	folder             string  // what its paths are relative to; "" if others only extend its services
	parent             *source // that includes it, if one does
	loads              int     // how often it is loaded with all that it includes
	fresh              bool    // it has not asked for a file since it was loaded
	included, extended map[*source]int

	resets  int
	problem *config.Finding // the first
}

// named is a path that a file names in its include, by its key there, or in
// "extends".
type named struct{ key, text string }

// document is one YAML document of a file.
type document struct {
	root     *yaml.Node
	services map[string]service
}

// service is a service of a document: its key and what it says.
type service struct{ key, value *yaml.Node }

func (s *source) pos(n *yaml.Node) config.Pos {
	return config.Pos{File: s.shown, Line: n.Line, Column: n.Column}
}

// source reads a compose file once. It is nil, with a finding, if the file
// can't be read.
func (p *project) source(path string) *source {
	if s, done := p.sources[path]; done {
		return s
	}
	p.sources[path] = nil
	s := &source{path: path, shown: p.shown(path), texts: map[string]*yaml.Node{}, paths: map[named]*yaml.Node{}, sizes: map[*yaml.Node]int{}, fresh: true}
	data, problem := p.read(path, maxFileBytes)
	var roots []*yaml.Node
	if s.problem = problem; problem == nil {
		var err error
		if roots, err = config.ReadYAML(s.shown, data); err != nil {
			p.errs = append(p.errs, err)
			return nil
		}
		if len(roots) == 0 {
			s.problem = errorf(config.Pos{File: s.shown}, findings.InvalidCompose, "file is empty; expected services")
		}
	}
	for _, root := range roots {
		if s.screen(root, 1); s.problem == nil {
			s.add(root)
		}
	}
	if s.problem != nil {
		p.errs = append(p.errs, s.problem)
		return nil
	}
	s.values *= len(roots) // compose-go goes through all of them after each
	p.sources[path] = s
	p.order = append(p.order, s)
	return s
}

func (s *source) fail(n *yaml.Node, id findings.ID, format string, args ...any) {
	if s.problem == nil {
		s.problem = errorf(s.pos(n), id, format, args...)
	}
}

// screen looks at a value and all below it, as often as YAML aliases name them,
// before anything follows those.
func (s *source) screen(n *yaml.Node, depth int) {
	before := s.values
	defer func() { s.sizes[n] = s.values - before }()
	if n.Tag == "!reset" || n.Tag == "!override" {
		s.resets++
	}
	switch s.values++; {
	case s.problem != nil:
	case depth > maxDepth:
		s.fail(n, findings.TooDeep, "maps, lists and YAML aliases are nested more than %d deep", maxDepth)
	case s.values > maxValues:
		s.fail(n, findings.TooMuch, "file has more than %d values, with its YAML aliases written out", maxValues)
	case s.resets > maxResets:
		s.fail(n, findings.TooMuch, "file has more than %d values with !reset or !override", maxResets)
	case n.Kind == yaml.AliasNode:
		s.screen(n.Alias, depth+1)
	case n.Kind == yaml.MappingNode:
		s.mapping(n, depth)
	case n.Kind == yaml.ScalarNode && s.texts[n.Value] == nil:
		s.texts[n.Value] = n
	default:
		for _, item := range n.Content {
			s.screen(item, depth+1)
		}
	}
}

func (s *source) mapping(n *yaml.Node, depth int) {
	if len(n.Content) > 2*maxKeys {
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
		s.screen(pair[1], depth+1)
	}
	for _, each := range merged(n) {
		if target(each).Kind != yaml.MappingNode {
			s.fail(each, findings.InvalidCompose, "a merge key takes maps alone")
		}
	}
}

// add takes in a document of the file.
func (s *source) add(root *yaml.Node) {
	if target(root).Kind != yaml.MappingNode {
		s.fail(root, findings.InvalidCompose, "expected a map of services, volumes and the like")
	}
	for _, entry := range items(child(root, "include")) {
		s.include(entry)
	}
	d := document{root, map[string]service{}}
	for section, services := range map[string]map[string]service{"services": d.services, "jobs": {}} {
		all := entries(child(root, section))
		for _, each := range all {
			if name := target(each[0]).Value; services[name].key == nil {
				services[name] = service{each[0], each[1]}
				s.names("extends", items(child(child(each[1], "extends"), "file")))
			}
		}
		for _, each := range all {
			s.weigh(root, services, service{each[0], each[1]})
		}
	}
	s.documents = append(s.documents, d)
}

// base is the service that a service extends, or "", and whether another file
// has it.
func base(service *yaml.Node) (name string, file bool) {
	extends := child(service, "extends")
	if of := child(extends, "service"); of != nil {
		return target(of).Value, child(extends, "file") != nil
	}
	if extends == nil {
		return "", false
	}
	return target(extends).Value, false
}

// include refuses what would have compose-go open a file without asking for it.
func (s *source) include(entry *yaml.Node) {
	paths := items(entry)
	if target(entry).Kind == yaml.MappingNode {
		paths = items(child(entry, "path"))
	}
	if len(paths) == 0 { // it would read the .env file of the current folder
		s.fail(entry, findings.InvalidCompose, "include has no path")
	}
	s.names("path", paths)
	s.names("project_directory", items(child(entry, "project_directory")))
	s.names("env_file", items(child(entry, "env_file")))
	for _, each := range entries(entry) {
		// compose-go takes ENV_FILE for env_file.
		if key := target(each[0]).Value; !slices.Contains([]string{"path", "project_directory", "env_file"}, key) {
			s.fail(each[0], findings.InvalidCompose, "%s is not a key of include", quote(key))
		}
	}
}

// names notes where the file names others; the first place of each counts.
func (s *source) names(key string, paths []*yaml.Node) {
	for _, n := range paths {
		if at := (named{key, target(n).Value}); s.paths[at] == nil {
			s.paths[at] = target(n)
		}
	}
}

// target is the node itself, or the one that a YAML alias names.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// items are the values of a list, or the one value that stands for it.
func items(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil || target(n).ShortTag() == "!!null" || target(n).Tag == "!reset":
		return nil
	case target(n).Kind == yaml.SequenceNode:
		return slices.DeleteFunc(slices.Clone(target(n).Content), func(item *yaml.Node) bool { return target(item).Tag == "!reset" })
	}
	return []*yaml.Node{n}
}

// child is the value of a key in a map, or nil.
func child(n *yaml.Node, name string) *yaml.Node {
	_, value := entry(n, name)
	return value
}

// entry is a key of a map and its value, or nil.
func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	for _, each := range entries(n) {
		if target(each[0]).Value == name {
			return each[0], each[1]
		}
	}
	return nil, nil
}

// entries are the keys and values of a map, then those of its merge keys.
func entries(n *yaml.Node) (all [][2]*yaml.Node) {
	if n == nil || target(n).Kind != yaml.MappingNode {
		return nil
	}
	for pair := range slices.Chunk(target(n).Content, 2) {
		if target(pair[0]).Tag != "!!merge" {
			all = append(all, [2]*yaml.Node(pair))
		}
	}
	for _, each := range merged(target(n)) {
		all = append(all, entries(each)...)
	}
	return all
}

// merged are the maps that the merge key of a map names.
func merged(n *yaml.Node) []*yaml.Node {
	for pair := range slices.Chunk(n.Content, 2) {
		if target(pair[0]).Tag == "!!merge" {
			return items(pair[1])
		}
	}
	return nil
}
