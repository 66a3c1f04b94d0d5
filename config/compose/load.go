package compose

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"tagline/config"
	"tagline/config/findings"
)

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
	if info, err := os.Stat(given[0]); err == nil && info.IsDir() {
		return nil, errorf(config.Pos{File: given[0]}, findings.UnreadableFile, "the folder has none of %s", strings.Join(cli.DefaultFileNames, ", "))
	}
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
	p := &project{root: root, dir: dir, given: given, files: map[string]*file{}}
	services := p.load(environment)
	if len(p.errs) > 0 {
		return nil, p.told()
	}
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

// project is one reading of a project. Paths are relative to the workspace.
type project struct {
	root   *os.Root
	dir    string   // the workspace, absolute
	given  []string // the files that were asked for
	folder string   // of the first one

	files map[string]*file
	work  int // see spend
	errs  []error
}

// maxProblems is how many problems of a project are told.
const maxProblems = 20

func (p *project) report(pos config.Pos, id findings.ID, format string, args ...any) {
	p.errs = append(p.errs, errorf(pos, id, format, args...))
}

// told makes one error of the first problems, each of them once.
func (p *project) told() error {
	said := map[string]bool{}
	var first []error
	for _, err := range p.errs {
		if text := err.Error(); !said[text] && len(first) < maxProblems {
			said[text] = true
			first = append(first, err)
		}
	}
	return errors.Join(first...)
}

// shown is how messages name a file: relative to the first one, as the reader
// spelled its folder.
func (p *project) shown(path string) string {
	rel, err := filepath.Rel(p.folder, path)
	if err != nil {
		rel = path
	}
	return filepath.Join(filepath.Dir(p.given[0]), rel)
}

// load returns the services of the project, or reports why there are none.
//
// What needs the whole project, such as depends_on, is not checked: override
// files and files to extend are checked alone, too.
func (p *project) load(environment map[string]string) (services []Service) {
	var paths []string
	for i, name := range p.given {
		full, err := filepath.Abs(name)
		path, outside := filepath.Rel(p.dir, full)
		if err != nil || outside != nil || !filepath.IsLocal(path) {
			p.report(config.Pos{File: name}, findings.OutsideWorkspace, "the file is outside of the workspace of %s, and is not read", p.given[0])
			return nil
		}
		if paths = append(paths, path); i == 0 {
			p.folder = filepath.Dir(path)
		}
	}
	s := scope{folder: p.folder, env: types.Mapping{}}
	maps.Copy(s.env, environment)
	if off, _ := strconv.ParseBool(environment["COMPOSE_DISABLE_ENV_FILE"]); !off {
		found := types.Mapping{}
		p.readDefaultEnv(p.folder, s.env, found)
		s.env.Merge(found)
	}
	p.name(paths, s)
	all := p.services(paths, s)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		said := all[name]
		_, build := said["build"]
		services = append(services, Service{name, said["image"], said["platform"], build})
	}
	return services
}

// name gives COMPOSE_PROJECT_NAME the value that it has for docker compose: the
// name of the project, or that of its folder.
func (p *project) name(paths []string, s scope) {
	if s.env[consts.ComposeProjectName] != "" {
		return
	}
	name := filepath.Base(filepath.Join(p.dir, p.folder))
	for _, path := range paths {
		if s.file = p.file(path); s.file == nil {
			continue
		}
		for _, root := range s.documents {
			if n := child(root, "name"); n != nil {
				t, _ := p.substitute(n.Value, s.env.Resolve) // an error is one of the document
				name = t.Value
			}
		}
	}
	s.env[consts.ComposeProjectName] = cmp.Or(loader.NormalizeProjectName(name), "default")
}
