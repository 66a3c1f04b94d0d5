package cache

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// layout is part of every path, so that versions of tagline with different
// formats don't share files.
const layout = "v1"

// folder is the cache on disk. After a failed write, the run writes no more. A
// folder that can't be trusted is not even read.
type folder struct {
	dir   string
	limit int64
	warn  func(error)

	warned   sync.Once
	mu       sync.Mutex // guards the fields below
	root     *os.Root   // nil until something is there
	unusable bool

	frozen, wrote atomic.Bool
}

// open returns nil if the folder does not exist or can't be used.
func (f *folder) open(create bool) *os.Root {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root != nil || f.unusable {
		return f.root
	}
	dir := filepath.Join(f.dir, layout)
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			f.frozen.Store(true)
			f.trouble(err)
			return nil
		}
	}
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = private(root)
	}
	if err != nil {
		f.unusable = true
		f.trouble(err)
		return nil
	}
	f.root = root
	return root
}

// private refuses a folder into which another user could put files, since their
// media types and platforms would be believed.
func private(root *os.Root) error {
	if runtime.GOOS == "windows" { // where modes mean nothing
		return nil
	}
	info, err := root.Stat(".")
	if err == nil && info.Mode().Perm()&0o022 != 0 {
		err = fmt.Errorf("%s can be written by other users (%v); take that right away, or name another folder", root.Name(), info.Mode().Perm())
	}
	return err
}

// trouble warns, once.
func (f *folder) trouble(err error) {
	f.warned.Do(func() { f.warn(fmt.Errorf("cache %s: %w; going on without it", f.dir, err)) })
}

// Each file ends with the SHA-256 of the rest, since the digest of a manifest
// does not cover its media type.
const sumLength = sha256.Size

// maxFile is larger than any file of a cache.
const maxFile = 256 << 20

// usedWithin is how precisely the folder knows when a file was last used.
const usedWithin = 24 * time.Hour

// read decodes a file that was written completely, and returns when that was.
func (f *folder) read(name string, decode func(io.Reader) error) (time.Time, error) {
	root := f.open(false)
	if root == nil {
		return time.Time{}, fs.ErrNotExist
	}
	file, err := root.Open(name)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return time.Time{}, err
	}
	length := info.Size() - sumLength
	if !info.Mode().IsRegular() || length > maxFile {
		return time.Time{}, fmt.Errorf("%s is no file that tagline wrote", name)
	}
	if err := verify(file, length); err != nil {
		_ = root.Remove(name) // it is of no use
		return time.Time{}, fmt.Errorf("%s is damaged: %w", name, err)
	}
	if err := decode(bufio.NewReader(io.NewSectionReader(file, 0, length))); err != nil {
		return time.Time{}, fmt.Errorf("%s is damaged: %w", name, err)
	}
	as := info.ModTime()
	if now := time.Now(); now.Sub(as) > usedWithin && root.Chtimes(name, now, now) == nil {
		as = f.writtenAt(name)
	}
	return as, nil
}

func verify(file io.ReaderAt, length int64) error {
	if length < 0 {
		return io.ErrUnexpectedEOF
	}
	sum, want := sha256.New(), make([]byte, sumLength)
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, length)); err != nil {
		return err
	}
	if _, err := file.ReadAt(want, length); err != nil {
		return err
	}
	if string(sum.Sum(nil)) != string(want) {
		return errors.New("its content is not what was written")
	}
	return nil
}

// writtenAt returns when a file was written, zero if there is none.
func (f *folder) writtenAt(name string) time.Time {
	root := f.open(false)
	if root == nil {
		return time.Time{}
	}
	info, err := root.Stat(name)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// write writes a file so that it appears in one step.
func (f *folder) write(name string, encode func(io.Writer) error) {
	if f.frozen.Load() {
		return
	}
	root := f.open(true)
	if root == nil {
		return
	}
	f.wrote.Store(true)
	temporary := name + temporarySuffix + rand.Text()
	err := writeSummed(root, temporary, encode)
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		_ = root.Remove(temporary)
		f.frozen.Store(true)
		f.trouble(err)
	}
}

const temporarySuffix = ".tmp-"

func writeSummed(root *os.Root, name string, encode func(io.Writer) error) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	content := summed{bufio.NewWriterSize(file, 1<<16), sha256.New()}
	err = encode(content)
	if err == nil {
		_, err = content.Writer.Write(content.sum.Sum(nil))
	}
	return errors.Join(err, content.Flush(), file.Close())
}

// summed computes the checksum of what is written through it.
type summed struct {
	*bufio.Writer
	sum hash.Hash
}

// Write implements [io.Writer].
func (s summed) Write(p []byte) (int, error) {
	_, _ = s.sum.Write(p) // never fails
	return s.Writer.Write(p)
}

// close brings the folder back under its limit if this run added to it.
func (f *folder) close() {
	root := f.open(false)
	if root == nil {
		return
	}
	if f.wrote.Swap(false) && !f.frozen.Load() {
		if err := f.evict(root, time.Now()); err != nil {
			f.trouble(err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = root.Close()
	f.root = nil
}

// entry is a file that could be evicted.
type entry struct {
	name string
	size int64 // on disk
	used time.Time
}

const (
	diskBlock = 4096
	abandoned = time.Hour // a temporary file this old will never be renamed
)

// evict removes the least recently used files, a tenth more than it must so that
// the next run need not evict again, and unfinished files of killed runs.
func (f *folder) evict(root *os.Root, now time.Time) error {
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	var entries []entry
	var total int64
	for _, file := range files {
		info, err := file.Info()
		if err != nil || file.IsDir() {
			continue // gone meanwhile, or not of this cache
		}
		if strings.Contains(file.Name(), temporarySuffix) && now.Sub(info.ModTime()) > abandoned {
			_ = root.Remove(file.Name())
			continue
		}
		size := (info.Size() + diskBlock - 1) / diskBlock * diskBlock
		total += size
		entries = append(entries, entry{file.Name(), size, info.ModTime()})
	}
	if total <= f.limit {
		return nil
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	for _, e := range entries {
		if total <= f.limit/10*9 {
			break
		}
		if err := root.Remove(e.name); err != nil && !errors.Is(err, fs.ErrNotExist) { // by another run
			return err
		}
		total -= e.size
	}
	return nil
}

// fileName returns a name of fixed length that is safe on every file system.
func fileName(repository string) string {
	sum := sha256.Sum256([]byte(repository))
	return hex.EncodeToString(sum[:16])
}
