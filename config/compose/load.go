package compose

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"

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
// not one that docker compose would accept. What needs the whole project, such as
// depends_on, is not checked: override files and files to extend are checked alone,
// too.
func Load(name string, environment map[string]string) (services []Service, err error) {
	given := Files(name)
	if info, err := os.Stat(given[0]); err == nil && info.IsDir() {
		return nil, errorf(config.Pos{File: given[0]}, findings.UnreadableFile, "the folder has none of %s", strings.Join(cli.DefaultFileNames, ", "))
	}
	for _, name := range given {
		if found := stream(name); found != "" {
			return nil, errorf(config.Pos{File: name}, findings.UnreadableFile,
				"expected a plain file, found %s; its folder says what a project may read, so write it to a file in the project's folder, and name that", found)
		}
	}
	p := &project{given: given[0], files: map[string]*file{}}
	full, err := filepath.Abs(p.given)
	if err == nil {
		p.dir = workspace(full)
		p.root, err = os.OpenRoot(p.dir)
	}
	if err != nil {
		return nil, errorf(config.Pos{File: p.given}, findings.UnreadableFile, "%v", reason(err))
	}
	defer func() { _ = p.root.Close() }()
	var paths []string
	for _, name := range given {
		full, err := filepath.Abs(name)
		path, outside := filepath.Rel(p.dir, full)
		if err != nil || outside != nil || !filepath.IsLocal(path) {
			return nil, errorf(config.Pos{File: name}, findings.OutsideWorkspace, "the file is outside of the workspace of %s, and is not read", p.given)
		}
		paths = append(paths, path)
	}
	p.folder = filepath.Dir(paths[0])
	s := scope{folder: p.folder, env: environment}
	if off, _ := strconv.ParseBool(environment["COMPOSE_DISABLE_ENV_FILE"]); !off {
		s.env = p.withEnv(s.env, p.defaultEnv(s.folder))
	}
	all := p.services(paths, s)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		said := all[name]
		_, build := said["build"]
		services = append(services, Service{name, said["image"], said["platform"], build})
	}
	if len(p.errs) > 0 {
		return nil, p.told()
	}
	return services, nil
}

// stream says what a name stands for that is in no folder of a project, such as a
// shell's <(command). It is "" for a file, for a folder, and for what does not exist.
func stream(name string) string {
	info, err := os.Stat(name)
	switch {
	case err != nil && name == "-":
		return "standard input"
	case err == nil && !info.IsDir() && !info.Mode().IsRegular():
		return "a device or pipe"
	}
	return ""
}
