package compose

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// fields are what is said of a service, by key: its image, platform and build.
type fields map[string]Text

// says is what a service says by itself.
func (d *document) says(n *yaml.Node) fields {
	all := fields{}
	for key, value := range pairs(n) {
		if slices.Contains([]string{"image", "platform", "build"}, key.Value) && value.Tag != "!reset" {
			all[key.Value] = d.text(d.scope, value)
		}
	}
	return all
}

// over returns what is said of a service with what overrides it. What n resets or
// replaces is dropped before.
func over(base fields, n *yaml.Node, says fields) fields {
	all := fields{}
	maps.Copy(all, base)
	for key, value := range pairs(n) {
		if isTagged(value) {
			delete(all, key.Value)
		}
	}
	maps.Copy(all, says)
	return all
}

// document is one of a file, or all of a file that others extend.
type document struct {
	*project
	*scope
	own      map[string][]*yaml.Node // the later override the earlier
	last     map[string]*yaml.Node   // of the last document: they reset what is extended
	included map[string]fields
	loaded   map[string]fields
	extended map[string]*document // other files, by path
	partly   bool                 // only what others extend of it matters
}

func newDocument(p *project, s scope, extended map[string]*document) *document {
	return &document{project: p, scope: &s, own: map[string][]*yaml.Node{}, included: map[string]fields{}, loaded: map[string]fields{}, extended: extended}
}

// services loads files of which the later override the earlier.
func (p *project) services(paths []string, in scope) map[string]fields {
	all := map[string]fields{}
	for _, path := range paths {
		s := in
		if s.file = p.file(path); s.file == nil || !p.spend(s.values) {
			continue
		}
		for _, root := range s.documents {
			if p.valid(&s, root) {
				newDocument(p, s, map[string]*document{}).merge(all, root)
			}
		}
	}
	return all
}

// merge adds the services of a document to those of earlier ones.
func (d *document) merge(all map[string]fields, root *yaml.Node) {
	for _, entry := range items(child(root, "include")) {
		d.include(entry)
	}
	services := child(root, "services")
	if services != nil && isTagged(services) {
		clear(all)
	}
	d.add(services)
	for key, n := range pairs(services) {
		if isTagged(n) {
			delete(all, key.Value)
		}
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(d.included)), maps.Keys(d.own))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		all[name] = over(all[name], d.last[name], d.service(name, 0))
	}
}

// add takes in the services of a document.
func (d *document) add(services *yaml.Node) {
	d.last = map[string]*yaml.Node{}
	for key, n := range pairs(services) {
		name := key.Value
		if isTagged(n) {
			delete(d.own, name)
		}
		if n.Tag != "!reset" {
			d.own[name], d.last[name] = append(d.own[name], n), n
		}
	}
}

// service is a service of the document with what is included of it and what it
// extends.
func (d *document) service(name string, steps int) fields {
	if s, done := d.loaded[name]; done || !d.spend(1) {
		return s
	}
	s := d.included[name]
	var base, file *yaml.Node
	for _, n := range d.own[name] {
		if d.partly && !d.valid(d.scope, n, "services", name) {
			break
		}
		s = over(s, n, d.says(n))
		switch e := child(n, "extends"); {
		case e == nil || e.Tag == "!reset":
		case e.Kind == yaml.MappingNode:
			base, file = cmp.Or(child(e, "service"), base), cmp.Or(child(e, "file"), file)
		default:
			base = e
		}
	}
	if base != nil {
		s = over(d.base(base, file, steps), d.last[name], s)
	}
	d.loaded[name] = s
	return s
}

// base is the service that another one extends, of another file if one is named.
func (d *document) base(name, file *yaml.Node, steps int) fields {
	from := d
	if file != nil {
		if from = d.other(file); from == nil {
			return nil
		}
	}
	t := d.text(d.scope, name)
	_, included := from.included[t.Value]
	if !included && from.own[t.Value] == nil && len(d.errs) == 0 { // after a problem, it may be in what could not be loaded
		d.report(t.Pos, findings.InvalidCompose, "service %s is not in %s", t.shown(), from.scope.shown)
	}
	if steps >= maxDepth {
		d.report(t.Pos, findings.InvalidCompose, "services extend each other, or more than %d in a row", maxDepth)
		return nil
	}
	return from.service(t.Value, steps+1)
}

// other is another file that has services to extend. What it includes does not
// count, as for compose-go.
func (d *document) other(n *yaml.Node) *document {
	path := d.resolve(d.scope, n)
	if known := d.extended[path]; known != nil || path == "" {
		return known
	}
	f := d.project.file(path)
	if f == nil || !d.spend(workOfFile+f.values) {
		return nil
	}
	other := newDocument(d.project, scope{file: f, folder: filepath.Dir(path), env: d.env}, d.extended)
	other.partly = true
	for _, root := range f.documents {
		other.add(child(root, "services"))
	}
	d.extended[path] = other
	return other
}

// include adds what an entry includes. The first to include a service overrides
// the others.
func (d *document) include(entry *yaml.Node) {
	paths, env := items(entry), items(child(entry, "env_file"))
	if entry.Kind == yaml.MappingNode {
		paths = items(child(entry, "path"))
	}
	if len(paths) == 0 {
		d.report(d.pos(entry), findings.InvalidCompose, "include has no path")
		return
	}
	before := len(d.errs)
	var files []string
	for _, n := range paths {
		path := d.resolve(d.scope, n)
		files = append(files, path)
		way := d.shown(path)
		for up := d.scope; up != nil && path != ""; up = up.from {
			if way = up.shown + " -> " + way; up.path == path {
				d.report(d.pos(n), findings.InvalidCompose, "files include each other: %s", way)
				break
			}
		}
	}
	in := scope{folder: filepath.Dir(files[0]), from: d.scope}
	if n := child(entry, "project_directory"); n != nil {
		in.folder = d.resolve(d.scope, n)
	}
	var envFiles []string
	for _, n := range env {
		if n.Value != os.DevNull { // the documented way to say "none"
			envFiles = append(envFiles, d.resolve(d.scope, n))
		}
	}
	if len(d.errs) > before {
		return
	}
	if len(env) == 0 {
		envFiles = d.defaultEnv(in.folder)
	}
	in.env = d.withEnv(d.env, envFiles)
	for name, s := range d.services(files, in) {
		d.spend(1)
		d.included[name] = over(s, nil, d.included[name])
	}
}
