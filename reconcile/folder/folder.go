// Package folder keeps files in a folder that several runs may use at once. Each
// file appears in one step, other users can't write to the folder, and its size
// has a limit.
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
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Folder is an open folder. No name or link can lead out of it.
type Folder struct{ *os.Root }

// Create opens the folder. It creates the folder if it does not exist.
func Create(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return Open(dir)
}

// Open opens a folder. It refuses one to which other users can write, since
// tagline would trust their files. The error wraps [fs.ErrNotExist] if the
// folder does not exist.
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

// Check returns the error that [Create] or a write would have. It makes nothing that
// stays.
func Check(dir string) error {
	f, err := Open(dir)
	if err == nil {
		name := "check" + TemporarySuffix + rand.Text()
		if err = f.WriteFile(name, nil, 0o600); err == nil {
			err = f.Remove(name)
		}
		return errors.Join(err, f.Close())
	}
	for errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir { // it would be made here
		dir = filepath.Dir(dir)
		var made string
		if made, err = os.MkdirTemp(dir, ".tagline-*"); err == nil {
			return os.Remove(made)
		}
	}
	return err
}

func private(root *os.Root) error {
	if runtime.GOOS == "windows" { // modes mean nothing there
		return nil
	}
	info, err := root.Stat(".")
	if err == nil && info.Mode().Perm()&0o022 != 0 {
		err = fmt.Errorf("%s can be written by other users (%v); take that right away, or name another folder", root.Name(), info.Mode().Perm())
	}
	return err
}

// TemporarySuffix is part of the name of a file that is being written.
const TemporarySuffix = ".tmp-"

// Write writes a file so that it appears in one step. After an error, an older
// file with the same name is still there.
func (f *Folder) Write(name string, encode func(io.Writer) error) error {
	return f.write(name, encode, func(*os.File) error { return nil })
}

// WriteDurably does what Write does. It returns once a crash of the machine
// can't lose the file.
func (f *Folder) WriteDurably(name string, encode func(io.Writer) error) error {
	if err := f.write(name, encode, (*os.File).Sync); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // it can't sync a folder
		return nil
	}
	dir, err := f.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close()) // syncs the name
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

// Bounds are the limits of a folder; see [Folder.Trim].
type Bounds struct {
	Bytes int64                  // on disk
	Age   time.Duration          // of a file since its last write or use; 0 for no limit
	Keep  func(name string) bool // reports whether a file must stay; nil if any may go
}

const (
	diskBlock = 4096
	// Abandoned is the age at which a temporary file will never be renamed.
	Abandoned = time.Hour
)

// entry is a file that could be removed.
type entry struct {
	name string
	size int64 // on disk
	used time.Time
}

// Trim removes files that are too old, and the unfinished files of killed runs.
// If the rest is too large, it removes the least recently used files. It then
// frees a tenth of the limit, so that the next run need not trim again.
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
			continue // deleted meanwhile, or a folder
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
		if err := f.Remove(e.name); err != nil && !errors.Is(err, fs.ErrNotExist) { // another run may have removed it
			return err
		}
		total -= e.size
	}
	return nil
}
