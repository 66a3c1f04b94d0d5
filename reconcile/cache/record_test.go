package cache

import (
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/registry"
)

// What waits for its deletion is remembered, and forgotten when a run says so.
func TestWaiting(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	wait := func(dir string, change func(registry.Record)) map[string]time.Time {
		run := start(t, dir, nil)
		defer run.cache.Close()
		was := run.Memory().Record().Waiting
		run.Memory().Note(change)
		return was
	}
	nothing := func(registry.Record) {}
	both := map[string]time.Time{"sha256:a": at, "sha256:b": at}
	if was := wait(dir, func(r registry.Record) { maps.Copy(r.Waiting, both) }); len(was) > 0 {
		t.Errorf("%v wait before anything was said", was)
	}
	for range 2 {
		if was := wait(dir, nothing); !maps.EqualFunc(was, both, time.Time.Equal) {
			t.Errorf("%v wait, want %v", was, both)
		}
	}
	wait(dir, func(r registry.Record) { delete(r.Waiting, "sha256:a") })
	if was := wait(dir, nothing); len(was) != 1 || !was["sha256:b"].Equal(at) {
		t.Errorf("%v wait, want b alone", was)
	}
	if was := wait(t.TempDir(), nothing); len(was) > 0 {
		t.Errorf("%v wait in another folder", was)
	}
}

// What tags are about to leave is on disk once the plan is made, so that it outlives
// a run that is killed.
func TestLeaving(t *testing.T) {
	dir := t.TempDir()
	killed := start(t, dir, nil)
	killed.Memory().Note(func(r registry.Record) {
		r.Leaving["sha256:a"], r.Leaving["sha256:b"], r.Versions["sha256:a"] = true, true, "1.0"
	})
	killed.cache.Release(config.Image{Repository: app})
	clearAll := func(r registry.Record) { clear(r.Leaving) }
	killed.Memory().Note(clearAll) // is lost with the run

	next := start(t, dir, nil)
	r := next.Memory().Record()
	if !r.Leaving["sha256:a"] || !r.Leaving["sha256:b"] || !maps.Equal(r.Versions, map[string]string{"sha256:a": "1.0"}) {
		t.Errorf("the next run has %v", r)
	}
	next.Memory().Note(clearAll)
	next.cache.Close()
	if r := start(t, dir, nil).Memory().Record(); len(r.Leaving) > 0 || len(r.Versions) != 1 {
		t.Errorf("the run after that has %v", r)
	}
}

// A run writes over nothing that another one noted meanwhile.
func TestRecordsOfTwoRuns(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	later := at.Add(time.Hour)
	nothing := func(registry.Record) {}
	wait := func(digest string, since time.Time) func(registry.Record) {
		return func(r registry.Record) { r.Waiting[digest] = since }
	}
	forget := func(digest string) func(registry.Record) {
		return func(r registry.Record) { delete(r.Waiting, digest) }
	}
	for _, test := range []struct {
		name          string
		first, second func(registry.Record) // which ends later; a has been waiting before
		want          map[string]time.Time
	}{
		{"the second only reads", wait("b", at), nothing, map[string]time.Time{"a": at, "b": at}},
		{"both note another", wait("b", at), wait("c", at), map[string]time.Time{"a": at, "b": at, "c": at}},
		{"both note one, the second later", wait("b", at), wait("b", later), map[string]time.Time{"a": at, "b": later}},
		{"both note one, the first later", wait("b", later), wait("b", at), map[string]time.Time{"a": at, "b": later}},
		{"the first forgets", forget("a"), wait("b", at), map[string]time.Time{"b": at}},
		{"the second forgets", wait("b", at), forget("a"), map[string]time.Time{"b": at}},
		{"the second forgets what the first notes anew", wait("a", later), forget("a"), map[string]time.Time{"a": later}},
		{"the first forgets what the second notes anew", forget("a"), wait("a", later), map[string]time.Time{"a": later}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
			before := start(t, dir, r)
			before.Memory().Note(wait("a", at))
			before.Memory().Note(func(r registry.Record) { r.Leaving["x"] = true })
			before.cache.Close()
			first, second := start(t, dir, r), start(t, dir, r)
			second.Memory().Record() // it has the file as it was
			first.Memory().Note(test.first)
			first.Memory().Note(func(r registry.Record) { r.Leaving["y"], r.Versions["y"] = true, "1.0" })
			first.cache.Close()
			second.Memory().Note(test.second)
			second.manifest(t, "1") // it has something to write
			second.cache.Close()
			got := start(t, dir, r).Memory().Record()
			if !maps.EqualFunc(got.Waiting, test.want, time.Time.Equal) {
				t.Errorf("%v wait, want %v", got.Waiting, test.want)
			}
			if !got.Leaving["x"] || !got.Leaving["y"] || got.Versions["y"] != "1.0" {
				t.Errorf("the record is %+v", got)
			}
		})
	}
}

// Runs that end at the same moment lose nothing that one of them noted.
func TestRecordsOfManyRuns(t *testing.T) {
	dir, r, want := t.TempDir(), &fake{}, map[string]bool{}
	var runs []*run
	for i := range 20 {
		digest := fmt.Sprint("sha256:", i)
		want[digest] = true
		run := start(t, dir, r)
		run.Memory().Note(func(r registry.Record) { r.Leaving[digest] = true })
		runs = append(runs, run)
	}
	var all sync.WaitGroup
	for _, run := range runs {
		all.Go(run.cache.Close)
	}
	all.Wait()
	if got := start(t, dir, r).Memory().Record().Leaving; !maps.Equal(got, want) {
		t.Errorf("of %d entries %d are left", len(want), len(got))
	}
}

// What a run knows outlives a file that is lost meanwhile.
func TestRecordOutlivesItsFile(t *testing.T) {
	dir, r := t.TempDir(), &fake{tags: map[string]string{"1": "one"}}
	before := start(t, dir, r)
	before.Memory().Note(func(r registry.Record) { r.Leaving["x"] = true })
	before.cache.Close()
	run := start(t, dir, r)
	run.Memory().Record()
	for path := range files(t, dir) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	run.manifest(t, "1")
	run.cache.Close()
	if got := start(t, dir, r).Memory().Record(); !got.Leaving["x"] {
		t.Errorf("the record is %+v", got)
	}
}
