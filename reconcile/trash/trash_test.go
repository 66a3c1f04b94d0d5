package trash

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

var app = config.Repository{Host: "r.test", Path: "team/app"}

// kept returns a manifest with any bytes.
func kept(body string, tags ...reconcile.KeptTag) reconcile.Kept {
	return reconcile.Kept{
		Manifest: registry.RawManifest{Digest: digest.FromString(body).String(), MediaType: "application/vnd.oci.image.index.v1+json", Body: []byte(body)},
		Tags:     tags, Reason: "why \x1b[31m\n",
	}
}

func everything(reconcile.Record) bool { return true }

func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, layout, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What Keep stores is read back unchanged, oldest first, whatever its bytes.
func TestKeepAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trash")
	if got, errs := Read(dir, everything); len(got)+len(errs) > 0 {
		t.Errorf("a trash that is not there: %v, %v", got, errs)
	}
	one, two := Open(dir, "1", "https://ci.test/1"), Open(dir, "2", "")
	clock := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	one.now, two.now = func() time.Time { return clock }, func() time.Time { return clock.Add(time.Hour) }
	what := []reconcile.Kept{
		kept(`{"a": "\u00e9"}`, reconcile.KeptTag{Tag: "9"}, reconcile.KeptTag{Tag: "1.0", New: digest.FromString("new").String()}),
		kept("\xff\xfe no text \x00"),
	}
	must(t, two.Keep(app, what[1:]))
	must(t, one.Keep(app, what))
	must(t, one.Keep(config.Repository{Host: "docker.io", Path: "library/x"}, what[:1]))
	want := []reconcile.Record{
		{Run: one.run, Job: one.job, Time: clock, Repository: config.Repository{Host: "docker.io", Path: "library/x"}, Kept: what[:1]},
		{Run: one.run, Job: one.job, Time: clock, Repository: app, Kept: what},
		{Run: two.run, Time: clock.Add(time.Hour), Repository: app, Kept: what[1:]},
	}
	got, errs := Read(dir, everything)
	if len(errs) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, errs, want)
	}
	if got, _ := Read(dir, func(r reconcile.Record) bool { return r.Run == two.run }); len(got) != 1 {
		t.Errorf("filtered: %+v", got)
	}
	must(t, one.Close())
	must(t, two.Close())
	must(t, (*Trash)(nil).Close())
	if _, errs := Read(dir, everything); len(errs) > 0 || len(files(t, dir)) != 3 {
		t.Errorf("after the runs: %v, %q", errs, files(t, dir))
	}
	for _, name := range files(t, dir) {
		if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// If a registry deletes nothing, each run stores the same content: that is one
// file.
func TestTheSameIsKeptOnce(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		run := Open(dir, reconcile.NewRun(time.Now()), "")
		must(t, run.Keep(app, []reconcile.Kept{kept("{}", reconcile.KeptTag{Tag: "9"})}))
		must(t, run.Keep(app, []reconcile.Kept{kept("{}", reconcile.KeptTag{Tag: "8"})}))
		must(t, run.Close())
	}
	if n := len(files(t, dir)); n != 2 {
		t.Errorf("%d files, want 2", n)
	}
}

// What was deleted, put back and deleted again has a record of each run, also if others
// failed to delete it in between. That of another repository is none of it.
func TestBothAreKept(t *testing.T) {
	dir := t.TempDir()
	other := config.Repository{Host: "r.test", Path: "other"}
	what := []reconcile.Kept{kept("{}", reconcile.KeptTag{Tag: "9"})}
	for n, deletes := range []bool{true, false, false, true} {
		run := Open(dir, fmt.Sprint("run", n), "")
		must(t, run.Keep(app, what))
		must(t, run.Keep(other, what))
		for range 2 { // once for tags, once for manifests
			if deletes {
				run.Deleted(app)
			}
		}
		must(t, run.Close())
	}
	got, errs := Read(dir, everything)
	var runs []string
	for _, r := range got {
		runs = append(runs, r.Run+" "+r.Repository.Path)
	}
	slices.Sort(runs)
	if want := []string{"run0 team/app", "run3 other", "run3 team/app"}; !slices.Equal(runs, want) || len(errs) > 0 {
		t.Errorf("got %q, %v, want %q", runs, errs, want)
	}
}

// Runs that keep the same at the same time, and delete some of it each, have a record
// each, whatever the order.
func TestRunsThatKeepTheSame(t *testing.T) {
	what := []reconcile.Kept{kept("{}", reconcile.KeptTag{Tag: "9"})}
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		dir := t.TempDir()
		runs := []*Trash{Open(dir, "run0", "job0"), Open(dir, "run1", "job1")}
		for _, run := range runs {
			must(t, run.Keep(app, what))
		}
		for _, i := range order {
			runs[i].Deleted(app)
		}
		for _, run := range runs {
			must(t, run.Close())
		}
		got, errs := Read(dir, everything)
		var of []string
		for _, r := range got {
			of = append(of, r.Run+" "+r.Job)
			if len(r.Kept) != 1 || r.Kept[0].Manifest.Digest != what[0].Manifest.Digest {
				t.Errorf("%s kept %+v", r.Run, r.Kept)
			}
		}
		slices.Sort(of)
		if !slices.Equal(of, []string{"run0 job0", "run1 job1"}) || len(errs) > 0 {
			t.Errorf("in order %v got %q, %v", order, of, errs)
		}
	}
}

// A record that is gone by the time that the deletion is done leaves no other behind.
func TestRecordThatIsGone(t *testing.T) {
	dir := t.TempDir()
	run := Open(dir, "run", "job")
	must(t, run.Keep(app, []reconcile.Kept{kept("{}", reconcile.KeptTag{Tag: "9"})}))
	for name := range run.kept {
		must(t, os.Remove(filepath.Join(dir, layout, name)))
	}
	run.Deleted(app)
	must(t, run.Close())
	if got, errs := Read(dir, everything); len(got)+len(errs) > 0 {
		t.Errorf("the trash has %+v, %v", got, errs)
	}
}

// Neither runs at the same time nor one run with many repositories lose a
// record.
func TestConcurrentRuns(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 4 {
		run := Open(dir, reconcile.NewRun(time.Now()), "")
		var repositories sync.WaitGroup
		for k := range 8 {
			keep := func() {
				if err := run.Keep(config.Repository{Host: "r.test", Path: fmt.Sprint("app", k)}, []reconcile.Kept{kept(fmt.Sprint(i))}); err != nil {
					t.Error(err)
				}
			}
			wg.Add(1)
			repositories.Go(func() { defer wg.Done(); keep() })
		}
		wg.Go(func() {
			repositories.Wait()
			if err := run.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, errs := Read(dir, everything); len(got) != 32 || len(errs) > 0 {
		t.Errorf("%d records, %v, want 32", len(got), errs)
	}
}

// Old records are removed if space is needed, but a run's own records stay.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	old := Open(dir, reconcile.NewRun(time.Now()), "")
	must(t, old.Keep(app, []reconcile.Kept{kept("too old")}))
	must(t, old.Keep(app, []reconcile.Kept{kept("old")}))
	must(t, old.Close())
	for i, age := range []time.Duration{MaxAge + time.Hour, MaxAge - time.Hour} {
		name := filepath.Join(dir, layout, nameOf(reconcile.Record{Repository: app, Kept: []reconcile.Kept{kept([]string{"too old", "old"}[i])}}))
		must(t, os.Chtimes(name, time.Now(), time.Now().Add(-age)))
	}
	run := Open(dir, reconcile.NewRun(time.Now()), "")
	must(t, run.Keep(app, []reconcile.Kept{kept("new")}))
	must(t, run.Close())
	got, errs := Read(dir, everything)
	if len(got) != 2 || len(errs) > 0 || string(got[0].Kept[0].Manifest.Body) != "old" {
		t.Errorf("%+v, %v, want the old and the new one", got, errs)
	}
}

// If a trash can't be written, the error says so and gives advice.
func TestKeepFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	err := Open(filepath.Join(file, "trash"), "1", "").Keep(app, []reconcile.Kept{kept("{}")})
	if err == nil || !strings.Contains(err.Error(), "--trash off") || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, layout), 0o700))
	must(t, os.Chmod(filepath.Join(dir, layout), 0o777))
	if err := Open(dir, reconcile.NewRun(time.Now()), "").Keep(app, []reconcile.Kept{kept("{}")}); err == nil || !strings.Contains(err.Error(), "other users") {
		t.Errorf("a folder of others: %v", err)
	}
	if _, errs := Read(dir, everything); len(errs) != 1 {
		t.Errorf("a folder of others is read: %v", errs)
	}
}

// The content of a file is checked, and an invalid file does not affect others.
func TestHostileFiles(t *testing.T) {
	write := func(edit func(*file)) string {
		f := file{FormatVersion: "1.7", Run: "r", Repository: app.String(), Manifests: []manifest{{
			Digest: digest.FromString("{}").String(), MediaType: "m", Body: []byte("{}"), Tags: []tag{{Tag: "9"}},
		}}}
		edit(&f)
		text, err := json.Marshal(f)
		must(t, err)
		return string(text)
	}
	for _, test := range []struct{ name, content, want string }{
		{"in order", write(func(*file) {}), ""},
		{"empty", "", "damaged"},
		{"cut off", `{"format_version": "1.0", "manif`, "damaged"},
		{"two records", write(func(*file) {}) + write(func(*file) {}), "something follows"},
		{"another format", write(func(f *file) { f.FormatVersion = "2.0" }), `its format is "2.0"`},
		{"no format", `{}`, `its format is ""`},
		{"other bytes", write(func(f *file) { f.Manifests[0].Body = []byte("{ }") }), "is not the manifest"},
		{"no digest", write(func(f *file) { f.Manifests[0].Digest = "latest" }), "is not the manifest"},
		{"no tag", write(func(f *file) { f.Manifests[0].Tags[0].Tag = "../x" }), "not valid"},
		{"no new digest", write(func(f *file) { f.Manifests[0].Tags[0].New = "x" }), "is no digest"},
		{"no repository", write(func(f *file) { f.Repository = "r.test/../x" }), "is no repository"},
		{"no host", write(func(f *file) { f.Repository = "app" }), "is no repository"},
		{"credentials", write(func(f *file) { f.Repository = "me:secret@r.test/app" }), "is no repository"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			run := Open(dir, reconcile.NewRun(time.Now()), "")
			must(t, run.Keep(app, []reconcile.Kept{kept("good")}))
			must(t, run.Close())
			must(t, os.WriteFile(filepath.Join(dir, layout, "x"+suffix), []byte(test.content), 0o600))
			got, errs := Read(dir, everything)
			if test.want == "" {
				if len(got) != 2 || len(errs) > 0 {
					t.Errorf("%+v, %v", got, errs)
				}
				return
			}
			if len(got) != 1 || len(errs) != 1 || !strings.Contains(errs[0].Error(), test.want) {
				t.Errorf("%d records, %v, want one and %q", len(got), errs, test.want)
			}
		})
	}
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, layout, "folder"+suffix), 0o700))
	outside := filepath.Join(dir, "outside")
	must(t, os.WriteFile(outside, []byte(write(func(*file) {})), 0o600))
	must(t, os.Symlink(outside, filepath.Join(dir, layout, "link"+suffix)))
	if got, errs := Read(dir, everything); len(got) > 0 || len(errs) != 2 || !strings.Contains(errors.Join(errs...).Error(), "no file that tagline wrote") {
		t.Errorf("a folder and a link: %v, %v", got, errs)
	}
}
