// Package trash is a folder of what runs have deleted: the bytes of manifests,
// which are small, and the tags they had. Layers and configs are not in it. They
// stay in the registry until its garbage collection, and so long a manifest can
// be put back.
package trash

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/folder"
)

// layout is part of every path, so that another version of tagline with other
// files finds its own.
const layout = "v1"

// What a trash holds at most. A run drops nothing that it has put there itself.
const (
	MaxBytes = 256 << 20
	MaxAge   = 90 * 24 * time.Hour
)

// Trash is one run's use of a folder.
type Trash struct {
	dir, run, job string
	now           func() time.Time

	mu     sync.Mutex
	opened *folder.Folder // once something was kept
	kept   map[string]bool
}

var _ reconcile.Trash = (*Trash)(nil)

// Open uses the folder dir, which is made with the first thing that is kept. job
// is the address of the CI job, if this is one. Close the trash at the end of the
// run.
func Open(dir, job string) *Trash {
	return &Trash{dir: dir, run: newRun(time.Now()), job: job, now: time.Now, kept: map[string]bool{}}
}

// newRun names a run, so that runs sort by time.
func newRun(at time.Time) string {
	return at.UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
}

// Keep writes one file. Its name comes from what it says, so that what one run
// after the other fails to delete takes up the space of one.
func (t *Trash) Keep(repository config.Repository, what []reconcile.Kept) error {
	f, err := t.open()
	if err != nil {
		return t.failure(err)
	}
	record := reconcile.Record{Run: t.run, Job: t.job, Time: t.now().UTC(), Repository: repository, Kept: what}
	name := nameOf(record)
	if err := f.WriteDurably(name, func(w io.Writer) error { return encode(w, record) }); err != nil {
		return t.failure(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept[name] = true
	return nil
}

func (t *Trash) open() (*folder.Folder, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened != nil {
		return t.opened, nil
	}
	f, err := folder.Create(filepath.Join(t.dir, layout))
	if err == nil {
		t.opened = f
	}
	return f, err
}

// failure says what else can be done, since without a trash nothing is deleted.
func (t *Trash) failure(err error) error {
	return fmt.Errorf("trash %s: %w; name another folder with --trash, or delete for good with --trash off", t.dir, err)
}

const suffix = ".json"

// nameOf is of a fixed length and without meaning to a file system.
func nameOf(r reconcile.Record) string {
	r.Run, r.Job, r.Time = "", "", time.Time{}
	sum := sha256.New()
	_ = encode(sum, r) // a hash takes everything
	return hex.EncodeToString(sum.Sum(nil)[:16]) + suffix
}

// Close brings the folder back under its bounds if this run added to it.
func (t *Trash) Close() error {
	if t == nil || t.opened == nil {
		return nil
	}
	err := t.opened.Trim(folder.Bounds{Bytes: MaxBytes, Age: MaxAge, Keep: func(name string) bool { return t.kept[name] }}, t.now())
	if err = errors.Join(err, t.opened.Close()); err != nil {
		err = fmt.Errorf("trash %s: %w", t.dir, err)
	}
	t.opened = nil
	return err
}

// maxFile is what no file reaches: it is read into memory.
const maxFile = 256 << 20

// Read returns what a trash holds, oldest first, as far as the filter wants it.
// With it comes an error for each file that can't be read or believed. A folder
// that is not there is empty.
func Read(dir string, wanted func(reconcile.Record) bool) ([]reconcile.Record, []error) {
	f, err := folder.Open(filepath.Join(dir, layout))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{fmt.Errorf("trash %s: %w", dir, err)}
	}
	defer func() { _ = f.Close() }()
	files, err := fs.ReadDir(f.FS(), ".")
	if err != nil {
		return nil, []error{fmt.Errorf("trash %s: %w", dir, err)}
	}
	var records []reconcile.Record
	var errs []error
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), suffix) {
			continue // a run is writing it, or it is not ours
		}
		record, err := read(f, file)
		switch {
		case errors.Is(err, fs.ErrNotExist): // another run has just dropped it
		case err != nil:
			errs = append(errs, fmt.Errorf("trash %s: %s: %w", dir, file.Name(), err))
		case wanted(record):
			records = append(records, record)
		}
	}
	slices.SortStableFunc(records, func(a, b reconcile.Record) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Run, b.Run), a.Repository.Compare(b.Repository))
	})
	return records, errs
}

func read(f *folder.Folder, entry fs.DirEntry) (reconcile.Record, error) {
	info, err := entry.Info()
	if err != nil {
		return reconcile.Record{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return reconcile.Record{}, errors.New("it is no file that tagline wrote")
	}
	data, err := f.ReadFile(entry.Name())
	if err != nil {
		return reconcile.Record{}, err
	}
	return decode(json.NewDecoder(bytes.NewReader(data)))
}
