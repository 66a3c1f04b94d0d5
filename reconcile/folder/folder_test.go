package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// Check says what Create or a write would say, and leaves nothing behind.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"there", "open"} {
		if err := os.Mkdir(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o777); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	for path, ok := range map[string]bool{"a/b": true, "there": true, "file": false, "file/x": false, "open": runtime.GOOS == "windows"} {
		if err := Check(filepath.Join(dir, path)); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
	if after := names(t, dir); !slices.Equal(before, after) || len(names(t, filepath.Join(dir, "there"))) > 0 {
		t.Errorf("%q became %q", before, after)
	}
}

// A file is there as a whole or not at all, and only its owner can read it.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	f, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	broken := errors.New("broken")
	for how, write := range map[string]func(string, func(io.Writer) error) error{"plain": f.Write, "durable": f.WriteDurably} {
		if err := write(how, text("one")); err != nil {
			t.Fatal(err)
		}
		if err := write(how, text("two")); err != nil {
			t.Fatal(err)
		}
		if err := write(how, func(w io.Writer) error { _ = text("thr")(w); return broken }); !errors.Is(err, broken) {
			t.Errorf("%s: %v", how, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, how)); err != nil || string(got) != "two" {
			t.Errorf("%s: %q, %v", how, got, err)
		}
		if err := write("../"+how, text("out")); err == nil {
			t.Errorf("%s wrote outside of the folder", how)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"durable", "plain"}) {
		t.Errorf("files are %q", got)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "plain"): 0o600} {
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(filepath.Join(dir, "file")); err == nil {
		t.Error("a file is opened as a folder")
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "written by other users") {
		t.Errorf("a folder of others: %v", err)
	}
}

// Files that are too old are removed, then the oldest until the rest fits.
// Files that the run itself has written stay.
func TestTrim(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	now := time.Now()
	own := func(name string) bool { return strings.HasPrefix(name, "own-") }
	fill := func() {
		for name, age := range map[string]time.Duration{
			"a": 5 * time.Hour, "b": 4 * time.Hour, "c": 3 * time.Hour, "d": 0, "own-1": 100 * time.Hour, "own-2": 0,
			"x" + TemporarySuffix + "KILLED": 2 * Abandoned, "x" + TemporarySuffix + "UNDERWAY": 0,
		} {
			if err := f.Write(name, text("x")); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(filepath.Join(dir, name), now, now.Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name   string
		bounds Bounds
		want   string
	}{
		{"room for all", Bounds{Bytes: 8 * diskBlock, Keep: own}, "a b c d own-1 own-2 x.tmp-UNDERWAY"},
		{"too old", Bounds{Bytes: 8 * diskBlock, Age: 210 * time.Minute, Keep: own}, "c d own-1 own-2 x.tmp-UNDERWAY"},
		{"too many", Bounds{Bytes: 6 * diskBlock, Keep: own}, "c d own-1 own-2 x.tmp-UNDERWAY"},
		{"far too many", Bounds{Bytes: 0, Keep: own}, "own-1 own-2"},
		{"nothing is kept", Bounds{Bytes: 3 * diskBlock}, "own-2 x.tmp-UNDERWAY"},
	} {
		t.Run(test.name, func(t *testing.T) {
			fill()
			if err := f.Trim(test.bounds, now); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(names(t, dir), " "); got != test.want {
				t.Errorf("left is %q, want %q", got, test.want)
			}
		})
	}
}

// Runs that write and trim at the same time do not disturb each other.
func TestConcurrentRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shared")
	var wg sync.WaitGroup
	for run := range 4 {
		wg.Go(func() {
			f, err := Create(dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = f.Close() }()
			own := string(rune('a' + run))
			for i := range 20 {
				if err := f.WriteDurably(own+string(rune('a'+i)), text("x")); err != nil {
					t.Error(err)
				}
				if err := f.Trim(Bounds{Bytes: 200 * diskBlock, Keep: func(name string) bool { return strings.HasPrefix(name, own) }}, time.Now()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(names(t, dir)); n != 80 {
		t.Errorf("%d files, want 80", n)
	}
}
