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
	p := newProject(root, dir, environment)
	if err := p.survey(given); err != nil {
		return nil, err
	}
	loaded, err := p.load(false)
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

// load has compose-go load the project that survey has followed. With conceal,
// variables of the process have a made-up value.
//
// What needs the whole project, such as depends_on, is not checked: override
// files and files to extend are checked alone, too.
func (p *project) load(conceal bool) (loaded *types.Project, err error) {
	defer func() {
		// compose-go asserts types that its schema check would refuse later.
		if r := recover(); r != nil {
			err = fmt.Errorf("compose-go can't read this project: %v", r)
		}
	}()
	p.conceal, p.texts = conceal, nil
	details := types.ConfigDetails{WorkingDir: filepath.Join(p.dir, p.folder), Environment: maps.Clone(p.env.values)}
	for _, path := range p.main {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: p.full(path)})
	}
	return loader.LoadWithContext(context.Background(), details, func(o *loader.Options) {
		o.SetProjectName(p.env.values[consts.ComposeProjectName], true)
		o.ResourceLoaders = []loader.ResourceLoader{&surveyed{project: p}}
		o.Profiles = []string{"*"}
		o.SkipConsistencyCheck, o.SkipResolveEnvironment, o.SkipResolveLabels = true, true, true
		o.Interpolate = p.interpolation(details.LookupEnv)
	})
}

// surveyed is the resource loader that confines compose-go: it leads to files
// that survey has followed, and to no others.
type surveyed struct {
	*project
	from, asked, gave string // of the last Load
}

// Accept reports that every path is looked up here; compose-go resolves none.
func (s *surveyed) Accept(string) bool { return true }

// Load returns the absolute path of a file that includes or extends name.
func (s *surveyed) Load(ctx context.Context, name string) (string, error) {
	s.from, _ = ctx.Value(consts.ComposeFileKey{}).(string)
	s.asked, s.gave = name, s.named[reference{s.from, name}]
	if s.gave == "" {
		return "", fmt.Errorf("%s was not found before", quote(name))
	}
	return s.gave, nil
}

// Dir returns the folder of the file that was loaded last, or what a
// project_directory beside it stands for.
func (s *surveyed) Dir(name string) string {
	if name == s.asked || name == s.gave {
		return filepath.Dir(s.gave)
	}
	return s.named[reference{s.from, name}]
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
		"services.*.ports.[]":          p.ports,
		"jobs.*.ports.[]":              p.ports,
		"include.[].project_directory": p.approved,
		"include.[].env_file":          p.approved,
		"include.[].env_file.[]":       p.approved,
	} {
		casts[path] = cast
	}
	return &interpolation.Options{LookupValue: lookup, TypeCastMapping: casts, Substitute: func(text string, lookup template.Mapping) (string, error) {
		t, err := p.substitute(text, lookup)
		if err != nil {
			return "", &misplaced{text, findings.InvalidCompose, err.Error()}
		}
		p.last = t
		return t.Value, nil
	}}
}

// misplaced is an error about a text of a file, whose place is not known yet.
type misplaced struct {
	text    string
	id      findings.ID
	message string
}

func (m *misplaced) Error() string { return m.message }

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
		return nil, &misplaced{p.last.Written, findings.InvalidCompose, fmt.Sprintf("%s: %v", p.last.shown(), err)}
	}
}

var portRange = regexp.MustCompile(`(\d+)-(\d+)`)

// ports counts the ports of a range: compose-go makes an entry of each.
func (p *project) ports(value string) (any, error) {
	for _, m := range portRange.FindAllStringSubmatch(value, -1) {
		from, _ := strconv.Atoi(m[1])
		to, _ := strconv.Atoi(m[2])
		p.portCount += max(0, to-from)
	}
	if p.portCount > maxPorts {
		return nil, &misplaced{p.last.Written, findings.TooMuch, fmt.Sprintf("more than %d ports are given as ranges", maxPorts)}
	}
	return value, nil
}

// approved refuses a path that survey has not seen.
func (p *project) approved(value string) (any, error) {
	if !p.seen[value] {
		return nil, &misplaced{p.last.Written, findings.OutsideWorkspace, "path was not found before"}
	}
	return value, nil
}
