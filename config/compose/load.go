package compose

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
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
		service := Service{
			Name:     name,
			Image:    p.unmark(name, "image", s.Image),
			Platform: p.unmark(name, "platform", s.Platform),
			Build:    s.Build != nil,
		}
		if s.Build != nil {
			for _, tag := range s.Build.Tags {
				service.BuildTags = append(service.BuildTags, p.unmark(name, "build.tags", tag))
			}
		}
		services = append(services, service)
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
	dir    string   // the workspace, absolute
	given  []string // the files that were asked for
	folder string   // of the first one

	files   map[string]bool
	sources map[string]*source
	order   []*source // in the order of reading
	answers map[asked]*answer
	errs    []error
	paths   int  // that were looked at
	stopped bool // too much is asked for

	// Of the last Load.
	from      *source // the file that names another
	asked     string
	gave      *source
	unsettled *source // whose folder isn't known yet
	level     string  // the last folder that files were included with

	variables
	last   Text             // what substitute returned last
	lookup template.Mapping // and with which variables
	texts  []Text           // of images and platforms; their marks are the index
}

func newProject(root *os.Root, dir string, given []string, environment map[string]string) *project {
	return &project{
		root: root, dir: dir, given: given,
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
// spelled its folder.
func (p *project) shown(path string) string {
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
		if s := p.source(path); s != nil {
			s.folder, s.loads = p.folder, 1
		}
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: full})
	}
	details.Environment = types.Mapping{}
	maps.Copy(details.Environment, p.process)
	if off, _ := strconv.ParseBool(p.process["COMPOSE_DISABLE_ENV_FILE"]); !off {
		more, problem := p.readDefaultEnv(p.folder, details.Environment.Resolve)
		if problem != nil {
			p.errs = append(p.errs, problem)
		}
		details.Environment.Merge(more)
	}
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
