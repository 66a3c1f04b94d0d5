// Package trash stores what runs delete in a folder: the bytes of manifests,
// and the tags that named them. It does not store layers and configs. A
// manifest can be put back until the registry's garbage collection removes
// those.
package trash

import (
	"bytes"
	"cmp"
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

// layout is part of every path, so that versions of tagline with different
// formats don't share files.
const layout = "v1"

// Limits of a trash. A run never removes its own files.
const (
	MaxBytes = 256 << 20
	MaxAge   = 90 * 24 * time.Hour
)

// Trash is one run's use of a folder.
type Trash struct {
	dir, run, job string
	now           func() time.Time

	mu     sync.Mutex
	opened *folder.Folder               // nil until the first Keep
	kept   map[string]config.Repository // repositories by the names of this run's files
}

var _ reconcile.Trash = (*Trash)(nil)

// Open returns a trash in the folder dir, which the first Keep creates. run is the
// id of the run, see [reconcile.NewRun]. job is the address of the CI job, or "".
// Close the trash at the end of the run.
func Open(dir, run, job string) *Trash {
	return &Trash{dir: dir, run: run, job: job, now: time.Now, kept: map[string]config.Repository{}}
}

// Keep stores the manifests in one file. The file's name depends only on its
// content, so that a deletion that fails in every run needs space only once, until
// [Trash.Deleted] adds the run to the name.
func (t *Trash) Keep(repository config.Repository, what []reconcile.Kept) error {
	f, err := t.open()
	if err != nil {
		return failure(t.dir, err)
	}
	record := reconcile.Record{Run: t.run, Job: t.job, Time: t.now().UTC(), Repository: repository, Kept: what}
	name := nameOf(record)
	if err := f.WriteDurably(name, func(w io.Writer) error { return encode(w, record) }); err != nil {
		return failure(t.dir, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept[name] = repository
	return nil
}

// Deleted implements [reconcile.Trash]. A record that can't be claimed is there all the
// same, until a run keeps the same.
func (t *Trash) Deleted(of config.Repository) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, repository := range t.kept {
		content := strings.TrimSuffix(name, suffix)
		own := content + "-" + t.run + suffix
		if repository == of && !strings.HasSuffix(content, "-"+t.run) && t.claim(content, own) == nil {
			delete(t.kept, name)
			t.kept[own] = of
		}
	}
}

// claim gives this run its own record of a content. Another run may have kept the same
// since: that one's record is copied, and stays.
func (t *Trash) claim(content, own string) error {
	name := content + suffix
	record, err := readFile(t.opened, name)
	if errors.Is(err, fs.ErrNotExist) { // the other run has claimed it
		if all, _ := fs.Glob(t.opened.FS(), content+"-*"+suffix); len(all) > 0 { // or it is gone
			name = all[0]
			record, err = readFile(t.opened, name)
		}
	}
	switch {
	case err != nil:
		return err
	case record.Run == t.run:
		return t.opened.Rename(name, own)
	}
	record.Run, record.Job, record.Time = t.run, t.job, t.now().UTC()
	return t.opened.WriteDurably(own, func(w io.Writer) error { return encode(w, record) })
}

// Check returns the error that [Trash.Keep] would have in this folder, nil if it
// could be written. It keeps nothing.
func Check(dir string) error {
	if err := folder.Check(filepath.Join(dir, layout)); err != nil {
		return failure(dir, err)
	}
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
func failure(dir string, err error) error {
	return fmt.Errorf("trash %s: %w; name another folder with --trash, or delete for good with --trash off", dir, err)
}

const suffix = ".json"

// nameOf returns a name of fixed length that is safe on every file system.
func nameOf(r reconcile.Record) string {
	r.Run, r.Job, r.Time = "", "", time.Time{}
	sum := sha256.New()
	_ = encode(sum, r) // writing to a hash never fails
	return hex.EncodeToString(sum.Sum(nil)[:16]) + suffix
}

// Close trims the folder to its limits if this run has added to it.
func (t *Trash) Close() error {
	if t == nil || t.opened == nil {
		return nil
	}
	err := t.opened.Trim(folder.Bounds{Bytes: MaxBytes, Age: MaxAge, Keep: func(name string) bool { _, own := t.kept[name]; return own }}, t.now())
	if err = errors.Join(err, t.opened.Close()); err != nil {
		err = fmt.Errorf("trash %s: %w", t.dir, err)
	}
	t.opened = nil
	return err
}

// maxFile exceeds the size of every file that tagline writes. Files are read
// into memory.
const maxFile = 256 << 20

// Read returns the wanted records of a trash, oldest first, with an error for
// each file that is invalid or can't be read. A folder that does not exist is
// empty.
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
			continue // another run is writing it, or it is not a file of the trash
		}
		record, err := read(f, file)
		switch {
		case errors.Is(err, fs.ErrNotExist): // another run has just removed it
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
	return readFile(f, entry.Name())
}

func readFile(f *folder.Folder, name string) (reconcile.Record, error) {
	data, err := f.ReadFile(name)
	if err != nil {
		return reconcile.Record{}, err
	}
	return decode(json.NewDecoder(bytes.NewReader(data)))
}
