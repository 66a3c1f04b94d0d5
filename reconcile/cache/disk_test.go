package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile/folder"
)

// files are all there are under a folder, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		if d.IsDir() || d.Name() == lockName {
			return nil
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Whatever is done to a cache, a run says what the registry says, and warns at
// most once.
func TestBrokenCaches(t *testing.T) {
	everyFile := func(change func(content string) string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for path, content := range files(t, dir) {
				if err := os.WriteFile(path, []byte(change(content)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		harm    func(t *testing.T, dir string)
		warning string
	}{
		{"empty files", everyFile(func(string) string { return "" }), "is damaged"},
		{"truncated", everyFile(func(c string) string { return c[:len(c)-1] }), "is damaged"},
		{"another media type", everyFile(func(c string) string { return strings.ReplaceAll(c, "image.manifest", "image.index") }), "is damaged"},
		{"another platform", everyFile(func(c string) string { return strings.ReplaceAll(c, "arm64", "amd64") }), "is damaged"},
		{"another manifest, well sealed", func(t *testing.T, dir string) {
			c := Open(dir, DefaultLimit, func(err error) { t.Error(err) })
			s := c.shelf(app)
			if _, ok := s.manifest(digest.FromString("one").String()); !ok {
				t.Fatal("the manifest is not there")
			}
			for of := range s.used.Manifests {
				s.used.Manifests[of] = manifest{imageType, []byte("forged")}
			}
			s.changed = true
			c.Close()
		}, "not the manifest"},
		{"something else, well sealed", func(t *testing.T, dir string) {
			c := Open(dir, DefaultLimit, func(err error) { t.Error(err) })
			c.disk.write(fileName(app.String()), func(w io.Writer) error { _, err := io.WriteString(w, "tagline"); return err })
			c.Close()
		}, "is damaged"},
		{"entries of another kind", func(t *testing.T, dir string) {
			for path := range files(t, dir) {
				must(os.Remove(path))
				must(os.Mkdir(path, 0o700))
			}
		}, "no file that tagline wrote"},
		{"links to elsewhere", func(t *testing.T, dir string) {
			outside := filepath.Join(t.TempDir(), "outside")
			for path, content := range files(t, dir) {
				must(os.WriteFile(outside, []byte(content), 0o600))
				must(os.Remove(path))
				must(os.Symlink(outside, path))
			}
		}, "escapes"},
		{"open to others", func(_ *testing.T, dir string) { must(os.Chmod(filepath.Join(dir, layout), 0o777)) }, "written by other users"},
		{"a file in its place", func(_ *testing.T, dir string) {
			must(os.RemoveAll(filepath.Join(dir, layout)))
			must(os.WriteFile(filepath.Join(dir, layout), nil, 0o600))
		}, layout},
		{"deleted", func(_ *testing.T, dir string) { must(os.RemoveAll(dir)) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
			config := digest.FromString("config").String()
			whole := start(t, dir, r)
			whole.manifest(t, "1")
			whole.Configs(t.Context(), []string{config})
			whole.cache.Close()

			test.harm(t, dir)
			run := start(t, dir, r)
			if got := run.manifest(t, "1"); got != "one" {
				t.Errorf("1 is %q", got)
			}
			if a := run.Configs(t.Context(), []string{config})[0]; a.Err != nil || !strings.Contains(string(a.Value), "arm64") {
				t.Errorf("config is %s, %v", a.Value, a.Err)
			}
			switch {
			case test.warning == "" && len(run.warnings) == 0:
			case len(run.warnings) != 1 || !strings.Contains(run.warnings[0].Error(), test.warning):
				t.Errorf("warnings %v, want one with %q", run.warnings, test.warning)
			}
		})
	}
}

// A lock that leads out of the folder is not opened, and the run writes without it.
func TestLockThatIsALink(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
	outside := filepath.Join(t.TempDir(), "outside")
	err := os.Mkdir(filepath.Join(dir, layout), 0o700)
	if err == nil {
		err = os.Symlink(outside, filepath.Join(dir, layout, lockName))
	}
	if err != nil {
		t.Fatal(err)
	}
	run := start(t, dir, r)
	run.manifest(t, "1")
	run.cache.Close()
	if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file outside of the folder was made: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, layout, fileName(app.String()))); err != nil || len(run.warnings) > 0 {
		t.Errorf("the cache was not written: %v, warnings %v", err, run.warnings)
	}
}

// A registry's words never become a path.
func TestHostileNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	r := &fake{tags: map[string]string{"../../tag": "body"}}
	run := start(t, dir, r)
	run.manifest(t, "../../tag")
	once(t, dir, r, "../../tag")
	for _, hostile := range []string{"sha256:../../../etc/passwd", "sha256:" + strings.Repeat("A", 64), "sha256:", "a:b", "sha512:" + strings.Repeat("0", 128)} {
		run.Manifests(t.Context(), []string{hostile})
		away := run.cache.shelf(config.Repository{Host: "..", Path: "../" + hostile})
		away.keep(book{Manifests: map[string]manifest{hostile: {imageType, []byte("body")}}})
		if m, ok := away.manifest(hostile); ok {
			t.Errorf("%s is %+v", hostile, m)
		}
	}
	run.cache.Close()
	for path := range files(t, filepath.Dir(dir)) {
		if !strings.HasPrefix(path, filepath.Join(dir, layout)+"/") || len(filepath.Base(path)) != 32 {
			t.Errorf("%s was written", path)
		}
	}
	if len(run.warnings) > 0 {
		t.Errorf("warnings %v", run.warnings)
	}
}

func TestEviction(t *testing.T) {
	dir := t.TempDir()
	c := Open(dir, 12*4096, func(err error) { t.Error(err) })
	repository := func(i int) config.Repository { return config.Repository{Host: "r.test", Path: fmt.Sprint("app", i)} }
	path := func(i int) string { return filepath.Join(dir, layout, fileName(repository(i).String())) }
	now := time.Now()
	for i := range 20 { // the first is the oldest
		s := c.shelf(repository(i))
		s.keep(book{Tags: map[string]string{"1": "sha256:…"}})
		s.release()
		at := now.Add(time.Duration(i-20) * 2 * usedWithin)
		if err := os.Chtimes(path(i), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := c.shelf(repository(0)).tag("1"); !ok { // now the youngest
		t.Fatal("the first one is not there")
	}
	stale, fresh := path(1)+folder.TemporarySuffix+"KILLED", path(1)+folder.TemporarySuffix+"UNDERWAY"
	for _, name := range []string{stale, fresh} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(stale, now, now.Add(-2*folder.Abandoned)); err != nil {
		t.Fatal(err)
	}
	c.Close()

	var left []int
	for i := range 20 {
		if _, err := os.Stat(path(i)); err == nil {
			left = append(left, i)
		}
	}
	if want := []int{0, 11, 12, 13, 14, 15, 16, 17, 18, 19}; !slices.Equal(left, want) {
		t.Errorf("%v are left, want %v", left, want)
	}
	if _, err := os.Stat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a killed run left is still there: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("what another run is writing is gone: %v", err)
	}
}

// Runs share a folder, and each of them gets what is true.
func TestConcurrentRuns(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{}}
	var tags []string
	for i := range 50 {
		tag := fmt.Sprint(i)
		tags = append(tags, tag)
		r.tags[tag] = "body of " + tag
	}
	var wg sync.WaitGroup
	for range 8 {
		run := start(t, dir, r)
		wg.Go(func() {
			for part := range slices.Chunk(tags, 10) {
				for i, a := range run.Manifests(t.Context(), part) {
					if string(a.Value.Body) != r.tags[part[i]] {
						t.Errorf("%s is %q, %v", part[i], a.Value.Body, a.Err)
					}
				}
			}
			if len(run.warnings) > 0 {
				t.Errorf("warnings %v", run.warnings)
			}
			run.cache.Close()
		})
	}
	wg.Wait()
	for path := range files(t, dir) {
		if strings.Contains(path, folder.TemporarySuffix) {
			t.Errorf("%s is left", path)
		}
	}
}
