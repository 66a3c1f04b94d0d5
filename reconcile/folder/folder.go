// Package folder is a folder of files that concurrent runs may share. Each file
// appears in one step, no other user can write any, and old files make room for
// new ones.
package folder

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Folder is one that is open. Nothing in it leads out of it.
type Folder struct{ *os.Root }

// Create makes the folder if it is not there, and opens it.
func Create(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return Open(dir)
}

// Open refuses a folder into which another user could put files: what they say
// would be believed. The error wraps [fs.ErrNotExist] if there is no such folder.
func Open(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if err := private(root); err != nil {
		_ = root.Close()
		return nil, err
	}
	return &Folder{root}, nil
}

func private(root *os.Root) error {
	if runtime.GOOS == "windows" { // where the mode tells nothing
		return nil
	}
	info, err := root.Stat(".")
	if err == nil && info.Mode().Perm()&0o022 != 0 {
		err = fmt.Errorf("%s can be written by other users (%v); take that right away, or name another folder", root.Name(), info.Mode().Perm())
	}
	return err
}

// TemporarySuffix is in the name of a file that is being written.
const TemporarySuffix = ".tmp-"

// Write writes a file that appears in one step, or not at all.
func (f *Folder) Write(name string, encode func(io.Writer) error) error {
	return f.write(name, encode, func(*os.File) error { return nil })
}

// WriteDurably is Write for a file that a crash of the machine must not take
// away once it returns.
func (f *Folder) WriteDurably(name string, encode func(io.Writer) error) error {
	if err := f.write(name, encode, (*os.File).Sync); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // which can't sync a folder
		return nil
	}
	dir, err := f.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close()) // the name, too
}

func (f *Folder) write(name string, encode func(io.Writer) error, finish func(*os.File) error) error {
	temporary := name + TemporarySuffix + rand.Text()
	file, err := f.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	content := bufio.NewWriterSize(file, 1<<16)
	err = encode(content)
	err = errors.Join(err, content.Flush(), finish(file), file.Close())
	if err == nil {
		err = f.Rename(temporary, name)
	}
	if err != nil {
		_ = f.Remove(temporary)
	}
	return err
}

// Bounds are what [Folder.Trim] brings a folder back under.
type Bounds struct {
	Bytes int64                  // on disk
	Age   time.Duration          // of files that nobody has written or touched since; 0 for any
	Keep  func(name string) bool // files that stay in any case; nil for none
}

const (
	diskBlock = 4096
	// Abandoned is when nobody will rename a temporary file any more.
	Abandoned = time.Hour
)

// entry is a file, as [Folder.Trim] sees it.
type entry struct {
	name string
	size int64 // on disk
	used time.Time
}

// Trim removes what is too old, then what was not used for longest, a tenth more
// than it must so that the next run need not do it again, and what a killed run
// left half done.
func (f *Folder) Trim(b Bounds, now time.Time) error {
	files, err := fs.ReadDir(f.FS(), ".")
	if err != nil {
		return err
	}
	var entries []entry
	var total int64
	for _, file := range files {
		info, err := file.Info()
		if err != nil || file.IsDir() {
			continue // gone meanwhile, or not of this folder's kind
		}
		age := now.Sub(info.ModTime())
		kept := b.Keep != nil && b.Keep(file.Name())
		if strings.Contains(file.Name(), TemporarySuffix) && age > Abandoned || !kept && b.Age > 0 && age > b.Age {
			_ = f.Remove(file.Name())
			continue
		}
		size := (info.Size() + diskBlock - 1) / diskBlock * diskBlock
		total += size
		if !kept {
			entries = append(entries, entry{file.Name(), size, info.ModTime()})
		}
	}
	if total <= b.Bytes {
		return nil
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	for _, e := range entries {
		if total <= b.Bytes/10*9 {
			break
		}
		if err := f.Remove(e.name); err != nil && !errors.Is(err, fs.ErrNotExist) { // by another run
			return err
		}
		total -= e.size
	}
	return nil
}
