package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config"
)

// What compose files may take at most, by which no file that people write is
// refused.
const (
	maxFileBytes = 1 << 20
	maxEnvBytes  = 64 << 10
	maxFiles     = 200
	maxDepth     = 100
	maxNodes     = 200_000 // of one file, with every YAML alias written out
	maxSteps     = 50_000  // services and includes, each as often as it is included
)

// document is one YAML document of a compose file.
type document struct {
	file     string // its path in the workspace
	name     string // of the project; "" if it has none
	include  *yaml.Node
	services []*node
	resets   map[string]bool // services of before that are taken away
	dropped  bool            // "services: !reset" or "!override" drops what came before
}

// node is one service as a document has it. The parts may be nil.
type node struct {
	name                            string
	at                              *yaml.Node // its key
	image, platform, build, extends *yaml.Node
	override                        bool            // nothing of an earlier definition is kept
	resets                          map[string]bool // parts of an earlier definition that are taken away
}

// read gives the content of a plain file in the workspace.
func (l *loader) read(path string, most int64) ([]byte, error) {
	if l.files++; l.files > maxFiles {
		return nil, errorf(config.Pos{File: l.shown(path)}, IDTooMuch, "more than %d files are included or extended", maxFiles)
	}
	at := config.Pos{File: l.shown(path)}
	// Asked before it is opened: to open a pipe would wait for its writer.
	info, err := l.root.Stat(path)
	switch {
	case err != nil:
		return nil, errorf(at, IDUnreadableFile, "%v", reason(err))
	case !info.Mode().IsRegular():
		return nil, errorf(at, IDUnreadableFile, "expected a plain file, found a %s", kind(info))
	case info.Size() > most:
		return nil, errorf(at, config.IDTooLarge, "file has %d bytes; at most %d are read", info.Size(), most)
	}
	data, err := l.root.ReadFile(path)
	if err != nil {
		return nil, errorf(at, IDUnreadableFile, "%v", reason(err))
	}
	return data, nil
}

func kind(info fs.FileInfo) string {
	if info.IsDir() {
		return "folder"
	}
	return "device or pipe"
}

// reason is what went wrong with a file, without the path that fs puts before
// it: the place of the finding has that.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		if path.Err.Error() == "path escapes from parent" { // os.Root, which has no sentinel for it
			return errors.New("the file is a link to somewhere outside of the workspace, and is not followed")
		}
		return path.Err
	}
	return err
}

// documents reads a compose file that has to be valid as a whole.
func (l *loader) documents(path string) ([]document, error) {
	f := l.parse(path)
	if f.err != nil {
		return nil, f.err
	}
	return f.documents, problems(f.invalid)
}

// parsed is a file that has been read. What is wrong with it against the
// specification is only in invalid: of a file that is extended nobody minds what
// is not used.
type parsed struct {
	documents []document
	invalid   []misplaced
	err       error
}

// misplaced is a problem and where it stands in its document.
type misplaced struct {
	problem
	at config.Pos
}

// parse reads a compose file once.
func (l *loader) parse(path string) *parsed {
	f := l.parsed[path]
	if f == nil {
		f = &parsed{}
		l.parsed[path] = f
		f.err = l.parseInto(f, path)
	}
	return f
}

func (l *loader) parseInto(f *parsed, path string) error {
	data, err := l.read(path, maxFileBytes)
	if err != nil {
		return err
	}
	shown := l.shown(path)
	roots, err := config.ReadYAML(shown, data)
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		return errorf(config.Pos{File: shown}, IDInvalidCompose, "file is empty; expected services")
	}
	w := &walk{file: shown}
	for _, root := range roots {
		model := w.value(root, 1)
		if w.err != nil {
			return w.err
		}
		top, ok := model.(map[string]any)
		if !ok {
			return errorf(w.pos(root), IDInvalidCompose, "expected a map of services, volumes and the like")
		}
		if top["include"] == nil { // as docker compose has it
			delete(top, "include")
		}
		for _, p := range validate(top) {
			f.invalid = append(f.invalid, misplaced{p, w.pos(at(root, p.path))})
		}
		f.documents = append(f.documents, w.document(path, root))
	}
	return nil
}

// walk goes through the YAML nodes of one file.
type walk struct {
	file  string
	nodes int
	err   error // the first problem
}

func (w *walk) pos(n *yaml.Node) config.Pos {
	return config.Pos{File: w.file, Line: n.Line, Column: n.Column}
}

func (w *walk) fail(n *yaml.Node, id, format string, args ...any) any {
	if w.err == nil {
		w.err = errorf(w.pos(n), id, format, args...)
	}
	return nil
}

// The two YAML tags of Compose: what came before is taken away, or replaced as
// a whole.
const (
	tagReset    = "!reset"
	tagOverride = "!override"
)

func isReset(n *yaml.Node) bool { return target(n).Tag == tagReset }

// value is what a node stands for, as the schema wants it: YAML aliases and
// merge keys are written out, and what "!reset" takes away is left out. It
// counts what it writes out, so that the rest of the package may follow YAML
// aliases without care.
func (w *walk) value(n *yaml.Node, depth int) any {
	w.nodes++
	switch {
	case w.err != nil:
		return nil
	case depth > maxDepth:
		return w.fail(n, config.IDTooDeep, "maps, lists and YAML aliases are nested more than %d deep", maxDepth)
	case w.nodes > maxNodes:
		return w.fail(n, IDTooMuch, "file has more than %d values, with its YAML aliases written out", maxNodes)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return w.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			if !isReset(item) {
				list = append(list, w.value(item, depth+1))
			}
		}
		return list
	case yaml.MappingNode:
		return w.mapping(n, depth)
	}
	return scalar(n)
}

func (w *walk) mapping(n *yaml.Node, depth int) any {
	first := map[string]*yaml.Node{}
	merged := map[string]any{}
	named := map[string]any{}
	for pair := range slices.Chunk(n.Content, 2) {
		key, value := target(pair[0]), pair[1]
		if key.Kind != yaml.ScalarNode {
			return w.fail(pair[0], config.IDWrongType, "a key is a map or a list; expected text")
		}
		if before := first[key.Value]; before != nil {
			return w.fail(pair[0], config.IDDuplicateKey, "%s is given twice, first in line %d; keep one", quote(key.Value), before.Line)
		}
		first[key.Value] = pair[0]
		if !isMerge(key) {
			if !isReset(value) {
				named[key.Value] = w.value(value, depth+1)
			}
			continue
		}
	}
	for _, each := range merges(n) {
		all, ok := w.value(each, depth+1).(map[string]any)
		if !ok {
			return w.fail(each, IDInvalidCompose, "a merge key takes maps alone")
		}
		for k, v := range all {
			if _, there := merged[k]; !there { // the first of several wins
				merged[k] = v
			}
		}
	}
	for k, v := range named {
		merged[k] = v
	}
	return merged
}

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

// scalar is the value of a scalar as JSON has it: dates are text.
func scalar(n *yaml.Node) any {
	plain := *n
	if n.Tag == tagOverride {
		plain.Tag, plain.Style = "", n.Style&^yaml.TaggedStyle
	}
	switch plain.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var v bool
		if plain.Decode(&v) == nil {
			return v
		}
	case "!!int", "!!float":
		var f float64
		if plain.Decode(&f) == nil && f-f == 0 { // neither infinite nor NaN, which JSON has not
			return f
		}
	}
	return n.Value
}

// child is the value of a key in a map, merge keys followed, or nil. What
// "!reset" takes away is not there.
func child(n *yaml.Node, name string) *yaml.Node {
	_, value := entry(n, name)
	return value
}

func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	n = target(n)
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for pair := range slices.Chunk(n.Content, 2) {
		if k := target(pair[0]); k.Value == name && !isMerge(k) && !isReset(pair[1]) {
			return pair[0], pair[1]
		}
	}
	for _, each := range merges(n) {
		if key, value = entry(each, name); key != nil {
			return key, value
		}
	}
	return nil, nil
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

// addResets notes the keys of a map that "!reset" takes away from an earlier
// definition.
func addResets(n *yaml.Node, resets map[string]bool) {
	if n = target(n); n.Kind != yaml.MappingNode {
		return
	}
	for pair := range slices.Chunk(n.Content, 2) {
		if isReset(pair[1]) {
			resets[target(pair[0]).Value] = true
		}
	}
	for _, each := range merges(n) {
		addResets(each, resets)
	}
}

// entries are the keys and values of a map, merge keys followed, each key once.
// What "!reset" takes away is not there.
func entries(n *yaml.Node) [][2]*yaml.Node {
	var all [][2]*yaml.Node
	seen := map[string]bool{}
	var collect func(n *yaml.Node)
	collect = func(n *yaml.Node) {
		if n = target(n); n.Kind != yaml.MappingNode {
			return
		}
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

// document takes the services out of a document that the schema accepts.
func (w *walk) document(path string, root *yaml.Node) document {
	d := document{file: path, include: child(root, "include")}
	if n := child(root, "name"); n != nil {
		d.name = target(n).Value
	}
	resets := map[string]bool{}
	addResets(root, resets)
	services := child(root, "services")
	d.dropped = resets["services"] || services != nil && target(services).Tag == tagOverride
	if services == nil {
		return d
	}
	d.resets = map[string]bool{}
	addResets(services, d.resets)
	for _, each := range entries(services) {
		key, value := each[0], each[1]
		name := target(key).Value
		s := &node{name: name, at: key, override: target(value).Tag == tagOverride, resets: map[string]bool{}}
		s.image, s.platform = child(value, "image"), child(value, "platform")
		s.build, s.extends = child(value, "build"), child(value, "extends")
		addResets(value, s.resets)
		d.services = append(d.services, s)
	}
	return d
}

// maxProblems is how many problems of one file are told.
const maxProblems = 20

// problems is what is wrong with a file, in the order of the places.
func problems(invalid []misplaced) error {
	var all []*config.Finding
	for _, p := range invalid {
		all = append(all, errorf(p.at, IDInvalidCompose, "%s", p.text))
	}
	if all = sorted(all); len(all) > maxProblems {
		all[maxProblems].Message = fmt.Sprintf("and %d more problems of this file", len(all)-maxProblems)
		all = all[:maxProblems+1]
	}
	errs := make([]error, len(all))
	for i, f := range all {
		errs[i] = f
	}
	return errors.Join(errs...)
}

// at is where a value stands: its key in a map, or itself in a list.
func at(n *yaml.Node, path []any) (where *yaml.Node) {
	where = n
	for _, part := range path {
		n = target(n)
		switch part := part.(type) {
		case string:
			where, n = entry(n, part)
		case int:
			n = slices.DeleteFunc(slices.Clone(n.Content), isReset)[part]
			where = n
		}
	}
	return where
}

// place gives the path that a file names, from the workspace's root. base is
// the folder that it is relative to.
func (l *loader) place(named Text, base string) (string, error) {
	path := named.Value
	switch {
	case path == "":
		return "", errorf(named.Pos, IDInvalidCompose, "the path of a file is empty")
	case isRemote(path):
		return "", errorf(named.Pos, IDRemoteFile, "%s is not in the workspace; nothing is fetched", named.shown())
	}
	if filepath.IsAbs(path) {
		rel, err := filepath.Rel(l.dir, path)
		if err != nil {
			rel = ".."
		}
		path = rel
	} else {
		path = filepath.Join(base, path)
	}
	if path = filepath.Clean(path); !filepath.IsLocal(path) {
		return "", errorf(named.Pos, IDOutsideWorkspace, "%s is outside of the workspace, and is not read", named.shown())
	}
	return path, nil
}

// isRemote tells of what docker compose would fetch: with git or from a
// registry.
func isRemote(path string) bool {
	return strings.Contains(path, "://") || strings.HasPrefix(path, "git@") || strings.HasPrefix(path, "oci:")
}

// text reads a scalar with its variables, unless it is missing.
func (l *loader) text(file string, n *yaml.Node, env *variables) (Text, error) {
	if n == nil {
		return Text{}, nil
	}
	n = target(n)
	pos := config.Pos{File: l.shown(file), Line: n.Line, Column: n.Column}
	if n.Kind != yaml.ScalarNode {
		return Text{}, errorf(pos, config.IDWrongType, "expected text")
	}
	t, err := env.substitute(n.Value)
	if err != nil {
		return Text{}, errorf(pos, IDInvalidCompose, "%v", err)
	}
	t.Pos = pos
	return t, nil
}

// texts reads a scalar or a list of them.
func (l *loader) texts(file string, n *yaml.Node, env *variables) ([]Text, error) {
	if n == nil {
		return nil, nil
	}
	nodes := []*yaml.Node{n}
	if t := target(n); t.Kind == yaml.SequenceNode {
		nodes = t.Content
	}
	var all []Text
	for _, each := range nodes {
		t, err := l.text(file, each, env)
		if err != nil {
			return nil, err
		}
		if !t.present() {
			continue
		}
		if t.Problem != "" {
			return nil, errorf(t.Pos, IDUnsetVariable, "%s", t.Problem)
		}
		if len(t.Unset) > 0 {
			return nil, errorf(t.Pos, IDUnsetVariable, "variable %s is not set; this check cannot know which file %s is", strings.Join(t.Unset, ", "), quote(t.Written))
		}
		all = append(all, t)
	}
	return all, nil
}
