package cache

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"tagline/reconcile/folder"
)

// layout is part of every path, so that another version of tagline with other
// files finds its own.
const layout = "v1"

// disk is the folder of a cache. One that can't be written is written to no more
// for the rest of the run; one that can't be trusted is not even read.
type disk struct {
	dir   string
	limit int64
	warn  func(error)

	warned   sync.Once
	mu       sync.Mutex     // guards the fields below
	opened   *folder.Folder // nil until something is there
	unusable bool

	frozen, wrote atomic.Bool
	unlockable    atomic.Bool // another run has held the lock for too long, or there are no locks
}

// open is nil for a folder that is not there or can't be used.
func (d *disk) open(create bool) *folder.Folder {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened != nil || d.unusable {
		return d.opened
	}
	dir := filepath.Join(d.dir, layout)
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			d.frozen.Store(true)
			d.trouble(err)
			return nil
		}
	}
	opened, err := folder.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		d.unusable = true
		d.trouble(err)
		return nil
	}
	d.opened = opened
	return opened
}

// trouble warns, once.
func (d *disk) trouble(err error) {
	d.warned.Do(func() { d.warn(fmt.Errorf("cache %s: %w; going on without it", d.dir, err)) })
}

// Each file ends with the SHA-256 of what comes before, since the digest of a
// manifest does not cover its media type.
const sumLength = sha256.Size

// maxFile is what no file reaches.
const maxFile = 256 << 20

// usedWithin is how exactly the folder knows when a file was last used.
const usedWithin = 24 * time.Hour

// read has a file decoded that was written in whole.
func (d *disk) read(name string, decode func(io.Reader) error) error {
	opened := d.open(false)
	if opened == nil {
		return fs.ErrNotExist
	}
	file, err := opened.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	length := info.Size() - sumLength
	if !info.Mode().IsRegular() || length > maxFile {
		return fmt.Errorf("%s is no file that tagline wrote", name)
	}
	if err := verify(file, length); err != nil {
		_ = opened.Remove(name) // it is only in the way
		return fmt.Errorf("%s is damaged: %w", name, err)
	}
	if err := decode(bufio.NewReader(io.NewSectionReader(file, 0, length))); err != nil {
		return fmt.Errorf("%s is damaged: %w", name, err)
	}
	if now := time.Now(); now.Sub(info.ModTime()) > usedWithin {
		_ = opened.Chtimes(name, now, now)
	}
	return nil
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

const (
	lockName = "lock" // a file of the folder
	lockWait = 10 * time.Second
)

// alone calls change while no other run reads and writes a file of the folder. If one
// holds the lock for lockWait, or there can be no lock, change is called all the same.
func (d *disk) alone(change func()) {
	if opened := d.open(true); opened != nil && !d.frozen.Load() && !d.unlockable.Load() && lockable(opened) {
		lock := flock.New(filepath.Join(opened.Name(), lockName))
		defer func() { _ = lock.Close() }()
		ctx, cancel := context.WithTimeout(context.Background(), lockWait)
		defer cancel()
		if locked, _ := lock.TryLockContext(ctx, 5*time.Millisecond); !locked {
			d.unlockable.Store(true)
		}
	}
	change()
}

// lockable reports whether the lock is a file, or not there yet. A link could lead out of
// the folder, and to open a pipe could take for ever.
func lockable(opened *folder.Folder) bool {
	info, err := opened.Lstat(lockName)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular()
}

// write writes a file that appears in one step.
func (d *disk) write(name string, encode func(io.Writer) error) {
	if d.frozen.Load() {
		return
	}
	opened := d.open(true)
	if opened == nil {
		return
	}
	d.wrote.Store(true)
	err := opened.Write(name, func(w io.Writer) error {
		content := summed{w, sha256.New()}
		if err := encode(content); err != nil {
			return err
		}
		_, err := w.Write(content.sum.Sum(nil))
		return err
	})
	if err != nil {
		d.frozen.Store(true)
		d.trouble(err)
	}
}

// summed notes the sum of what passes through it.
type summed struct {
	io.Writer
	sum hash.Hash
}

// Write implements [io.Writer].
func (s summed) Write(p []byte) (int, error) {
	_, _ = s.sum.Write(p) // never fails
	return s.Writer.Write(p)
}

// close brings the folder back under its limit if this run added to it.
func (d *disk) close() {
	opened := d.open(false)
	if opened == nil {
		return
	}
	if d.wrote.Swap(false) && !d.frozen.Load() {
		if err := opened.Trim(folder.Bounds{Bytes: d.limit, Keep: func(name string) bool { return name == lockName }}, time.Now()); err != nil {
			d.trouble(err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = opened.Close()
	d.opened = nil
}

// fileName is a name of a fixed length without meaning to a file system.
func fileName(repository string) string {
	sum := sha256.Sum256([]byte(repository))
	return hex.EncodeToString(sum[:16])
}
