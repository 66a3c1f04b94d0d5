package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tagline/config/findings"
)

// maxFiles is how many files are read at most. A folder with more was named by
// mistake.
const maxFiles = 100_000

// Stdin is the name of standard input for -f, and stdinName is its name in
// positions.
const (
	Stdin     = "-"
	stdinName = "stdin"
)

// file is a file of images.yaml.
type file struct {
	name     string // as it is told to people
	path     string // to open; "" for standard input
	relative string // within the folder that -f names, with slashes
	named    bool   // -f names it, and not a folder
	once     bool   // it can be read only once: standard input, a pipe
	err      error  // it can't be read
	root     bool
}

// find returns the files that names stand for, the root file first. What is wrong
// with the files of a folder is a problem; a name that does not exist is the error of
// its file.
func find(names []string) ([]file, found) {
	t := &tree{seen: map[string]bool{}, folded: map[string]string{}}
	for i, name := range names {
		if err := t.name(name, i == 0); err != nil {
			t.files = append(t.files, file{name: name, named: true, root: i == 0, err: err})
		}
	}
	return t.files, t.problems
}

// tree collects files.
type tree struct {
	files    []file
	met      int               // files, those that were there before included
	seen     map[string]bool   // by real path
	folded   map[string]string // the name by the name without case
	problems found
}

func (t *tree) report(name string, id findings.ID, format string, args ...any) {
	t.problems.add(&Finding{ID: id, Pos: Pos{File: name}, Message: fmt.Sprintf(format, args...)})
}

// name adds what one name stands for.
func (t *tree) name(name string, first bool) error {
	if name == Stdin {
		t.add(file{name: stdinName, relative: stdinName, named: true, once: true, root: first}, Stdin)
		return nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: cause(err)}
	}
	real := name
	once := info.Mode()&fs.ModeNamedPipe != 0
	if !once { // a shell's <(command) is a link that leads to no path
		real, err = filepath.EvalSymlinks(name)
	}
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		t.add(file{name: name, path: name, relative: filepath.Base(name), named: true, once: once, root: first}, real)
		return nil
	}
	before, met := len(t.files), t.met
	if err := t.folder(name, real); err != nil {
		return err
	}
	if t.met == met && t.problems.all == 0 {
		t.report(name, findings.MissingImages, "folder has no file that ends in .yaml or .yml; expected one with images, at any depth")
	}
	if first {
		t.root(t.files[before:])
	}
	return nil
}

// root puts the root file first: images.yaml or images.yml in the first folder
// itself, if there is one.
func (t *tree) root(files []file) {
	is := func(f file) bool { return isRootName(f.relative) }
	i := slices.IndexFunc(files, is)
	if i < 0 {
		return
	}
	if k := slices.IndexFunc(files[i+1:], is); k >= 0 {
		t.report(files[i+1+k].name, findings.SameName, "%s is there as well, and either may be the root file; keep one", files[i].name)
	}
	root := files[i]
	root.root = true
	copy(files[1:i+1], files[:i])
	files[0] = root
}

// isRootName reports whether a file of the first folder is the root file.
func isRootName(relative string) bool { return relative == "images.yaml" || relative == "images.yml" }

// add adds a file, once by its real path.
func (t *tree) add(f file, real string) {
	if t.met++; t.seen[real] {
		return
	}
	t.seen[real] = true
	if folded := strings.ToLower(f.name); f.path != "" {
		if other, clash := t.folded[folded]; clash {
			t.report(f.name, findings.SameName, "name differs from %s in case alone, so that both are one file on some systems; rename one", other)
		}
		t.folded[folded] = f.name
	}
	t.files = append(t.files, f)
}

// folder adds the YAML files of a folder in the order of their paths, and then those
// that links lead to: a file that is there twice has the name without a link.
func (t *tree) folder(named, real string) error {
	before := len(t.files)
	var links []string
	err := filepath.WalkDir(real, func(path string, entry fs.DirEntry, err error) error {
		relative, _ := filepath.Rel(real, path)
		name := filepath.Join(named, relative)
		switch {
		case path == real:
			return err
		case strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case err != nil:
			t.report(name, findings.UnreadableFile, "folder can't be read: %v", cause(err))
			return fs.SkipDir
		case entry.Type()&fs.ModeSymlink != 0:
			links = append(links, path)
		case !entry.IsDir() && !isYAML(name) && isYAML(strings.ToLower(name)):
			t.report(name, findings.UnreadableFile, "files of a folder end in .yaml or .yml, in lower case; rename it, or name it with -f")
		case entry.IsDir() || !isYAML(entry.Name()):
		case !entry.Type().IsRegular():
			t.report(name, findings.UnreadableFile, "it is not a plain file; remove it, or name it with -f")
		case len(t.files) == maxFiles:
			return fmt.Errorf("folder %s has more than %d files; name a smaller one", named, maxFiles)
		default:
			t.add(file{name: name, path: path, relative: filepath.ToSlash(relative)}, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, path := range links {
		relative, _ := filepath.Rel(real, path)
		t.link(filepath.Join(named, relative), path, relative, real)
	}
	slices.SortStableFunc(t.files[before:], func(a, b file) int { return strings.Compare(a.relative, b.relative) })
	return nil
}

// link adds the file that a link leads to, if that is in the folder. So a
// ConfigMap of Kubernetes can be read, where images.yaml is a link to
// ..data/images.yaml, and a link in a repository can't show what is beside it.
func (t *tree) link(name, path, relative, folder string) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		if isYAML(name) {
			t.report(name, findings.UnreadableFile, "link leads nowhere: %v", cause(err))
		}
		return
	}
	info, err := os.Stat(target)
	within, _ := filepath.Rel(folder, target)
	switch {
	case err != nil:
		t.report(name, findings.UnreadableFile, "file can't be read: %v", cause(err))
	case info.IsDir():
		t.report(name, findings.LinkOutside, "it is a link to a folder, which is not followed; remove the link, and name that folder with -f if its files are meant")
	case !isYAML(name):
	case !filepath.IsLocal(within):
		t.report(name, findings.LinkOutside, "link leads out of the folder, to %s; remove the link and name that file with -f, or copy it into the folder", quote(filepath.ToSlash(within)))
	case !info.Mode().IsRegular():
		t.report(name, findings.UnreadableFile, "it is not a plain file; remove it, or name it with -f")
	default:
		t.add(file{name: name, path: target, relative: filepath.ToSlash(relative)}, target)
	}
}

// InFolder reports whether a file is read when its folder is named: by its path
// from there.
func InFolder(path string) bool {
	for part := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if strings.HasPrefix(part, ".") {
			return false
		}
	}
	return isYAML(path)
}

// isYAML reports whether a file of a folder is read.
func isYAML(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml":
		return true
	}
	return false
}

// cause returns an error of the system without the path.
func cause(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}
