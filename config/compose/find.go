package compose

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

// Files returns the files of a project: one file, or several joined with the
// separator of PATH, as in COMPOSE_FILE. A folder stands for the file in it that
// docker compose takes. A file with a default name brings the override file
// beside it, which docker compose merges when no file is named.
func Files(project string) []string {
	info, err := os.Stat(project)
	if _, missing := os.Lstat(project); missing != nil && strings.ContainsRune(project, os.PathListSeparator) {
		return strings.Split(project, string(os.PathListSeparator))
	}
	if err == nil && info.IsDir() {
		if found := first(project, cli.DefaultFileNames); found != "" {
			project = found
		}
	}
	files := []string{project}
	if slices.Contains(cli.DefaultFileNames, filepath.Base(project)) {
		if override := first(filepath.Dir(project), cli.DefaultOverrideFileNames); override != "" {
			files = append(files, override)
		}
	}
	return files
}

// first is the path of the first of some names that a folder has, or "".
func first(folder string, names []string) string {
	for _, name := range names {
		path := filepath.Join(folder, name)
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	return ""
}

var composeName = regexp.MustCompile(`^(docker-)?compose(\..+)?\.ya?ml$`)

// Projects returns the projects that an argument names: one, or for FOLDER/...
// each file below the folder that has the name of a compose file. Folders whose
// name begins with a dot are not looked into, and no link is followed.
func Projects(arg string) ([]string, error) {
	folder, below := strings.CutSuffix(filepath.ToSlash(arg), "/...")
	if !below {
		return []string{arg}, nil
	}
	var found []string
	err := filepath.WalkDir(filepath.FromSlash(folder)+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && strings.HasPrefix(name, ".") && filepath.Clean(path) != filepath.Clean(folder):
			return filepath.SkipDir
		case entry.IsDir(), !composeName.MatchString(name):
		case slices.Contains(cli.DefaultOverrideFileNames, name) && first(filepath.Dir(path), cli.DefaultFileNames) != "":
		default:
			found = append(found, filepath.Clean(path))
		}
		return nil
	})
	return found, err
}
