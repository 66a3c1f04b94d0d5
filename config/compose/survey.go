package compose

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/loader"
	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// project is one reading of a project. Paths are relative to the workspace.
type project struct {
	root   *os.Root
	dir    string            // the workspace, absolute
	main   []string          // the files that were asked for
	given  map[string]string // how those were spelled
	folder string            // of the first one
	env    *environment      // of the main files

	// What survey found.
	sources map[string]*source
	order   []*source // in the order of reading
	levels  map[string]map[string]int
	named   map[reference]string // the files that may be included or extended, absolute
	seen    map[string]bool      // the paths in all of them
	used    map[*yaml.Node]bool  // services that others extend
	errs    []error
	files   int
	work    int
	stopped bool // too much is asked for

	variables
	last      Text   // what substitute returned last
	texts     []Text // of images and platforms; their marks are the index
	portCount int
}

func newProject(root *os.Root, dir string, environment map[string]string) *project {
	return &project{
		root: root, dir: dir, given: map[string]string{},
		sources: map[string]*source{}, levels: map[string]map[string]int{}, named: map[reference]string{},
		seen: map[string]bool{"/dev/null": true}, used: map[*yaml.Node]bool{},
		variables: variables{process: environment, hidden: map[string]bool{}},
	}
}

func (p *project) report(pos config.Pos, id findings.ID, format string, args ...any) {
	p.errs = append(p.errs, errorf(pos, id, format, args...))
}

// spend counts values that compose-go is going to copy, and reports whether it
// may go on. Small files can ask for a lot: ten that each include the next one
// twice are a thousand.
func (p *project) spend(at config.Pos, values int) bool {
	if p.work += 1 + values; p.work > maxWork && !p.stopped {
		p.stopped = true
		p.report(at, findings.TooMuch, "more than %d values, each as often as it is included or extended", maxWork)
	}
	return !p.stopped
}

// survey follows the files that the given ones include and extend, before
// compose-go does: all must be in the workspace, and what they ask for bounded.
func (p *project) survey(given []string) error {
	for i, file := range given {
		full, err := filepath.Abs(file)
		if err != nil {
			return errorf(config.Pos{File: file}, findings.UnreadableFile, "%v", err)
		}
		path, err := filepath.Rel(p.dir, full)
		if err != nil || !filepath.IsLocal(path) {
			return errorf(config.Pos{File: file}, findings.OutsideWorkspace, "the file is outside of the workspace of %s, and is not read", given[0])
		}
		if i == 0 {
			p.folder = filepath.Dir(path)
		}
		p.main, p.given[path] = append(p.main, path), file
	}
	p.env = &environment{maps.Clone(p.process)}
	if p.env.values == nil {
		p.env.values = map[string]string{}
	}
	if off, _ := strconv.ParseBool(p.process["COMPOSE_DISABLE_ENV_FILE"]); !off {
		p.env = p.defaultEnv(p.env, p.folder)
	}
	p.env.values[consts.ComposeProjectName] = p.name()
	p.level(p.main, p.folder, p.env, nil)
	return together(p.errs)
}

// name is what docker compose calls the project.
func (p *project) name() string {
	name := filepath.Base(p.full(p.folder))
	for _, path := range p.main {
		if s := p.source(path); s != nil {
			for _, d := range s.documents {
				if n := child(d.root, "name"); n != nil {
					t, _ := p.substitute(target(n).Value, p.env.lookup)
					name = cmp.Or(t.Value, name)
				}
			}
		}
	}
	name = cmp.Or(p.env.values[consts.ComposeProjectName], name)
	return cmp.Or(loader.NormalizeProjectName(name), "default")
}

// level surveys files that are merged, with what they include and extend, and
// returns how many values each service has. way is how the files are reached.
func (p *project) level(paths []string, folder string, env *environment, way []string) map[string]int {
	key := fmt.Sprintf("%q %q %p", paths, folder, env)
	services, done := p.levels[key]
	if !done {
		services = map[string]int{}
		for _, path := range paths {
			s := p.source(path)
			if s == nil {
				continue
			}
			s.env, s.extended = cmp.Or(s.env, env), false
			for _, d := range s.documents {
				sc := scope{p, s, s, []document{d}, map[string]int{}, folder, env}
				for _, entry := range items(d.include) {
					for name, values := range sc.include(entry, append(slices.Clip(way), path)) {
						sc.included[name] += values
						services[name] += values
					}
				}
				for _, name := range slices.Sorted(maps.Keys(d.services)) {
					services[name] += sc.weigh(name, nil)
				}
			}
		}
		p.levels[key] = services
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if !p.spend(config.Pos{File: p.shown(paths[0])}, services[name]) {
			break
		}
	}
	return services
}

// scope is where include and extends are looked into: documents of one file.
type scope struct {
	*project
	level     *source // the file that compose-go is at
	source    *source // the file that is looked into
	documents []document
	included  map[string]int // services of the files that it includes
	folder    string         // what paths are relative to
	env       *environment
}

// include surveys what one entry of include names.
func (sc *scope) include(entry *yaml.Node, way []string) map[string]int {
	p, at := sc.project, sc.source.pos(target(entry))
	if !p.spend(at, 0) {
		return nil
	}
	pathNode, directoryNode, envNode := entry, (*yaml.Node)(nil), (*yaml.Node)(nil)
	if target(entry).Kind == yaml.MappingNode {
		pathNode, directoryNode, envNode = child(entry, "path"), child(entry, "project_directory"), child(entry, "env_file")
	}
	texts, ok := sc.read(pathNode)
	if ok && len(texts) == 0 {
		p.report(at, findings.InvalidCompose, "include has no path")
	}
	var paths []string
	for _, t := range texts {
		path, found := p.follow(sc.level, t, sc.folder)
		if found && slices.Contains(way, path) {
			p.report(t.Pos, findings.InvalidCompose, "files include each other: %s", p.way(append(way, path)))
			found = false
		}
		ok = ok && found
		paths = append(paths, path)
	}
	directories, all := sc.read(directoryNode)
	if ok = ok && all && len(paths) > 0; !ok {
		return nil
	}
	folder := filepath.Dir(paths[0])
	for _, t := range directories {
		if folder, ok = p.follow(sc.level, t, sc.folder); !ok {
			return nil
		}
	}
	envFiles, ok := sc.read(envNode)
	env := sc.env
	if ok && len(envFiles) == 0 {
		env = p.defaultEnv(env, folder)
	}
	for _, t := range envFiles {
		if t.Value == "/dev/null" { // the documented way to say "none"
			continue
		}
		path, found := p.follow(sc.level, t, sc.folder)
		if !found {
			return nil
		}
		env = p.withEnvFile(env, sc.env, path)
	}
	return p.level(paths, folder, env, way)
}

// way is "a.yml -> b.yml -> a.yml".
func (p *project) way(paths []string) string {
	shown := make([]string, len(paths))
	for i, path := range paths {
		shown[i] = p.shown(path)
	}
	return strings.Join(shown, " -> ")
}

// weigh returns how many values a service has with what it extends. on is the
// way to it.
func (sc *scope) weigh(name string, on []string) int {
	p, values := sc.project, sc.included[name]
	var extends, at *yaml.Node
	for _, d := range sc.documents {
		s, ok := d.services[name]
		if !ok {
			continue
		}
		values += count(s.value)
		at, extends = s.key, cmp.Or(child(s.value, "extends"), extends)
		p.used[s.value] = true
	}
	if at == nil || extends == nil || !p.spend(sc.source.pos(at), values) {
		return values
	}
	step := fmt.Sprintf("%s in %s", quote(name), sc.source.shown)
	if len(on) > maxDepth || slices.Contains(on, step) {
		on = append(on, step)
		p.report(sc.source.pos(at), findings.InvalidCompose, "services extend each other: %s", strings.Join(on[max(0, len(on)-5):], " -> "))
		p.stopped = true
		return values
	}
	nameNode, fileNode := extends, (*yaml.Node)(nil)
	if target(extends).Kind == yaml.MappingNode {
		nameNode, fileNode = child(extends, "service"), child(extends, "file")
	}
	names, ok := sc.read(nameNode)
	files, all := sc.read(fileNode)
	if !ok || !all || len(names) != 1 {
		return values // what is missing, compose-go says
	}
	from := sc
	for _, file := range files {
		path, found := p.follow(sc.level, file, sc.folder)
		if !found {
			return values
		}
		s := p.source(path)
		if s == nil {
			return values
		}
		if s.env == nil {
			s.env, s.extended = sc.env, true
		}
		from = &scope{p, sc.level, s, s.documents, nil, filepath.Dir(path), sc.env}
	}
	if base := names[0]; !from.has(base.Value) {
		p.report(base.Pos, findings.InvalidCompose, "service %s extends %s, which is not in %s", quote(name), base.shown(), from.source.shown)
		return values
	}
	return values + from.weigh(names[0].Value, append(slices.Clip(on), step))
}

func (sc *scope) has(name string) bool {
	_, included := sc.included[name]
	return included || slices.ContainsFunc(sc.documents, func(d document) bool { _, ok := d.services[name]; return ok })
}

// read returns a text or a list of them, with the variables' values. It is not
// ok, with a finding, if a variable has none.
func (sc *scope) read(n *yaml.Node) (texts []Text, ok bool) {
	if n == nil {
		return nil, true
	}
	nodes := []*yaml.Node{n}
	if target(n).Kind == yaml.SequenceNode {
		nodes = items(n)
	}
	for _, each := range nodes {
		each = target(each)
		pos := sc.source.pos(each)
		if each.Kind != yaml.ScalarNode {
			sc.report(pos, findings.WrongType, "expected text")
			return nil, false
		}
		t, err := sc.substitute(each.Value, sc.env.lookup)
		switch {
		case err != nil:
			sc.report(pos, findings.InvalidCompose, "%v", err)
		case t.Problem != "":
			sc.report(pos, findings.UnsetVariable, "%s", t.Problem)
		case len(t.Unset) > 0:
			sc.report(pos, findings.UnsetVariable, "variable %s is not set; this check cannot know which file %s is", strings.Join(t.Unset, ", "), quote(t.Written))
		default:
			t.Pos = pos
			texts = append(texts, t)
			continue
		}
		return nil, false
	}
	return texts, true
}

// defaultEnv adds the variables of a folder's .env file, if it has one.
func (p *project) defaultEnv(env *environment, folder string) *environment {
	path := filepath.Join(folder, ".env")
	if info, err := p.root.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.IsDir() {
		return env
	}
	return p.withEnvFile(env, env, path)
}

// withEnvFile adds the variables of a file. Those of base stay, others are
// replaced.
func (p *project) withEnvFile(env, base *environment, path string) *environment {
	content, ok := p.read(path, maxEnvBytes)
	if !ok {
		return env
	}
	found, err := p.parseEnv(p.shown(path), string(content), env)
	if err != nil {
		p.errs = append(p.errs, err)
		return env
	}
	more := &environment{maps.Clone(env.values)}
	for name, value := range found {
		if _, there := base.values[name]; !there {
			more.values[name] = value
		}
	}
	return more
}
