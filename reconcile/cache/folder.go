package cache

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"tagline/reconcile"
)

// layout is part of every path, so that another version of tagline with other
// files finds its own.
const layout = "v1"

// folder is the disk. A folder that failed once is left alone for the rest of
// the run: written to no more, or not even read.
type folder struct {
	dir   string
	limit int64
	warn  func(error)

	warned           sync.Once
	opening          sync.Mutex
	root             *os.Root // nil until something is there
	unusable, frozen atomic.Bool
	wrote            atomic.Bool
}

func openFolder(dir string, limit int64, warn func(error)) *folder {
	return &folder{dir: dir, limit: limit, warn: warn}
}

// open is nil for a folder that is not there or can't be used.
func (f *folder) open(create bool) *os.Root {
	f.opening.Lock()
	defer f.opening.Unlock()
	if f.root != nil || f.unusable.Load() {
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
		f.unusable.Store(true)
		f.trouble(err)
		return nil
	}
	f.root = root
	return root
}

// private refuses a folder into which another user could put entries: what
// they say of media types and platforms would be believed.
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

// trouble warns, once.
func (f *folder) trouble(err error) {
	f.warned.Do(func() { f.warn(fmt.Errorf("cache %s: %w; going on without it", f.dir, err)) })
}

// shelf is the part of the folder for one repository.
type shelf struct {
	folder *folder
	name   string // no user's or registry's text ever becomes a path
}

func (f *folder) shelf(repository string) shelf {
	sum := sha256.Sum256([]byte(repository))
	return shelf{f, hex.EncodeToString(sum[:16])}
}

// manifest is one that was kept, and still is what it was.
func (s shelf) manifest(of string) (reconcile.RawManifest, bool) {
	if digest.Digest(of).Validate() != nil {
		return reconcile.RawManifest{}, false
	}
	content, ok := s.read(entryName(of))
	if !ok {
		return reconcile.RawManifest{}, false
	}
	mediaType, body, _ := bytes.Cut(content, []byte("\n"))
	if digest.FromBytes(body).String() != of {
		s.folder.trouble(fmt.Errorf("an entry is not the manifest %s", of))
		return reconcile.RawManifest{}, false
	}
	return reconcile.RawManifest{Digest: of, MediaType: string(mediaType), Body: body}, true
}

// keep keeps a manifest that is what it says.
func (s shelf) keep(m reconcile.RawManifest) {
	if digest.FromBytes(m.Body).String() != m.Digest || strings.Contains(m.MediaType, "\n") {
		return
	}
	s.write(entryName(m.Digest), slices.Concat([]byte(m.MediaType), []byte("\n"), m.Body))
}

// entryName is the hexadecimal part of a valid digest, without a path in it.
func entryName(of string) string { return digest.Digest(of).Encoded() }

// sumLength is that of the line before the content of each file: its SHA-256,
// since the digest of a manifest does not cover its media type.
const sumLength = 2*sha256.Size + 1

// read reads a file that was written in whole, and marks it as used.
func (s shelf) read(name string) ([]byte, bool) {
	root := s.folder.open(false)
	if root == nil {
		return nil, false
	}
	file := path.Join(s.name, name)
	content, used, err := readFile(root, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err == nil && (len(content) < sumLength || string(content[:sumLength]) != sumLine(content[sumLength:])) {
		err = fmt.Errorf("%s is damaged", file)
		_ = root.Remove(file) // it is only in the way
	}
	if err != nil {
		s.folder.trouble(err)
		return nil, false
	}
	if now := time.Now(); now.Sub(used) > usedWithin {
		_ = root.Chtimes(file, now, now) // a folder that can't be written evicts nothing either
	}
	return content[sumLength:], true
}

func readFile(root *os.Root, name string) (content []byte, used time.Time, err error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, time.Time{}, fmt.Errorf("%s is no file that tagline wrote", name)
	}
	content = make([]byte, info.Size())
	_, err = io.ReadFull(file, content)
	return content, info.ModTime(), err
}

const (
	// maxFile is what no file reaches: the notes are the largest ones.
	maxFile = 64 << 20
	// usedWithin is how exactly the folder knows when a file was last used.
	usedWithin = 24 * time.Hour
)

func sumLine(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]) + "\n"
}

// write writes a file that appears in one step.
func (s shelf) write(name string, content []byte) {
	if s.folder.frozen.Load() {
		return
	}
	root := s.folder.open(true)
	if root == nil {
		return
	}
	s.folder.wrote.Store(true)
	file := path.Join(s.name, name)
	temporary := file + temporarySuffix + rand.Text()
	err := root.WriteFile(temporary, slices.Concat([]byte(sumLine(content)), content), 0o600)
	if errors.Is(err, fs.ErrNotExist) { // the first one of its repository
		if err = root.Mkdir(s.name, 0o700); err == nil || errors.Is(err, fs.ErrExist) {
			err = root.WriteFile(temporary, slices.Concat([]byte(sumLine(content)), content), 0o600)
		}
	}
	if err == nil {
		err = root.Rename(temporary, file)
	}
	if err != nil {
		_ = root.Remove(temporary)
		s.folder.frozen.Store(true)
		s.folder.trouble(err)
	}
}

const temporarySuffix = ".tmp-"

// close brings the folder back under its limit if this run added to it.
func (f *folder) close() {
	if f.root == nil {
		return
	}
	if f.wrote.Load() && !f.frozen.Load() {
		if err := f.evict(time.Now()); err != nil {
			f.trouble(err)
		}
	}
	_ = f.root.Close()
}

// entry is a file, as the eviction sees it.
type entry struct {
	path string
	size int64 // on disk
	used time.Time
}

const (
	diskBlock = 4096
	abandoned = time.Hour // after which nobody will rename a temporary file
)

// evict removes what was not used for longest, a tenth more than it must so
// that the next run need not do it again, and what a killed run left half done.
func (f *folder) evict(now time.Time) error {
	var entries []entry
	var total int64
	err := fs.WalkDir(f.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		if strings.Contains(name, temporarySuffix) && now.Sub(info.ModTime()) > abandoned {
			return ignoreGone(f.root.Remove(name))
		}
		size := (info.Size() + diskBlock - 1) / diskBlock * diskBlock
		total += size
		entries = append(entries, entry{name, size, info.ModTime()})
		return nil
	})
	if err != nil || total <= f.limit {
		return err
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, e := range entries {
		if total <= f.limit/10*9 {
			break
		}
		if err := ignoreGone(f.root.Remove(e.path)); err != nil {
			return err
		}
		total -= e.size
	}
	return nil
}

// ignoreGone is for what another run has evicted first.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
