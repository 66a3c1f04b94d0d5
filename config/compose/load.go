package compose

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config"
)

// Load reads a compose file and gives its services by name, those of every
// profile, with what it includes and extends. environment is that of the
// process.
//
// The workspace, of which no file is read outside, is the git work tree that
// the file is in, or else the current folder, or else the file's own folder.
//
// The error is a [*config.Finding] or has some in it; it says where a file is
// not one that docker compose would accept.
func Load(file string, environment map[string]string) ([]Service, error) {
	at := config.Pos{File: file}
	full, err := filepath.Abs(file)
	if err != nil {
		return nil, errorf(at, IDUnreadableFile, "%v", err)
	}
	dir := workspace(full)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errorf(at, IDUnreadableFile, "%v", reason(err))
	}
	defer func() { _ = root.Close() }()
	path, err := filepath.Rel(dir, full)
	if err != nil {
		return nil, errorf(at, IDUnreadableFile, "%v", err)
	}
	l := &loader{root: root, dir: dir, main: path, given: file, parsed: map[string]*parsed{}}
	env, err := l.environment(path, environment)
	if err != nil {
		return nil, err
	}
	services, err := l.project([]string{path}, filepath.Dir(path), env, nil)
	if err != nil {
		return nil, err
	}
	all := make([]Service, 0, len(services))
	for name, s := range services {
		all = append(all, Service{Name: name, Image: s.image.Text, Platform: s.platform.Text, Build: s.build.present})
	}
	slices.SortFunc(all, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// workspace is the folder that all of a project's files have to be in.
func workspace(full string) string {
	own := filepath.Dir(full)
	for dir := own; ; dir = filepath.Dir(dir) {
		// Git refuses to check out a .git, so nobody can bring one along.
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, full); err == nil && filepath.IsLocal(rel) {
			return here
		}
	}
	return own
}

// loader is one reading of a project. Paths of files are relative to the
// workspace's root.
type loader struct {
	root   *os.Root
	dir    string // the workspace, absolute
	main   string // the file that was asked for
	given  string // as it was spelt
	parsed map[string]*parsed
	files  int // read
	steps  int // services and includes looked into
}

// shown is how messages name a file: as the reader would, who named main.
func (l *loader) shown(path string) string {
	if path == l.main {
		return l.given
	}
	rel, err := filepath.Rel(filepath.Dir(l.main), path)
	if err != nil {
		rel = path
	}
	return filepath.Join(filepath.Dir(l.given), rel)
}

// environment is the process's variables, then those of the .env file beside
// the project's.
func (l *loader) environment(path string, process map[string]string) (*variables, error) {
	env := &variables{process: process, files: map[string]string{}, hidden: map[string]bool{}, spent: new(int)}
	if off, _ := strconv.ParseBool(process["COMPOSE_DISABLE_ENV_FILE"]); !off {
		var err error
		if env, err = l.withEnv(env, filepath.Join(filepath.Dir(path), ".env")); err != nil {
			return nil, err
		}
	}
	// The name that docker compose gives the project, unless the file does.
	name := filepath.Base(filepath.Dir(filepath.Join(l.dir, path)))
	if documents, err := l.documents(path); err == nil {
		for _, d := range documents {
			name = cmp.Or(d.name, name)
		}
	}
	name = strings.TrimLeft(notInName.ReplaceAllString(strings.ToLower(name), ""), "_-")
	return env.with(envFile{values: map[string]string{"COMPOSE_PROJECT_NAME": name}}), nil
}

var notInName = regexp.MustCompile(`[^a-z0-9_-]`)

// withEnv adds the variables of a .env file, if it is there.
func (l *loader) withEnv(env *variables, path string) (*variables, error) {
	if info, err := l.root.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.IsDir() {
		return env, nil
	}
	return l.withEnvFile(env, path)
}

func (l *loader) withEnvFile(env *variables, path string) (*variables, error) {
	content, err := l.read(path, maxEnvBytes)
	if err != nil {
		return nil, err
	}
	found, err := env.parseEnv(l.shown(path), string(content))
	if err != nil {
		return nil, err
	}
	return env.with(found), nil
}

// service is a service while it is put together.
type service struct {
	image, platform, build field
	override               bool
	extends                *yaml.Node
	file                   string // where extends is written
	folder                 string // what the file that it extends is relative to
	at                     config.Pos
	invalid                error // what keeps it from being extended
}

// field is a part of a service. A reset one takes away what it would be merged
// over, within its own file and what that includes.
type field struct {
	Text
	present, reset bool
}

func (f field) over(base field) field {
	if f.present || f.reset {
		return f
	}
	base.reset = false
	return base
}

// over puts a service over the one that it extends or overrides.
func (s service) over(base service) service {
	if s.override {
		return s
	}
	s.image, s.platform, s.build = s.image.over(base.image), s.platform.over(base.platform), s.build.over(base.build)
	return s
}

// project merges compose files, the later over the earlier. folder is what
// their paths are relative to; including is the way to them.
func (l *loader) project(paths []string, folder string, env *variables, including []string) (map[string]service, error) {
	merged := map[string]service{}
	for _, path := range paths {
		documents, err := l.documents(path)
		if err != nil {
			return nil, err
		}
		for _, d := range documents {
			services, err := l.evaluate(d, folder, env, append(slices.Clip(including), path))
			if err != nil {
				return nil, err
			}
			if d.dropped {
				clear(merged)
			}
			for name := range d.resets {
				delete(merged, name)
			}
			for name, s := range services {
				if base, there := merged[name]; there {
					s = s.over(base)
				}
				merged[name] = s
			}
		}
	}
	return merged, nil
}

// evaluate gives the services of one document: its own, over those it includes,
// and then over those they extend.
func (l *loader) evaluate(d document, folder string, env *variables, including []string) (map[string]service, error) {
	services, err := l.own(d, folder, env)
	if err != nil {
		return nil, err
	}
	if d.include != nil {
		for _, entry := range target(d.include).Content {
			included, err := l.include(d.file, entry, folder, env, including)
			if err != nil {
				return nil, err
			}
			for name, base := range included {
				if d.resets[name] {
					continue
				}
				if s, there := services[name]; there {
					base = s.over(base)
					base.extends, base.file, base.folder, base.at = s.extends, s.file, s.folder, s.at
				}
				services[name] = base
			}
		}
	}
	e := &extending{loader: l, env: env, services: services, done: map[string]bool{}}
	for name := range services {
		if err := e.resolve(name, nil); err != nil {
			return nil, err
		}
	}
	return services, nil
}

// own reads the services of a document, and nothing that they refer to.
func (l *loader) own(d document, folder string, env *variables) (map[string]service, error) {
	services := map[string]service{}
	for _, n := range d.services {
		at := config.Pos{File: l.shown(d.file), Line: n.at.Line, Column: n.at.Column}
		if err := l.step(at); err != nil {
			return nil, err
		}
		s := service{extends: n.extends, file: d.file, folder: folder, override: n.override, at: at}
		for _, part := range []struct {
			name string
			to   *field
			from *yaml.Node
		}{{"image", &s.image, n.image}, {"platform", &s.platform, n.platform}} {
			text, err := l.text(d.file, part.from, env)
			if err != nil {
				return nil, err
			}
			*part.to = field{Text: text, present: text.present(), reset: n.resets[part.name]}
		}
		s.build = field{present: n.build != nil && scalar(target(n.build)) != nil, reset: n.resets["build"]}
		services[n.name] = s
	}
	return services, nil
}

// include reads what one entry of "include" names.
func (l *loader) include(file string, entry *yaml.Node, folder string, env *variables, including []string) (map[string]service, error) {
	pathNode, projectNode, envNode := entry, (*yaml.Node)(nil), (*yaml.Node)(nil)
	if target(entry).Kind == yaml.MappingNode {
		pathNode, projectNode, envNode = child(entry, "path"), child(entry, "project_directory"), child(entry, "env_file")
	}
	at := config.Pos{File: l.shown(file), Line: target(entry).Line, Column: target(entry).Column}
	if err := l.step(at); err != nil {
		return nil, err
	}
	texts, err := l.texts(file, pathNode, env)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, errorf(at, IDInvalidCompose, "include has no path")
	}
	var paths []string
	for _, t := range texts {
		path, err := l.place(t, folder)
		if err != nil {
			return nil, err
		}
		if slices.Contains(including, path) {
			return nil, errorf(t.Pos, IDInvalidCompose, "files include each other: %s", l.way(append(slices.Clip(including), path)))
		}
		paths = append(paths, path)
	}
	// A file that is not there is reported where it is named.
	for i, path := range paths {
		if err := l.there(texts[i], path); err != nil {
			return nil, err
		}
	}

	project := filepath.Dir(paths[0])
	directories, err := l.texts(file, projectNode, env)
	if err != nil {
		return nil, err
	}
	for _, t := range directories {
		if project, err = l.place(t, folder); err != nil {
			return nil, err
		}
	}

	files, err := l.texts(file, envNode, env)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		if env, err = l.withEnv(env, filepath.Join(project, ".env")); err != nil {
			return nil, err
		}
	}
	more := envFile{map[string]string{}, map[string]bool{}}
	for _, t := range files {
		if t.Value == "/dev/null" { // the documented way to say "none"
			continue
		}
		path, err := l.place(t, folder)
		if err != nil {
			return nil, err
		}
		if err := l.there(t, path); err != nil {
			return nil, err
		}
		content, err := l.read(path, maxEnvBytes)
		if err != nil {
			return nil, err
		}
		found, err := env.with(more).parseEnv(l.shown(path), string(content))
		if err != nil {
			return nil, err
		}
		maps.Copy(more.values, found.values) // a later file wins
		maps.Copy(more.hidden, found.hidden)
	}
	services, err := l.project(paths, project, env.with(more), including)
	for name, s := range services {
		s.image.reset, s.platform.reset, s.build.reset, s.override = false, false, false, false
		services[name] = s
	}
	return services, err
}

// step bounds what files that are small can ask for: ten that each include the
// next one twice are a thousand.
func (l *loader) step(at config.Pos) error {
	if l.steps++; l.steps > maxSteps {
		return errorf(at, IDTooMuch, "more than %d services and includes, each as often as it is included", maxSteps)
	}
	return nil
}

// there reports a file that does not exist where it is named.
func (l *loader) there(t Text, path string) error {
	if _, err := l.root.Stat(path); err != nil {
		return errorf(t.Pos, IDUnreadableFile, "%s: %v", t.shown(), reason(err))
	}
	return nil
}

// way is "a.yml -> b.yml -> a.yml".
func (l *loader) way(paths []string) string {
	shown := make([]string, len(paths))
	for i, p := range paths {
		shown[i] = l.shown(p)
	}
	return strings.Join(shown, " -> ")
}

// extending resolves "extends" among the services of one file.
type extending struct {
	*loader
	env      *variables
	services map[string]service
	done     map[string]bool
	bases    map[string]*extending // of other files
	file     string
}

// resolve puts a service over what it extends. on is the way to it, for cycles.
func (e *extending) resolve(name string, on []string) error {
	s := e.services[name]
	if s.invalid != nil {
		return s.invalid
	}
	if e.done[name] || s.extends == nil {
		return nil
	}
	step := fmt.Sprintf("%s in %s", quote(name), s.at.File)
	if len(on) > maxDepth || slices.Contains(on, step) {
		on = append(on, step)
		return errorf(s.at, IDInvalidCompose, "services extend each other: %s", strings.Join(on[max(0, len(on)-5):], " -> "))
	}
	on = append(slices.Clip(on), step)

	nameNode, fileNode := s.extends, (*yaml.Node)(nil)
	if target(s.extends).Kind == yaml.MappingNode {
		nameNode, fileNode = child(s.extends, "service"), child(s.extends, "file")
	}
	names, err := e.texts(s.file, nameNode, e.env)
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return errorf(s.at, IDInvalidCompose, "extends names no service")
	}
	files, err := e.texts(s.file, fileNode, e.env)
	if err != nil {
		return err
	}
	from := e
	for _, file := range files {
		if from, err = e.base(file, s.folder); err != nil {
			return err
		}
	}
	if _, there := from.services[names[0].Value]; !there {
		return errorf(names[0].Pos, IDInvalidCompose, "service %s extends %s, which is not in %s", quote(name), names[0].shown(),
			cmp.Or(from.file, s.at.File))
	}
	if err := from.resolve(names[0].Value, on); err != nil {
		return err
	}
	s = s.over(from.services[names[0].Value])
	s.extends = nil
	e.services[name] = s
	e.done[name] = true
	return nil
}

// base reads a file for "extends": its own services, whatever it includes.
func (e *extending) base(named Text, folder string) (*extending, error) {
	path, err := e.place(named, folder)
	if err != nil {
		return nil, err
	}
	if e.bases == nil {
		e.bases = map[string]*extending{}
	}
	if b := e.bases[path]; b != nil {
		return b, nil
	}
	if err := e.there(named, path); err != nil {
		return nil, err
	}
	f := e.parse(path)
	if f.err != nil {
		return nil, f.err
	}
	b := &extending{loader: e.loader, env: e.env, services: map[string]service{}, done: map[string]bool{}, bases: e.bases, file: e.shown(path)}
	for _, d := range f.documents {
		services, err := e.own(d, filepath.Dir(path), e.env)
		if err != nil {
			return nil, err
		}
		for name, s := range services {
			if earlier, there := b.services[name]; there {
				merged := s.over(earlier)
				if merged.extends == nil {
					merged.extends, merged.file, merged.folder = earlier.extends, earlier.file, earlier.folder
				}
				s = merged
			}
			s.invalid = problems(slices.DeleteFunc(slices.Clone(f.invalid), func(p misplaced) bool {
				return len(p.path) < 2 || p.path[0] != "services" || p.path[1] != name
			}))
			b.services[name] = s
		}
	}
	e.bases[path] = b
	return b, nil
}
