package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// remembering is a registry whose readers remember, as a cache does.
type remembering struct {
	*registrytest.Memory
	records map[config.Repository]registry.Record
	bytes   map[string]registry.RawManifest // of manifests, by digest
}

type rememberingReader struct {
	registry.Reader
	registry.NoMemory
	of   *remembering
	home config.Repository
}

func (r *remembering) Reader(of config.Repository) registry.Reader {
	return rememberingReader{Reader: r.Memory.Reader(of), of: r, home: of}
}

func (r rememberingReader) Memory() registry.Memory { return r }

func (r rememberingReader) Recall(digest string) (registry.RawManifest, bool) {
	m, ok := r.of.bytes[digest]
	return m, ok
}

func (r rememberingReader) Record() registry.Record {
	r.of.Lock()
	defer r.of.Unlock()
	record := r.of.record(r.home)
	return registry.Record{Waiting: maps.Clone(record.Waiting), Leaving: maps.Clone(record.Leaving), Versions: maps.Clone(record.Versions)}
}

func (r rememberingReader) Note(change func(registry.Record)) {
	r.of.Lock()
	defer r.of.Unlock()
	change(r.of.record(r.home))
}

// record is what is noted of a repository.
func (r *remembering) record(of config.Repository) registry.Record {
	record, ok := r.records[of]
	if !ok {
		if r.records == nil {
			r.records = map[config.Repository]registry.Record{}
		}
		record = registry.Record{Waiting: map[string]time.Time{}, Leaving: map[string]bool{}, Versions: map[string]string{}}
		r.records[of] = record
	}
	return record
}

// later moves the clock, by moving everything else back.
func (r *remembering) later(d time.Duration) {
	all := []map[string]time.Time{r.Pushed, r.Pulled}
	for _, record := range r.records {
		all = append(all, record.Waiting)
	}
	for _, times := range all {
		for digest := range times {
			times[digest] = times[digest].Add(-d)
		}
	}
}

// A grace that is written out holds for what a run replaces, counted from then.
func TestGrace(t *testing.T) {
	const (
		day = 24 * time.Hour
		two = "grace: 48h"
	)
	type step struct {
		after time.Duration
		want  []string // deletions
		waits int
	}
	nine := func(b *builder) {
		b.tag("9", b.index("9", object{reconcile.AnnotationAlias: "9"}, b.entry(b.image("9 linux/amd64", intel), intel)))
	}
	for _, test := range []struct {
		name     string
		aliases  string
		settings []string
		make     func(*builder)
		moves    func(*builder) // after the first step
		forgets  bool           // the cache is lost after each run
		steps    []step
	}{
		{
			"purge of several platforms, by the push of what they became", "", []string{"provenance: purge", two},
			func(b *builder) { b.release("1", false, intel, graviton) }, nil, true,
			[]step{
				{0, nil, 3}, {day, nil, 3},
				{day, []string{"replaced: 1", "attestation: 1 attestation of linux/amd64", "attestation: 1 attestation of linux/arm64"}, 0},
			},
		},
		{
			"purge of one platform, by the cache", "", []string{"provenance: purge", two},
			func(b *builder) { b.release("1", false, intel) }, nil, false,
			[]step{{0, nil, 2}, {day, nil, 2}, {day, []string{"replaced: 1", "attestation: 1 attestation of linux/amd64"}, 0}},
		},
		{
			"purge of one platform stays if the cache is lost", "", []string{"provenance: purge", two},
			func(b *builder) { b.release("1", false, intel) }, nil, true,
			[]step{{0, nil, 2}, {3 * day, nil, 2}, {3 * day, nil, 2}},
		},
		{
			"purge without grace", "", []string{"provenance: purge"},
			func(b *builder) { b.release("1", false, intel) }, nil, true,
			[]step{{0, []string{"replaced: 1", "attestation: 1 attestation of linux/amd64"}, 0}},
		},
		{
			"an alias that moves, by the push of the next index", "10: {amd64: 2}", []string{"untagged: delete", two},
			func(b *builder) {
				b.tag("2", b.image("2", intel))
				b.tag("10", b.index("old", object{reconcile.AnnotationAlias: "10"}, b.entry(b.image("1", intel), intel)))
			}, nil, true,
			[]step{{0, nil, 2}, {day, nil, 2}, {day, []string{"untagged: old", "untagged: 1"}, 0}},
		},
		{
			"an alias without a mark, by the cache", "10: 2", []string{"untagged: delete", two},
			func(b *builder) {
				b.tag("2", b.image("2", intel))
				b.tag("10", b.image("1", intel))
			}, nil, false,
			[]step{{0, nil, 1}, {day, nil, 1}, {day, []string{"untagged: 1"}, 0}},
		},
		{
			"what another job untagged, by its push", "", []string{"untagged: delete", two},
			func(b *builder) {
				b.image("old", intel)
				b.Pushed[b.image("young", intel)] = time.Now()
			}, nil, false,
			[]step{{0, []string{"untagged: old"}, 1}, {2 * day, []string{"untagged: young"}, 0}},
		},
		{
			"what was pulled since", "", []string{"untagged: delete", two},
			func(b *builder) { b.Pulled[b.image("old", intel)] = time.Now() }, nil, false,
			[]step{{0, nil, 1}, {2 * day, []string{"untagged: old"}, 0}},
		},
		{
			"a pull counts for nothing unless grace is written", "", []string{"untagged: delete"},
			func(b *builder) { b.Pulled[b.image("old", intel)] = time.Now() }, nil, false,
			[]step{{0, []string{"untagged: old"}, 0}},
		},
		{
			"a grace of zero holds nothing back", "", []string{"provenance: purge", "untagged: delete", "grace: 0s"},
			func(b *builder) {
				b.release("1", false, intel)
				b.Pushed[b.image("young", intel)] = time.Now()
			}, nil, false,
			[]step{{0, []string{"replaced: 1", "attestation: 1 attestation of linux/amd64", "untagged: young"}, 0}},
		},
		{
			"what is tagged again is forgotten", "", []string{"provenance: purge", two},
			func(b *builder) { b.release("1", false, intel) },
			func(b *builder) { b.tag("1", b.digest["1"]) }, false,
			[]step{{0, nil, 2}, {day, nil, 2}, {day, nil, 2}, {day, []string{"replaced: 1", "attestation: 1 attestation of linux/amd64"}, 0}},
		},
		{
			"an alias that goes", "9: absent", []string{"untagged: delete", two}, nine, nil, false,
			[]step{{0, nil, 2}, {10 * time.Minute, nil, 2}, {2 * day, []string{"untagged: 9", "untagged: 9 linux/amd64"}, 0}},
		},
		{
			"an alias that is pruned", "", []string{"prune: true", "untagged: delete", two}, nine, nil, false,
			[]step{{0, nil, 2}, {10 * time.Minute, nil, 2}, {2 * day, []string{"untagged: 9", "untagged: 9 linux/amd64"}, 0}},
		},
		{
			"an alias that goes under a purge", "9: absent", []string{"provenance: purge", "untagged: delete", two},
			func(b *builder) { b.release("9", false, intel) }, nil, false,
			[]step{
				{0, nil, 3}, {10 * time.Minute, nil, 3},
				{2 * day, []string{"replaced: 9", "untagged: 9 linux/amd64", "attestation: 9 attestation of linux/amd64"}, 0},
			},
		},
		{
			"an alias that goes, if the cache is lost", "9: absent", []string{"untagged: delete", two}, nine, nil, true,
			[]step{{0, nil, 2}, {10 * time.Minute, []string{"untagged: 9", "untagged: 9 linux/amd64"}, 0}},
		},
		{
			"an alias that goes and comes back", "9: absent", []string{"untagged: delete", two}, nine,
			func(b *builder) { b.tag("9", b.digest["9"]) }, false,
			[]step{{0, nil, 2}, {day, nil, 2}, {day, nil, 2}, {day, []string{"untagged: 9", "untagged: 9 linux/amd64"}, 0}},
		},
		{
			"an index that goes with its tag leaves its image waiting", "9: absent", []string{"untagged: delete", two},
			func(b *builder) {
				b.Facts.LastTag = true
				nine(b)
			}, nil, false,
			[]step{{0, []string{"untagged: 9"}, 1}, {10 * time.Minute, nil, 1}, {2 * day, []string{"untagged: 9 linux/amd64"}, 0}},
		},
		{
			"an index that goes with its tag leaves a young image, without grace", "9: absent", []string{"untagged: delete"},
			func(b *builder) {
				b.Facts.LastTag = true
				nine(b)
				b.Pushed[b.digest["9 linux/amd64"]] = time.Now()
			}, nil, false,
			[]step{{0, []string{"untagged: 9"}, 1}, {day, []string{"untagged: 9 linux/amd64"}, 0}},
		},
		{
			"a tag that goes takes its image along where the registry wants that", "9: absent", []string{"untagged: delete", two},
			func(b *builder) {
				b.Facts.LastTag = true
				b.tag("9", b.image("9", intel))
			}, nil, false,
			[]step{{0, []string{"untagged: 9"}, 0}},
		},
	} {
		for _, shared := range []bool{false, true} {
			t.Run(test.name+map[bool]string{true: ", with an image that reads the same repository"}[shared], func(t *testing.T) {
				b := build()
				b.Listed = true
				b.tag("plain", b.image("plain", intel))
				test.make(b)
				m := &remembering{Memory: b.Memory}
				images := []config.Image{aliases(t, test.aliases+"\nstable: plain", test.settings...)}
				if shared {
					images = append(images, parse(t, `images: {other: {aliases: {1: "app:none"}}}`)...)
				}
				for i, s := range test.steps {
					m.later(s.after)
					if i == 1 && test.moves != nil {
						test.moves(b)
					}
					if test.forgets {
						m.records = nil
					}
					job := reconcile.Job{Readers: m, Writers: m.Memory, Limit: reconcile.Limit{Max: 100, Set: true}}
					reconcile.RunAll(t.Context(), job, images, func(p reconcile.Plan, r reconcile.Result) {
						for _, o := range slices.Concat(r.Pushed, r.Deleted, r.Removed) {
							if o.Err != nil {
								t.Fatal(o.Err)
							}
						}
						if p.Image != "app" {
							return
						}
						var got []string
						for _, d := range p.DeleteManifests {
							got = append(got, d.Kind+": "+b.called(d.Digest))
						}
						if diff := difference(got, s.want); diff != "" || p.Swept.Waiting != s.waits || len(p.Errors)+len(p.Violations)+len(p.Warnings) > 0 {
							t.Errorf("run %d deletes %q, and %d wait; want %d\n%s\n%v %v %v", i, got, p.Swept.Waiting, s.waits, diff, p.Errors, p.Violations, p.Warnings)
						}
						for _, d := range r.Removed {
							delete(b.Pushed, d.Tag)
						}
					})
				}
			})
		}
	}
}

// waitsFromNow expects that one manifest waits for a grace of 48 hours, and that a dry
// run would delete it after that.
func waitsFromNow(t *testing.T, name string, b *builder, m *remembering, job reconcile.Job, image config.Image) {
	t.Helper()
	for _, step := range []struct {
		after time.Duration
		waits int
		goes  int
	}{{10 * time.Minute, 1, 0}, {48 * time.Hour, 0, 1}} {
		m.later(step.after)
		if p, _ := reconcile.Run(t.Context(), job, image); p.Swept.Waiting != step.waits || len(p.DeleteManifests) != step.goes || len(p.Pushes)+len(p.DeleteTags) > 0 {
			t.Errorf("%s: after %v, %d wait, and the plan is %v", name, step.after, p.Swept.Waiting, b.short(p))
		}
	}
}

// A run that is killed once it has moved or deleted a tag has noted since when what
// the tag named waits.
func TestGraceAfterAKill(t *testing.T) {
	for _, saved := range []bool{false, true} {
		for _, text := range []string{"10: 2", "9: absent"} {
			b := build()
			b.Listed = true
			b.tag("plain", b.image("plain", intel))
			b.tag("2", b.image("2", intel))
			for _, tag := range []string{"9", "10"} {
				b.tag(tag, b.image(tag, intel))
			}
			image := aliases(t, text, "untagged: delete", "grace: 48h")
			m := &remembering{Memory: b.Memory}
			job := reconcile.Job{Readers: m, Limit: reconcile.Limit{Max: 100, Set: true}}
			killed := job
			killed.Writers = killing{b}
			if saved {
				p, _ := reconcile.Run(t.Context(), job, image)
				killed.Saved = map[config.Repository]reconcile.Plan{image.Repository: p}
			}
			dead := make(chan struct{})
			go func() {
				defer close(dead)
				reconcile.Run(t.Context(), killed, image)
			}()
			<-dead
			waitsFromNow(t, fmt.Sprintf("saved %v, %s", saved, text), b, m, job, image)
		}
	}
}

// What an index lists that goes with its last tag waits from the time that a saved plan
// is applied, whoever made the plan and when.
func TestGraceOfASavedPlan(t *testing.T) {
	b := build()
	b.Listed, b.Facts.LastTag = true, true
	b.tag("plain", b.image("plain", intel))
	b.tag("9", b.index("9", object{reconcile.AnnotationAlias: "9"}, b.entry(b.image("9 linux/amd64", intel), intel)))
	image := aliases(t, "9: absent", "untagged: delete", "grace: 48h")
	job := reconcile.Job{Limit: reconcile.Limit{Max: 100, Set: true}}
	job.Readers = &remembering{Memory: b.Memory}
	p, _ := reconcile.Run(t.Context(), job, image)
	if none := reconcile.Guard(p, reconcile.Limit{Set: true}); len(p.Stranded) != 1 || len(none.Stranded) > 0 {
		t.Errorf("%v are stranded, and %v where nothing may be deleted", p.Stranded, none.Stranded)
	}

	m := &remembering{Memory: b.Memory}
	m.later(72 * time.Hour)
	job.Readers = m
	applied := job
	applied.Writers = m.Memory
	applied.Saved = map[config.Repository]reconcile.Plan{image.Repository: p}
	if _, r := reconcile.Run(t.Context(), applied, image); len(r.Deleted) != 1 || r.Deleted[0].Err != nil {
		t.Fatalf("the saved plan did %+v", r)
	}
	waitsFromNow(t, "applied later", b, m, job, image)
}

// Where no untagged manifest is listed, what waits is never found again. The plan
// says so, and a registry that drops it at once gets it back.
func TestGraceOverHTTP(t *testing.T) {
	for _, drops := range []bool{false, true} {
		b := build()
		b.Drops = drops
		b.release("1", false, intel)
		b.tag("2", b.image("2", intel))
		b.tag("10", b.image("old", intel))
		p := plan(t, b.Memory, aliases(t, "10: 2", "provenance: purge", "untagged: delete", "grace: 0"))
		if len(p.DeleteManifests) != 3 || len(p.Warnings) > 0 {
			t.Errorf("with a grace of zero, the plan is %v, %+v", b.short(p), p.Warnings)
		}
		image := aliases(t, "10: 2", "provenance: purge", "untagged: delete", "grace: 48h")
		p = plan(t, b.Memory, image)
		if len(p.DeleteManifests) > 0 || len(p.Warnings) != 1 || p.Warnings[0].ID != "unlisted-grace" || !strings.Contains(p.Warnings[0].Message, "keeps 3 manifests") {
			t.Errorf("plan is %v, %+v", b.short(p), p.Warnings)
		}
		for _, o := range reconcile.Apply(t.Context(), b.Writer(image.Repository), p).Pushed {
			if o.Err != nil {
				t.Error(o.Err)
			}
		}
		for _, name := range []string{"1", "1 attestation of linux/amd64", "old"} {
			if b.Manifests[b.digest[name]].Body == nil {
				t.Errorf("%s is gone", name)
			}
		}
		if p := plan(t, b.Memory, image); !p.Empty() || len(p.Warnings) > 0 {
			t.Errorf("the second plan is %v, %+v", b.short(p), p.Warnings)
		}
		p = plan(t, b.Memory, aliases(t, "10: 1", "provenance: purge", "untagged: delete"))
		if len(p.Warnings) > 0 {
			t.Errorf("without grace there are warnings: %+v", p.Warnings)
		}
	}
}

// If the clock is wrong, it is not known how long ago a purge was.
func TestGraceNeedsAClock(t *testing.T) {
	b := build()
	b.Listed, b.Now = true, time.Now().Add(time.Hour)
	b.release("1", false, intel, graviton)
	b.tag("plain", b.image("plain", intel))
	image := aliases(t, "stable: plain", "provenance: purge")
	p := plan(t, b.Memory, image)
	p.DeleteManifests = nil // it was cut
	reconcile.Apply(t.Context(), b.Writer(image.Repository), p)
	if p = plan(t, b.Memory, image); len(p.DeleteManifests) != 3 || len(p.Violations) > 0 {
		t.Errorf("without grace, the plan is %v", b.short(p))
	}
	p = plan(t, b.Memory, aliases(t, "stable: plain", "provenance: purge", "grace: 1s"))
	if len(p.DeleteManifests) > 0 || len(p.Violations) != 1 || p.Violations[0].ID != "clock-skew" {
		t.Errorf("the plan is %v", b.short(p))
	}
}

// The plan says which manifests go with their last tag.
func TestLastTagsTakeTheirManifests(t *testing.T) {
	for _, settings := range [][]string{nil, {"prune: true"}, {"untagged: delete", "grace: 24h"}} {
		b := build()
		b.Listed, b.Facts.LastTag = true, true
		b.tag("8", b.image("8", intel))
		b.tag("9", b.image("9", intel))
		b.tag("stable", b.digest["9"])
		p := plan(t, b.Memory, aliases(t, "8: absent\n9: absent", settings...))
		if len(p.DeleteTags) != 2 || !p.DeleteTags[0].Last || p.DeleteTags[1].Last {
			t.Errorf("%v: %+v", settings, p.DeleteTags)
		}
	}
}
