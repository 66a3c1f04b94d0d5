package report

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"tagline/config"
)

// Forge is where a forge shows the files of a run, at its commit. The zero Forge
// shows none.
type Forge struct {
	Blob string // the URL of the root of the work tree, with a slash at its end
	// Folder is the folder of the findings' files in the work tree; "" means its root.
	Folder string
}

// link returns the URL of a line of a file, "" if the file is not in the work tree.
func (f Forge) link(pos config.Pos) string {
	name := filepath.ToSlash(pos.File)
	if f.Blob == "" || pos.Line == 0 || path.IsAbs(name) {
		return ""
	}
	if name = path.Join(f.Folder, name); !filepath.IsLocal(filepath.FromSlash(name)) {
		return ""
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return fmt.Sprintf("%s%s#L%d", f.Blob, strings.Join(parts, "/"), pos.Line)
}
