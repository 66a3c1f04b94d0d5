package compose

import (
	"errors"
	"io/fs"

	"tagline/config"
	"tagline/config/findings"
)

// What a project may take at most. No file that people write is refused.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 100     // of maps and lists, and of services that extend each other
	maxWork      = 100_000 // see spend
)

// What counts as much as a value.
const (
	bytesOfWork = 100 // so many bytes of a file or of variables
	workOfFile  = 100 // in values: each time that a file is read, or a document checked
)

// spend reports whether there is time for so many more values. Small files can
// ask for a lot: ten that each include the next one twice are a thousand.
func (p *project) spend(values int) bool {
	if p.work <= maxWork {
		if p.work += values; p.work > maxWork {
			p.report(config.Pos{File: p.given}, findings.TooMuch, "project is too large: more than %d values, with YAML aliases, includes, extends and variables written out", maxWork)
		}
	}
	return p.work <= maxWork
}

// read returns the content of a plain file in the workspace, or reports why it
// can't. Nothing else reads a file.
func (p *project) read(path string) (data []byte, ok bool) {
	at := config.Pos{File: p.shown(path)}
	// Stat comes before opening: opening a pipe would wait for its writer.
	info, err := p.root.Stat(path)
	switch {
	case err != nil:
	case info.IsDir():
		err = errors.New("expected a plain file, found a folder")
	case !info.Mode().IsRegular():
		err = errors.New("expected a plain file, found a device or pipe")
	case info.Size() > maxFileBytes:
		p.report(at, findings.TooLarge, "file has %d bytes; at most %d are read", info.Size(), maxFileBytes)
		return nil, false
	default:
		data, err = p.root.ReadFile(path)
	}
	if err != nil {
		p.report(at, findings.UnreadableFile, "%v", reason(err))
		return nil, false
	}
	return data, p.spend(workOfFile + len(data)/bytesOfWork)
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
