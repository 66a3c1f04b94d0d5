package compose

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// What a project may take at most. No file that people write is refused.
const (
	maxFileBytes = 1 << 20
	maxEnvBytes  = 64 << 10
	maxFiles     = 200
	maxDepth     = 100
	maxNodes     = 50_000  // values of one file, with its YAML aliases written out
	maxKeys      = 10_000  // of one map: compose-go compares each key with each other
	maxResets    = 200     // "!reset" and "!override" of one file
	maxWork      = 200_000 // values of all files, each as often as it is included or extended
	maxPorts     = 100_000 // that ranges stand for
)

// source is a file of the project that has been read.
type source struct {
	path      string // in the workspace
	shown     string // in messages
	documents []document
	env       *environment // with which it is read
	extended  bool         // only services are taken from it
}

// document is one YAML document of a file.
type document struct {
	root, include *yaml.Node
	services      map[string]service
}

// service is a service of a document: its key and what it says.
type service struct{ key, value *yaml.Node }

func (s *source) pos(n *yaml.Node) config.Pos {
	return config.Pos{File: s.shown, Line: n.Line, Column: n.Column}
}

// source reads a compose file once. It is nil, with a finding, if the file
// can't be read.
func (p *project) source(path string) *source {
	if s, done := p.sources[path]; done {
		return s
	}
	p.sources[path] = nil
	data, ok := p.read(path, maxFileBytes)
	if !ok {
		return nil
	}
	s := &source{path: path, shown: p.shown(path)}
	roots, err := config.ReadYAML(s.shown, data)
	if err != nil {
		p.errs = append(p.errs, err)
		return nil
	}
	if len(roots) == 0 {
		p.report(config.Pos{File: s.shown}, findings.InvalidCompose, "file is empty; expected services")
		return nil
	}
	screen := &screen{source: s}
	for _, root := range roots {
		if screen.value(root, 1); screen.problem == nil && target(root).Kind != yaml.MappingNode {
			screen.fail(root, findings.InvalidCompose, "expected a map of services, volumes and the like")
		}
		if screen.problem != nil {
			p.errs = append(p.errs, screen.problem)
			return nil
		}
		d := document{root: root, include: child(root, "include"), services: map[string]service{}}
		for _, each := range entries(child(root, "services")) {
			d.services[target(each[0]).Value] = service{each[0], each[1]}
		}
		s.documents = append(s.documents, d)
	}
	p.sources[path] = s
	p.order = append(p.order, s)
	return s
}

// read returns the content of a plain file in the workspace, or reports why it
// can't.
func (p *project) read(path string, most int64) (data []byte, ok bool) {
	at := config.Pos{File: p.shown(path)}
	if p.files++; p.files > maxFiles {
		p.report(at, findings.TooMuch, "more than %d files are included or extended", maxFiles)
		p.stopped = true
		return nil, false
	}
	// Stat comes before opening: opening a pipe would wait for its writer.
	info, err := p.root.Stat(path)
	if err == nil {
		switch {
		case info.IsDir():
			p.report(at, findings.UnreadableFile, "expected a plain file, found a folder")
			return nil, false
		case !info.Mode().IsRegular():
			p.report(at, findings.UnreadableFile, "expected a plain file, found a device or pipe")
			return nil, false
		case info.Size() > most:
			p.report(at, findings.TooLarge, "file has %d bytes; at most %d are read", info.Size(), most)
			return nil, false
		}
		data, err = p.root.ReadFile(path)
	}
	if err != nil {
		p.report(at, findings.UnreadableFile, "%v", reason(err))
	}
	return data, err == nil
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

// reference is a path as a compose file names it.
type reference struct{ file, name string }

// follow returns the path in the workspace that a file names, and lets
// compose-go go there. It reports a path that is not in the workspace or does
// not exist. from is the file whose includes and extends compose-go is at;
// folder is what the path is relative to.
func (p *project) follow(from *source, named Text, folder string) (path string, ok bool) {
	if named.Value == "" {
		p.report(named.Pos, findings.InvalidCompose, "the path of a file is empty")
		return "", false
	}
	if isRemote(named.Value) {
		p.report(named.Pos, findings.RemoteFile, "%s is not in the workspace; nothing is fetched", named.shown())
		return "", false
	}
	full := named.Value
	if !filepath.IsAbs(full) {
		full = filepath.Join(p.dir, folder, full)
	}
	path, err := filepath.Rel(p.dir, full)
	// The system resolves links before "..", and Clean does not.
	if err != nil || !filepath.IsLocal(path) || full != filepath.Clean(full) {
		p.report(named.Pos, findings.OutsideWorkspace, "%s is outside of the workspace, and is not read", named.shown())
		return "", false
	}
	if _, err := p.root.Stat(path); err != nil {
		p.report(named.Pos, findings.UnreadableFile, "%s: %v", named.shown(), reason(err))
		return "", false
	}
	key := reference{p.full(from.path), named.Value}
	if before := p.named[key]; before != "" && before != full {
		p.report(named.Pos, findings.InvalidCompose, "%s stands for two files here, %s and %s; give one of them another path",
			named.shown(), p.shown(path), p.shown(strings.TrimPrefix(before, p.dir+string(os.PathSeparator))))
		return "", false
	}
	p.named[key], p.seen[named.Value] = full, true
	return path, true
}

// isRemote reports whether docker compose would fetch the path, with git or
// from a registry.
func isRemote(path string) bool {
	return strings.Contains(path, "://") || strings.HasPrefix(path, "git@") || strings.HasPrefix(path, "oci:")
}

func (p *project) full(path string) string { return filepath.Join(p.dir, path) }

// shown is how messages name a file: relative to the first one, as the reader
// spelled it.
func (p *project) shown(path string) string {
	if given, ok := p.given[path]; ok {
		return given
	}
	rel, err := filepath.Rel(p.folder, path)
	if err != nil {
		rel = path
	}
	return filepath.Join(filepath.Dir(p.given[p.main[0]]), rel)
}
