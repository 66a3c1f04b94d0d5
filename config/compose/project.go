package compose

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// project is one reading of a project. Paths are relative to the workspace.
type project struct {
	root   *os.Root
	dir    string // the workspace, absolute
	given  string // the first file, as it was asked for
	folder string // of that file

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
	return filepath.Join(filepath.Dir(p.given), rel)
}

// scope is one reading of a file.
type scope struct {
	*file
	folder string        // what its paths are relative to
	env    types.Mapping // its variables
	from   *scope        // the file that includes it
}

// file is a compose file that has been read.
type file struct {
	path, shown string       // in the workspace; in messages
	documents   []*yaml.Node // plain
	values      int
}

func (f *file) pos(n *yaml.Node) config.Pos {
	return config.Pos{File: f.shown, Line: n.Line, Column: n.Column}
}
