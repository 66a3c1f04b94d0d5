package compose

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/interpolation"
	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// errRefused stops compose-go; the project has findings that say why.
var errRefused = errors.New("refused")

// asked is a path as a file names it.
type asked struct {
	by    *source
	base  bool // the file's services are extended: paths are relative to its own folder
	value string
}

// answer is where the path leads, or why it must not be followed.
type answer struct {
	pos      config.Pos
	path     string // in the workspace
	problem  *config.Finding
	included bool
}

// follow finds out where a path leads, before compose-go goes there. It isn't
// known which file compose-go is at, so all that name the path are answered.
func (p *project) follow(key string) interpolation.Cast {
	return func(value string) (any, error) {
		found := false
		for _, s := range p.order {
			n := s.paths[named{key, p.last.Written}]
			if n == nil {
				continue
			}
			if found = true; s.folder != "" {
				p.opens(key, value, p.answer(asked{s, false, value}, n, s.folder))
			}
			if key == "extends" {
				p.answer(asked{s, true, value}, n, filepath.Dir(s.path))
			}
		}
		if !found {
			return nil, p.fail(p.last.Written, findings.OutsideWorkspace, "this path was not found before")
		}
		return value, p.refused()
	}
}

// answer looks at a path that a file names, relative to a folder.
func (p *project) answer(q asked, n *yaml.Node, folder string) *answer {
	a := p.answers[q]
	if a == nil {
		a = &answer{pos: q.by.pos(n)}
		a.path, a.problem = p.resolve(p.last, a.pos, folder)
		p.answers[q] = a
	}
	return a
}

// opens checks the files that compose-go opens for a path without asking Load.
func (p *project) opens(key, value string, a *answer) {
	problem := a.problem
	switch {
	case key == "path":
		if a.included = true; problem != nil {
			return // Load says so
		}
		_, problem = p.readDefaultEnv(filepath.Dir(a.path), p.lookup)
	case key == "extends", key == "env_file" && value == os.DevNull: // the documented way to say "none"
		return
	case problem != nil:
	case key == "env_file":
		_, problem = p.readEnv(a.path, p.lookup)
	case filepath.IsAbs(value): // Dir isn't asked for it
		problem = errorf(a.pos, findings.InvalidCompose, "%s is absolute; write a project_directory that is relative", p.last.shown())
	default:
		_, problem = p.readDefaultEnv(a.path, p.lookup)
	}
	if problem != nil {
		p.errs = append(p.errs, problem)
	}
}

// resolve returns the path in the workspace that a text stands for.
func (p *project) resolve(t Text, pos config.Pos, folder string) (string, *config.Finding) {
	full := t.Value
	if !filepath.IsAbs(full) {
		full = filepath.Join(p.dir, folder, full)
	}
	path, err := filepath.Rel(p.dir, full)
	switch p.paths++; {
	case p.paths > maxPaths:
		return "", errorf(pos, findings.TooMuch, "more than %d paths of files", maxPaths)
	case len(t.Unset) > 0:
		return "", errorf(pos, findings.UnsetVariable, "variable %s is not set; this check cannot know which file %s is", strings.Join(t.Unset, ", "), quote(t.Written))
	case t.Value == "":
		return "", errorf(pos, findings.InvalidCompose, "the path of a file is empty")
	case isRemote(t.Value):
		return "", errorf(pos, findings.RemoteFile, "%s is not in the workspace; nothing is fetched", t.shown())
	case err != nil, !filepath.IsLocal(path), full != filepath.Clean(full): // the system resolves links before "..", and Clean does not
		return "", errorf(pos, findings.OutsideWorkspace, "%s is outside of the workspace, and is not read", t.shown())
	}
	if _, err := p.root.Stat(path); err != nil {
		return "", errorf(pos, findings.UnreadableFile, "%s: %v", t.shown(), reason(err))
	}
	return path, nil
}

// isRemote reports whether docker compose would fetch the path, with git or
// from a registry.
func isRemote(path string) bool {
	return strings.Contains(path, "://") || strings.HasPrefix(path, "git@") || strings.HasPrefix(path, "oci:")
}

// Accept reports that every path is looked up here; compose-go resolves none.
func (p *project) Accept(string) bool { return true }

// Load returns the absolute path of a file that another includes or extends. No
// other file is opened.
func (p *project) Load(ctx context.Context, name string) (string, error) {
	p.settle(p.level)
	file, _ := ctx.Value(consts.ComposeFileKey{}).(string)
	path, err := filepath.Rel(p.dir, file)
	by := p.sources[path]
	if err != nil || by == nil {
		return "", errRefused
	}
	if by.fresh {
		by.fresh, by.included, by.extended = false, map[*source]int{}, map[*source]int{}
	}
	a := p.find(by, name)
	if len(p.errs) > 0 {
		return "", errRefused
	}
	s := p.source(a.path)
	if s == nil {
		return "", errRefused
	}
	p.from, p.asked, p.gave = by, name, s
	if a.included {
		p.include(by, s, a.pos)
	}
	by.extended[s]++
	p.bound(a.pos)
	return p.full(a.path), p.refused()
}

// find returns where a path leads in the file that compose-go is at. It may be
// a path of a file that this one extends.
func (p *project) find(by *source, name string) *answer {
	found := p.answers[asked{by, false, name}]
	for base := range by.extended {
		a := p.answers[asked{base, true, name}]
		switch {
		case a == nil || a.problem != nil && found != nil:
		case found == nil || found.problem != nil:
			found = a
		case a.path != found.path:
			p.report(a.pos, findings.InvalidCompose, "this path stands for two files here; give one of them another path")
		}
	}
	switch {
	case found == nil:
		p.report(config.Pos{File: by.shown}, findings.OutsideWorkspace, "the path of a file was not found before")
	case found.problem != nil:
		p.errs = append(p.errs, found.problem)
	}
	return found
}

// include notes that a file is included by another.
func (p *project) include(by, s *source, at config.Pos) {
	way := s.shown
	for up := by; up != nil; up = up.parent {
		if way = up.shown + " -> " + way; up == s {
			p.report(at, findings.InvalidCompose, "files include each other: %s", way)
			return
		}
	}
	s.parent, s.fresh, p.unsettled = by, true, s
	s.loads++
	by.included[s]++
}

// Dir returns the folder of the file that was loaded last, or what the
// project_directory beside it stands for.
func (p *project) Dir(name string) string {
	folder := filepath.Dir(p.gave.path)
	if name != p.asked && name != p.full(p.gave.path) {
		a := p.answers[asked{p.from, false, name}]
		if a == nil || a.problem != nil {
			p.report(p.where(name), findings.InvalidCompose, "a project_directory is not a text")
			panic(errRefused) // compose-go would go on
		}
		folder = a.path
	}
	p.settle(folder)
	return p.full(folder)
}

// settle notes what the paths of an included file are relative to. compose-go
// asks for the folder of the first path of an include alone; the others share it.
func (p *project) settle(folder string) {
	s := p.unsettled
	if s == nil {
		return
	}
	if s.folder != "" && s.folder != folder {
		p.report(config.Pos{File: s.shown}, findings.InvalidCompose, "the file is included with two project directories; include a copy of it")
	}
	s.folder, p.level, p.unsettled = folder, folder, nil
}

// read returns the content of a plain file in the workspace, or why it can't.
func (p *project) read(path string, most int64) ([]byte, *config.Finding) {
	at := config.Pos{File: p.shown(path)}
	if p.files[path] = true; len(p.files) > maxFiles {
		return nil, errorf(at, findings.TooMuch, "more than %d files are included or extended", maxFiles)
	}
	// Stat comes before opening: opening a pipe would wait for its writer.
	info, err := p.root.Stat(path)
	var data []byte
	switch {
	case err != nil:
	case info.IsDir():
		return nil, errorf(at, findings.UnreadableFile, "expected a plain file, found a folder")
	case !info.Mode().IsRegular():
		return nil, errorf(at, findings.UnreadableFile, "expected a plain file, found a device or pipe")
	case info.Size() > most:
		return nil, errorf(at, findings.TooLarge, "file has %d bytes; at most %d are read", info.Size(), most)
	default:
		data, err = p.root.ReadFile(path)
	}
	if err != nil {
		return nil, errorf(at, findings.UnreadableFile, "%v", reason(err))
	}
	return data, nil
}

// reason is what went wrong with a file, without the path that fs puts before
// it: the place of the finding has that.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		if path.Err.Error() == "path escapes from parent" { // os.Root has no sentinel for it
			return errors.New("the file is a link to somewhere outside of the workspace, and is not followed")
		}
		return path.Err
	}
	return err
}
