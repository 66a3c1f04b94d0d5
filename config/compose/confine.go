package compose

import (
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

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

// resolve returns the path in the workspace that a text stands for. It is "", with a
// finding, if there is none.
func (p *project) resolve(s *scope, n *yaml.Node) string {
	t := p.text(s, n)
	full := t.Value
	if !filepath.IsAbs(full) {
		full = filepath.Join(p.dir, s.folder, full)
	}
	path, err := filepath.Rel(p.dir, full)
	switch {
	case len(t.Unset) > 0:
		p.report(t.Pos, findings.UnsetVariable, "variable %s is not set; this check cannot know which file %q is", strings.Join(t.Unset, ", "), t.Written)
	case t.Value == "":
		p.report(t.Pos, findings.InvalidCompose, "the path of a file is empty")
	case strings.Contains(t.Value, "://"), strings.HasPrefix(t.Value, "git@"), strings.HasPrefix(t.Value, "oci:"): // docker compose would fetch it
		p.report(t.Pos, findings.RemoteFile, "%s is not in the workspace; nothing is fetched", t.shown())
	case err != nil, !filepath.IsLocal(path), full != filepath.Clean(full): // the system resolves links before "..", and Clean does not
		p.report(t.Pos, findings.OutsideWorkspace, "%s is outside of the workspace, and is not read", t.shown())
	default:
		if _, err = p.root.Stat(path); err == nil {
			return path
		}
		p.report(t.Pos, findings.UnreadableFile, "%s: %v", t.shown(), reason(err))
	}
	return ""
}
