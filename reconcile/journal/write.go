package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// line is the format of a line; journal.schema.json describes it.
type line struct {
	Journal    string     `json:"journal"` // Version; the first key of each line
	Time       time.Time  `json:"time"`
	Run        string     `json:"run"`
	By         By         `json:"by"`
	Repository string     `json:"repository"`
	Tag        string     `json:"tag"`
	Action     string     `json:"action"`
	Old        *string    `json:"old"`
	New        *string    `json:"new"`
	Reason     string     `json:"reason,omitempty"`
	Platforms  []Platform `json:"platforms,omitempty"`
}

// beginning is what the first line of a journal begins with.
const beginning = `{"journal":"`

// Writer is one run's use of a journal. It is not safe for concurrent use; several
// runs may have the same file.
type Writer struct {
	path, run string
	by        By
	now       func() time.Time
	locked    error // the lock was not to be had, and is not waited for again
}

// NewWriter returns a writer for the file at path, which the first move creates. run
// is the id of the run, see [reconcile.NewRun].
func NewWriter(path, run string, by By) *Writer {
	return &Writer{path: path, run: run, by: by, now: time.Now}
}

// Append adds moves at the end of the file, all or none of them. The time of the
// moves is now.
func (w *Writer) Append(moves []Move) error {
	if len(moves) == 0 || w.locked != nil {
		return w.locked
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, m := range moves {
		l := line{
			Journal: Version, Time: w.now().UTC().Truncate(time.Millisecond), Run: w.run, By: w.by, Repository: m.Repository.String(),
			Tag: m.Tag, Action: m.Action, Old: pointer(m.Old), New: pointer(m.New), Reason: m.Reason, Platforms: m.Platforms,
		}
		if err := e.Encode(l); err != nil {
			return err
		}
	}
	err := failure(w.path, patiently(func() error { return add(w.path, b.Bytes()) }))
	if errors.Is(err, errLocked) {
		w.locked = err
	}
	return err
}

// Check returns the error that [Writer.Append] would have. It writes nothing, and
// makes no file.
func Check(path string) error {
	err := patiently(func() error { return add(path, nil) })
	if errors.Is(err, fs.ErrNotExist) {
		dir := filepath.Dir(path)
		var probe *os.File
		if probe, err = os.CreateTemp(dir, ".tagline-*"); err == nil {
			return errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
		if at := (*fs.PathError)(nil); errors.As(err, &at) {
			err = fmt.Errorf("folder %s: %w", dir, at.Err)
		}
	}
	return failure(path, err)
}

func failure(path string, err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == path {
		err = at.Err
	}
	if err != nil {
		err = fmt.Errorf("journal %s: %w", path, err)
	}
	return err
}

// patience is how long a writer waits for the lock. Others hold it for moments.
var patience = 30 * time.Second

var errLocked = errors.New("another program has had it locked for too long")

// patiently does not wait for ever: no run needs its journal.
func patiently(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return errLocked
	}
}

// add appends to a file under a lock, in one write. Where the file system has no locks,
// O_APPEND alone has to do. No data makes no file.
func add(path string, data []byte) (err error) {
	flag := os.O_RDWR | os.O_APPEND
	if len(data) > 0 {
		flag |= os.O_CREATE
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is not a regular file; name another one")
	}
	var f interface {
		io.ReaderAt
		io.WriteCloser
		Stat() (fs.FileInfo, error)
		Truncate(int64) error
	}
	f, err = lockedfile.OpenFile(path, flag, 0o666)
	if errors.Is(err, errors.ErrUnsupported) {
		f, err = os.OpenFile(path, flag, 0o666)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if err := isJournal(f, size); err != nil {
		return err
	}
	if torn, err := torn(f, size); err != nil {
		return err
	} else if torn && len(data) > 0 {
		data = append([]byte("\n"), data...)
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Truncate(size)) // rather than a torn line
	}
	return nil
}

// isJournal returns an error if a file is something else.
func isJournal(f io.ReaderAt, size int64) error {
	first := make([]byte, min(int64(len(beginning)), size))
	if _, err := f.ReadAt(first, 0); err != nil && len(first) > 0 {
		return err
	}
	if !bytes.HasPrefix([]byte(beginning), first) {
		return errors.New("it is not a journal; name another file")
	}
	return nil
}

// torn reports whether the last line has no end, since its writer was killed. What is
// appended begins a line of its own.
func torn(f io.ReaderAt, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	last := make([]byte, 1)
	_, err := f.ReadAt(last, size-1)
	return last[0] != '\n', err
}

func pointer(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
