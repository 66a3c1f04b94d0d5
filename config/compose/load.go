package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"

	"tagline/config"
	"tagline/config/findings"
)

// Files returns the files of a project: one file, or several joined with the
// separator of PATH, as in COMPOSE_FILE. A file with a default name brings the
// override file beside it, which docker compose merges when no file is named.
func Files(project string) []string {
	if _, err := os.Lstat(project); err != nil && strings.ContainsRune(project, os.PathListSeparator) {
		return strings.Split(project, string(os.PathListSeparator))
	}
	files := []string{project}
	if slices.Contains(cli.DefaultFileNames, filepath.Base(project)) {
		for _, name := range cli.DefaultOverrideFileNames {
			override := filepath.Join(filepath.Dir(project), name)
			if _, err := os.Lstat(override); err == nil {
				return append(files, override)
			}
		}
	}
	return files
}

// Load reads the files of a project (see [Files]) and returns its services by
// name, those of every profile. environment is that of the process.
//
// No file outside the workspace is read. The workspace is the git work tree of
// the first file. Without one, it is the current folder if the file is below
// it, or else the file's own folder.
//
// The error is a [*config.Finding], or several joined. It says where a file is
// not one that docker compose would accept.
func Load(name string, environment map[string]string) ([]Service, error) {
	given := Files(name)
	full, err := filepath.Abs(given[0])
	if err != nil {
		return nil, errorf(config.Pos{File: given[0]}, findings.UnreadableFile, "%v", err)
	}
	dir := workspace(full)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errorf(config.Pos{File: given[0]}, findings.UnreadableFile, "%v", reason(err))
	}
	defer func() { _ = root.Close() }()
	p := newProject(root, dir, given, environment)
	loaded, err := p.load()
	if err != nil {
		return nil, p.problems(err)
	}
	services := make([]Service, 0, len(loaded.Services))
	for name, s := range loaded.Services {
		services = append(services, Service{
			Name:     name,
			Image:    p.unmark(name, "image", s.Image),
			Platform: p.unmark(name, "platform", s.Platform),
			Build:    s.Build != nil,
		})
	}
	slices.SortFunc(services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	return services, nil
}

// workspace is the folder that all of a project's files must be in.
func workspace(full string) string {
	own := filepath.Dir(full)
	for dir := own; ; dir = filepath.Dir(dir) {
		// Git refuses to check out a .git, so a pull request can't bring one.
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

// project is one reading of a project. Paths are relative to the workspace. It
// is the resource loader of compose-go, which confines it.
type project struct {
	root   *os.Root
	dir    string            // the workspace, absolute
	given  []string          // the files that were asked for
	named  map[string]string // how those were spelled
	folder string            // of the first one

	files   map[string]bool
	sources map[string]*source
	order   []*source // in the order of reading
	answers map[asked]*answer
	errs    []error
	paths   int

	// Of the last Load.
	from      *source // the file that names another
	asked     string
	gave      *source
	unsettled *source // whose folder isn't known yet
	level     string  // the last folder that files were included with

	variables
	env    types.Mapping    // of the files that were asked for
	last   Text             // what substitute returned last
	lookup template.Mapping // and with which variables
	texts  []Text           // of images and platforms; their marks are the index
}

func newProject(root *os.Root, dir string, given []string, environment map[string]string) *project {
	return &project{
		root: root, dir: dir, given: given, named: map[string]string{},
		files: map[string]bool{}, sources: map[string]*source{}, answers: map[asked]*answer{},
		variables: variables{process: environment, hidden: map[string]bool{}, longest: types.Mapping{}},
	}
}

func (p *project) report(pos config.Pos, id findings.ID, format string, args ...any) {
	p.errs = append(p.errs, errorf(pos, id, format, args...))
}

// refused is an error if there are findings.
func (p *project) refused() error {
	if len(p.errs) > 0 {
		return errRefused
	}
	return nil
}

func (p *project) full(path string) string { return filepath.Join(p.dir, path) }

// shown is how messages name a file: relative to the first one, as the reader
// spelled it.
func (p *project) shown(path string) string {
	if given, ok := p.named[path]; ok {
		return given
	}
	rel, err := filepath.Rel(p.folder, path)
	if err != nil {
		rel = path
	}
	return filepath.Join(filepath.Dir(p.given[0]), rel)
}

// load has compose-go load the project.
//
// What needs the whole project, such as depends_on, is not checked: override
// files and files to extend are checked alone, too.
func (p *project) load() (loaded *types.Project, err error) {
	defer func() {
		// compose-go asserts types that its schema check would refuse later.
		if r := recover(); r != nil {
			err = fmt.Errorf("compose-go can't read this project: %v", r)
		}
	}()
	details := types.ConfigDetails{}
	for i, file := range p.given {
		full, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		path, err := filepath.Rel(p.dir, full)
		if err != nil || !filepath.IsLocal(path) {
			p.report(config.Pos{File: file}, findings.OutsideWorkspace, "the file is outside of the workspace of %s, and is not read", p.given[0])
			return nil, errRefused
		}
		if i == 0 {
			p.folder, details.WorkingDir = filepath.Dir(path), filepath.Dir(full)
		}
		p.named[path] = file
		if s := p.source(path); s != nil {
			s.folder, s.loads = p.folder, 1
		}
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: full})
	}
	p.env = p.environment()
	details.Environment = maps.Clone(p.env)
	if p.bound(config.Pos{File: p.given[0]}); len(p.errs) > 0 {
		return nil, errRefused
	}
	name, explicit := details.Environment[consts.ComposeProjectName]
	name = loader.NormalizeProjectName(cmp.Or(name, filepath.Base(details.WorkingDir)))
	return loader.LoadWithContext(context.Background(), details, func(o *loader.Options) {
		o.SetProjectName(cmp.Or(name, "default"), explicit)
		o.ResourceLoaders = []loader.ResourceLoader{p}
		o.Profiles = []string{"*"}
		o.SkipConsistencyCheck, o.SkipResolveEnvironment, o.SkipResolveLabels = true, true, true
		o.Interpolate = p.interpolation(details.LookupEnv)
	})
}

// environment is the variables of the process and those of the .env file.
func (p *project) environment() types.Mapping {
	env := types.Mapping{}
	maps.Copy(env, p.process)
	if off, _ := strconv.ParseBool(p.process["COMPOSE_DISABLE_ENV_FILE"]); off {
		return env
	}
	more, problem := p.readDefaultEnv(p.folder, env.Resolve)
	if problem != nil {
		p.errs = append(p.errs, problem)
	}
	return env.Merge(more)
}

// interpolation gives compose-go our substitution of variables, and hooks at the
// paths whose values matter here.
func (p *project) interpolation(lookup interpolation.LookupValue) *interpolation.Options {
	casts := maps.Clone(loader.ToOptions(&types.ConfigDetails{}, nil).Interpolate.TypeCastMapping)
	for path, cast := range casts {
		casts[path] = p.lenient(cast)
	}
	for path, cast := range map[tree.Path]interpolation.Cast{
		"services.*.image":             p.mark,
		"services.*.platform":          p.mark,
		"services.*.ports.[]":          p.portsOf,
		"jobs.*.ports.[]":              p.portsOf,
		"services.*.extends.file":      p.follow("extends"),
		"jobs.*.extends.file":          p.follow("extends"),
		"include.[]":                   p.follow("path"),
		"include.[].path":              p.follow("path"),
		"include.[].path.[]":           p.follow("path"),
		"include.[].project_directory": p.follow("project_directory"),
		"include.[].env_file":          p.follow("env_file"),
		"include.[].env_file.[]":       p.follow("env_file"),
	} {
		casts[path] = cast
	}
	return &interpolation.Options{LookupValue: lookup, TypeCastMapping: casts, Substitute: func(text string, lookup template.Mapping) (string, error) {
		p.settle(p.level)
		t, err := p.substitute(text, lookup)
		if err != nil {
			return "", p.fail(text, findings.InvalidCompose, "%v", err)
		}
		p.last, p.lookup = t, lookup
		return t.Value, nil
	}}
}

// fail reports a problem of a text of some file.
func (p *project) fail(text string, id findings.ID, format string, args ...any) error {
	p.report(p.where(text), id, format, args...)
	return errRefused
}

// where is the first place of a text in the project's files.
func (p *project) where(text string) config.Pos {
	for _, s := range p.order {
		if n := s.texts[text]; n != nil {
			return s.pos(n)
		}
	}
	return config.Pos{File: p.given[0]}
}

// mark adds to an image or a platform a number that stays with it while
// compose-go merges files, and that tells what the value was made of.
func (p *project) mark(value string) (any, error) {
	if p.last.Written == "" {
		return value, nil
	}
	p.texts = append(p.texts, p.last)
	return value + "\x00" + strconv.Itoa(len(p.texts)-1), nil
}

// unmark returns the text that a marked value was made of, with its place.
func (p *project) unmark(service, part, value string) Text {
	i, err := strconv.Atoi(value[strings.LastIndexByte(value, 0)+1:])
	if err != nil || i >= len(p.texts) {
		return Text{}
	}
	t := p.texts[i]
	t.Pos = p.place(service, part, t.Written)
	return t
}

// lenient lets a variable without a value pass where a number or a boolean is
// wanted: the check may run where only the images' variables are set.
func (p *project) lenient(cast interpolation.Cast) interpolation.Cast {
	return func(value string) (any, error) {
		v, err := cast(value)
		for _, other := range []string{"0", "false"} {
			if err != nil && len(p.last.Unset) > 0 {
				v, err = cast(other)
			}
		}
		switch {
		case err == nil:
			return v, nil
		case p.last.Hidden:
			err = errors.New("not of the type that is expected here, with the variables as they are set")
		case errors.Is(err, strconv.ErrSyntax), errors.Is(err, strconv.ErrRange):
			err = errors.New("expected a number")
		}
		return nil, p.fail(p.last.Written, findings.InvalidCompose, "%s: %v", p.last.shown(), err)
	}
}

var portRange = regexp.MustCompile(`(\d+)-(\d+)`)

// portsOf counts the ports of a range: compose-go makes a map of each.
func (p *project) portsOf(value string) (any, error) {
	for _, m := range portRange.FindAllStringSubmatch(value, -1) {
		from, _ := strconv.Atoi(m[1])
		to, _ := strconv.Atoi(m[2])
		for _, s := range p.order {
			if s.texts[p.last.Written] != nil && to > from {
				s.ports += to - from
			}
		}
		p.bound(p.where(p.last.Written))
	}
	return value, p.refused()
}
