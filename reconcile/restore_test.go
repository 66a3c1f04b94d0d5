package reconcile_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// bin is a trash in memory.
type bin struct {
	mu      sync.Mutex
	records []reconcile.Record
	full    error
}

func (b *bin) Deleted(config.Repository) {}

func (b *bin) Keep(of config.Repository, what []reconcile.Kept) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full == nil {
		b.records = append(b.records, reconcile.Record{Run: "run", Time: time.Now(), Repository: of, Kept: what})
	}
	return b.full
}

// has reports whether a manifest is kept, with a tag unless that is "".
func (b *bin) has(digest, tag string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.records, func(r reconcile.Record) bool {
		return slices.ContainsFunc(r.Kept, func(k reconcile.Kept) bool {
			return k.Manifest.Digest == digest && digestOf(string(k.Manifest.Body)) == digest &&
				(tag == "" || slices.ContainsFunc(k.Tags, func(t reconcile.KeptTag) bool { return t.Tag == tag }))
		})
	})
}

// slowly is a trash during whose writing something happens.
type slowly struct {
	*bin
	meanwhile func()
}

func (s slowly) Keep(of config.Repository, what []reconcile.Kept) error {
	s.meanwhile()
	return s.bin.Keep(of, what)
}

// A tag that another job moves while the trash is written is not overwritten.
func TestTagMovesWhileTheTrashIsWritten(t *testing.T) {
	b := build()
	b.release("1", false, intel)
	image := aliases(t, "10: 1", "provenance: purge")
	p := plan(t, b.Memory, image)
	another := b.image("another", intel)
	kept := slowly{&bin{}, func() { b.tag("1", another) }}
	r := reconcile.Apply(t.Context(), reconcile.KeepFirst(b.Writer(image.Repository), b.Reader(image.Repository), kept, image.Repository, p), p)
	for i, o := range r.Pushed {
		if o.Tag == "1" && (!errors.Is(o.Err, reconcile.ErrStale) || p.Pushes[i].Purged == 0) {
			t.Errorf("got %v, want that it is stale", o.Err)
		}
	}
	if now := b.Tags["r.test/app:1"]; now != another {
		t.Errorf("the tag names %s", b.called(now))
	}
}

// watched is a writer that fails the test if something is deleted before it is
// kept.
type watched struct {
	registry.Writer
	t   interface{ Errorf(string, ...any) }
	m   *registrytest.Memory
	bin *bin
}

func (w watched) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	for _, t := range tags {
		if digest := w.m.Tags["r.test/app:"+t.Tag]; digest != "" && !w.bin.has(digest, t.Tag) {
			w.t.Errorf("tag %s is deleted before it is kept", t.Tag)
		}
	}
	return w.Writer.DeleteTags(ctx, tags)
}

func (w watched) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	for _, r := range due {
		if !w.bin.has(r.Digest, "") {
			w.t.Errorf("%s is deleted before it is kept", r.Digest)
		}
	}
	return w.Writer.DeleteManifests(ctx, due)
}

type watching struct{ watched }

func (w watching) Writer(of config.Repository) registry.Writer {
	w.watched.Writer = w.m.Writer(of)
	return w.watched
}

// withBlobs gives every manifest the blobs that it refers to.
func (b *builder) withBlobs() {
	for digest := range b.Manifests {
		r := b.References(digest)
		for _, blob := range append(r.Layers, r.Config) {
			if blob.Digest != "" && b.Blobs[blob.Digest] == nil {
				b.Blobs[blob.Digest] = []byte("x")
			}
		}
	}
}

// all is everything that records have.
func (b *bin) all(t interface {
	Helper()
	Fatalf(string, ...any)
}) []reconcile.Lost {
	t.Helper()
	found, none := reconcile.Choose(b.records, nil, "", time.Time{})
	if len(none) > 0 {
		t.Fatalf("not found: %v", none)
	}
	return found
}

// A registry that drops a manifest with its last tag has the image that a purge
// left under the tag after the restore, too: the index lists it.
func TestRestoreWhereTagsDrop(t *testing.T) {
	b := build()
	b.Drops = true
	index := b.release("1", true, intel)
	b.withBlobs()
	kept := &bin{}
	image := aliases(t, "10: 1", "provenance: purge", "signed: purge")
	job := reconcile.Job{Readers: b.Memory, Writers: b.Memory, Trash: kept}
	before := maps.Clone(b.Manifests)
	if p, _ := reconcile.Run(t.Context(), job, image); len(p.Pushes) != 2 || b.Tags["r.test/app:1"] == index {
		t.Fatalf("the purge is %+v", p)
	}
	delete(b.Tags, "r.test/app:10")
	for _, lost := range kept.all(t) {
		for _, o := range results(reconcile.Restore(t.Context(), b.Memory, b.Memory, lost, false)) {
			if o.Err != nil || o.Blocked != "" {
				t.Errorf("%s %s: %v %s", o.Tag, o.Digest, o.Err, o.Blocked)
			}
		}
	}
	for digest := range before {
		if _, ok := b.Manifests[digest]; !ok {
			t.Errorf("%s is lost", b.called(digest))
		}
	}
	if b.Tags["r.test/app:1"] != index || len(b.Dropped) == 0 {
		t.Errorf("tag 1 names %s, and these were dropped: %v", b.Tags["r.test/app:1"], b.Dropped)
	}
}

// Whatever a run deletes is kept before, and can be put back: every manifest is
// there again, and every tag that the run deleted or purged names what it named.
func TestEverythingIsRestored(t *testing.T) {
	restored := 0
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHousehold(rt, t)
		h.withBlobs()
		h.Facts.LastTag = h.Listed
		h.Drops = false // what the registry drops by itself, no run has deleted
		tags, manifests := maps.Clone(h.Tags), maps.Clone(h.Manifests)
		kept := &bin{}
		job := reconcile.Job{
			Readers: h.Memory, Writers: watching{watched{t: rt, m: h.Memory, bin: kept}}, Trash: kept,
			Limit: reconcile.Limit{Max: 1000, Set: true},
		}
		p, r := reconcile.Run(t.Context(), job, h.image)
		lost := len(r.Removed) + len(r.Deleted)
		if len(kept.records) > 0 != (lost > 0 || slices.ContainsFunc(p.Pushes, func(p reconcile.Push) bool { return p.Purged > 0 })) {
			rt.Errorf("%d records, %d deletions", len(kept.records), lost)
		}
		for _, found := range kept.all(rt) {
			for _, o := range results(reconcile.Restore(t.Context(), h.Memory, h.Memory, found, false)) {
				if o.Err != nil || o.Blocked != "" {
					rt.Errorf("%s %s: %v %s", o.Tag, h.called(o.Digest), o.Err, o.Blocked)
				}
				restored++
			}
		}
		for digest := range manifests {
			if _, ok := h.Manifests[digest]; !ok {
				rt.Errorf("%s is lost", h.called(digest))
			}
		}
		for name, digest := range tags {
			tag := strings.TrimPrefix(name, "r.test/app:")
			moved := slices.ContainsFunc(p.Pushes, func(p reconcile.Push) bool { return p.Tag == tag && p.Purged == 0 })
			if h.Tags[name] != digest && !moved {
				rt.Errorf("tag %s names %s, not %s", tag, h.called(h.Tags[name]), h.called(digest))
			}
		}
		if t.Failed() {
			rt.Logf("%s\nplan %q", h.text, h.actions(p))
		}
	})
	if restored == 0 {
		t.Error("nothing was restored at all")
	}
}

func results(r reconcile.Restored) []reconcile.RestoredOne { return slices.Concat(r.Manifests, r.Tags) }

// A trash that can't keep stops purges and deletions, and no alias.
func TestNothingIsDeletedUnkept(t *testing.T) {
	full := errors.New("no space left on device")
	for _, test := range []struct {
		name string
		harm func(*builder, *bin)
	}{
		{"a full trash", func(_ *builder, k *bin) { k.full = full }},
		{"a manifest that can't be read", func(b *builder, _ *bin) { b.Broken[b.digest["1"]] = full }},
		{"a tag's manifest that can't be read", func(b *builder, _ *bin) { b.Broken[b.digest["9"]] = full }},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := build()
			b.release("1", false, intel)
			b.tag("9", b.image("9", intel))
			image := aliases(t, "10: 1\n9: absent", "provenance: purge")
			p := plan(t, b.Memory, image)
			kept := &bin{}
			test.harm(b, kept)
			before := maps.Clone(b.Manifests)
			r := reconcile.Apply(t.Context(), reconcile.KeepFirst(b.Writer(image.Repository), b.Reader(image.Repository), kept, image.Repository, p), p)
			failed := 0
			for _, o := range r.Pushed {
				switch {
				case o.Tag == "10" && o.Err != nil:
					t.Errorf("push %s: %v", o.Tag, o.Err)
				case o.Tag == "1" && (o.Err == nil) != (b.Tags["r.test/app:1"] != b.digest["1"]):
					t.Errorf("tag 1 names %s: %v", b.Tags["r.test/app:1"], o.Err)
				case errors.Is(o.Err, full):
					failed++
				}
			}
			if b.Tags["r.test/app:10"] == "" {
				t.Error("the alias was not pushed")
			}
			for _, o := range slices.Concat(r.Deleted, r.Removed) {
				if o.Err == nil {
					t.Errorf("%s was deleted", b.called(o.Tag))
				} else if errors.Is(o.Err, full) {
					failed++
				}
			}
			if failed == 0 {
				t.Errorf("%+v: nothing says why", r)
			}
			for digest := range before {
				if _, ok := b.Manifests[digest]; !ok {
					t.Errorf("%s is gone", b.called(digest))
				}
			}
			if b.Tags["r.test/app:9"] == "" {
				t.Error("tag 9 is gone")
			}
		})
	}
}

// Choose selects what is asked for, with the children of indexes from any run.
func TestChoose(t *testing.T) {
	b := build()
	one, two := b.release("1", false, intel), b.release("2", false, intel)
	plain := b.image("plain", intel)
	kept := func(name string, tags ...reconcile.KeptTag) reconcile.Kept {
		return reconcile.Kept{Manifest: b.Manifests[b.digest[name]], Tags: tags}
	}
	app, other := aliases(t, "10: 1").Repository, config.Repository{Host: "r.test", Path: "other"}
	now := time.Now()
	records := []reconcile.Record{
		{Run: "a", Time: now.Add(-3 * time.Hour), Repository: app, Kept: []reconcile.Kept{kept("1 attestation of linux/amd64")}},
		{Run: "a", Time: now.Add(-3 * time.Hour), Repository: app, Kept: []reconcile.Kept{kept("plain", reconcile.KeptTag{Tag: "9"})}},
		{Run: "b", Time: now.Add(-2 * time.Hour), Repository: app, Kept: []reconcile.Kept{kept("1", reconcile.KeptTag{Tag: "9"}), kept("2", reconcile.KeptTag{Tag: "8", New: plain})}},
		{Run: "c", Time: now.Add(-1 * time.Hour), Repository: other, Kept: []reconcile.Kept{kept("plain", reconcile.KeptTag{Tag: "9"})}},
	}
	for _, test := range []struct {
		name   string
		wanted []reconcile.Wanted
		run    string
		since  time.Time
		want   string
	}{
		{"all", nil, "", time.Time{}, "app: 1 attestation of linux/amd64, plain, 1, 2, 8=2, 9=1; other: plain, 9=plain"},
		{"a run", nil, "a", time.Time{}, "app: 1 attestation of linux/amd64, plain, 9=plain"},
		{"since", nil, "", now.Add(-90 * time.Minute), "other: plain, 9=plain"},
		{"a repository", []reconcile.Wanted{{Repository: other}}, "", time.Time{}, "other: plain, 9=plain"},
		{"the last of a tag, with what it lists", []reconcile.Wanted{{Repository: app, Tag: "9"}}, "", time.Time{}, "app: 1 attestation of linux/amd64, 1, 9=1"},
		{"a tag of a run", []reconcile.Wanted{{Repository: app, Tag: "9"}}, "a", time.Time{}, "app: plain, 9=plain"},
		{"a digest", []reconcile.Wanted{{Repository: app, Digest: two}}, "", time.Time{}, "app: 2"},
		{"two", []reconcile.Wanted{{Repository: app, Digest: one}, {Repository: other, Tag: "9"}}, "", time.Time{}, "app: 1 attestation of linux/amd64, 1; other: plain, 9=plain"},
		{"nothing", []reconcile.Wanted{{Repository: app, Tag: "7"}}, "", time.Time{}, "none 7"},
		{"nothing of that run", []reconcile.Wanted{{Repository: app, Tag: "8"}}, "a", time.Time{}, "none 8"},
		{"nothing of that time", nil, "", now, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, none := reconcile.Choose(records, test.wanted, test.run, test.since)
			m := registrytest.NewMemory() // has nothing but the images and blobs
			m.Blobs = b.Blobs
			b.withBlobs()
			for _, name := range []string{"1 linux/amd64", "2 linux/amd64", "2 attestation of linux/amd64"} {
				m.Manifests[b.digest[name]] = b.Manifests[b.digest[name]]
			}
			var got []string
			for _, lost := range found {
				var ones []string
				for _, o := range results(reconcile.Restore(t.Context(), m, nil, lost, false)) {
					if o.Err != nil || o.Blocked != "" || o.Already {
						t.Errorf("%+v", o)
					}
					if o.Tag != "" {
						ones = append(ones, o.Tag+"="+b.called(o.Digest))
					} else {
						ones = append(ones, b.called(o.Digest))
					}
				}
				slices.SortStableFunc(ones, func(a, b string) int { return strings.Index(order, "|"+a+"|") - strings.Index(order, "|"+b+"|") })
				got = append(got, lost.Repository.Path+": "+strings.Join(ones, ", "))
			}
			for _, w := range none {
				got = append(got, "none "+w.Tag)
			}
			if text := strings.Join(got, "; "); text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
			if len(m.Puts) > 0 {
				t.Errorf("%q were pushed without writers", m.Puts)
			}
		})
	}
}

const order = "|1 attestation of linux/amd64|plain|1|2|8=2|9=1|9=plain|"

// What can't be put back is named, and the rest is put back.
func TestRestoreInPart(t *testing.T) {
	down := errors.New("503")
	for _, test := range []struct {
		name  string
		harm  func(b *builder)
		force bool
		want  string // by name, what is not put back and why
	}{
		{"nothing", func(*builder) {}, false, ""},
		{"a layer is gone", func(b *builder) { delete(b.Blobs, digestOf("image")) }, false,
			"image: it refers to what is gone: layer " + digestOf("image") + "; index: it refers to what is gone: IMAGE; 1: its manifest can't be put back"},
		{"a child that was not kept is gone", func(b *builder) { delete(b.Manifests, b.digest["other"]) }, false,
			"image: what lists it can't be put back; index: it refers to what is gone: linux/arm64 OTHER; 1: its manifest can't be put back"},
		{"a tag names something else", func(b *builder) { b.tag("1", b.digest["other"]) }, false,
			"image: what lists it can't be put back; index: its tag can't be put back; 1: it names OTHER now; --force moves it"},
		{"and is forced", func(b *builder) { b.tag("1", b.digest["other"]) }, true, ""},
		{"a tag names what the run left", func(b *builder) { b.tag("1", b.digest["left"]) }, false, ""},
		{"a blob whose HEAD fails", func(b *builder) { b.Broken[digestOf("image")] = down }, false,
			"image: error 503; index: error not done: IMAGE, which it lists, can't be put back; 1: error not done: its manifest is not put back"},
		{"a manifest whose HEAD fails", func(b *builder) { b.Broken[b.digest["other"]] = down }, false,
			"image: error not done: what lists it can't be put back; index: error 503; 1: error not done: its manifest is not put back"},
		{"a tag whose HEAD fails", func(b *builder) { b.Broken["1"] = down }, false,
			"image: error not done: what lists it can't be put back; index: error not done: its tag can't be put back; 1: error 503"},
		{"a push that fails", func(b *builder) { b.Broken["PUT "+b.digest["image"]] = down }, false,
			"image: error 503; index: error not done: IMAGE, which it lists, was not put back; 1: error not done: its manifest is not put back"},
		{"a tag that can't be pushed", func(b *builder) { b.Broken["PUT 1"] = down }, false, "1: error 503"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := build()
			img, other := b.image("image", intel), b.image("other", graviton)
			left := b.image("left", intel)
			index := b.index("index", nil, b.entry(img, intel), b.entry(other, graviton))
			b.withBlobs()
			repository := config.Repository{Host: "r.test", Path: "app"}
			found, _ := reconcile.Choose([]reconcile.Record{{Repository: repository, Kept: []reconcile.Kept{
				{Manifest: b.Manifests[index], Tags: []reconcile.KeptTag{{Tag: "1", New: left}}},
				{Manifest: b.Manifests[img]},
				{Manifest: b.Manifests[left], Tags: []reconcile.KeptTag{{Tag: "2"}}}, // is there, its tag is not
			}}}, nil, "", time.Time{})
			delete(b.Manifests, index)
			delete(b.Manifests, img)
			test.harm(b)
			var got []string
			for _, o := range results(reconcile.Restore(t.Context(), b, b, found[0], test.force)) {
				name := o.Tag
				if name == "" {
					name = b.called(o.Digest)
				}
				if _, there := b.Manifests[o.Digest]; there && o.Blocked != "" && o.Tag == "" {
					t.Errorf("%s is blocked, and was pushed", name)
				}
				switch {
				case o.Err != nil:
					got = append(got, name+": error "+o.Err.Error())
				case o.Blocked != "":
					got = append(got, name+": "+o.Blocked)
				default:
					if _, there := b.Manifests[o.Digest]; !there || o.Tag != "" && b.Tags["r.test/app:"+o.Tag] != o.Digest {
						t.Errorf("%s is not put back", name)
					}
				}
			}
			text := strings.NewReplacer(img, "IMAGE", other, "OTHER").Replace(strings.Join(got, "; "))
			if text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
			if b.Tags["r.test/app:2"] != left {
				t.Error("what is in order was not put back")
			}
		})
	}
}

// A manifest that is asked for by its digest does not depend on a tag.
func TestRestoreByDigest(t *testing.T) {
	b := build()
	index := b.release("1", true, intel)
	b.withBlobs()
	kept := []reconcile.Kept{
		{Manifest: b.Manifests[index], Tags: []reconcile.KeptTag{{Tag: "1"}}},
		{Manifest: b.Manifests[b.digest["1 attestation of linux/amd64"]]},
	}
	for _, k := range kept {
		delete(b.Manifests, k.Manifest.Digest)
	}
	b.tag("1", b.image("other", intel))
	found, _ := reconcile.Choose([]reconcile.Record{{Repository: app, Kept: kept}}, []reconcile.Wanted{{Repository: app, Digest: index}}, "", time.Time{})
	for _, o := range results(reconcile.Restore(t.Context(), b, b, found[0], false)) {
		if o.Err != nil || o.Blocked != "" || b.Manifests[o.Digest].Body == nil {
			t.Errorf("%s: %+v", b.called(o.Digest), o)
		}
	}
	if b.Tags["r.test/app:1"] != b.digest["other"] {
		t.Error("the tag was moved")
	}
}

// An archived manifest can't be pulled, so it is pushed again.
func TestRestoreOfAnArchivedManifest(t *testing.T) {
	b := build()
	b.tag("1", b.image("1", intel))
	b.withBlobs()
	found, _ := reconcile.Choose([]reconcile.Record{{Repository: app, Kept: []reconcile.Kept{
		{Manifest: b.Manifests[b.digest["1"]], Tags: []reconcile.KeptTag{{Tag: "1"}}},
	}}}, nil, "", time.Time{})
	b.Archived = b.digest["1"]
	for _, o := range results(reconcile.Restore(t.Context(), b, b, found[0], false)) {
		if o.Err != nil || o.Blocked != "" || o.Already != (o.Tag != "") {
			t.Errorf("%+v", o)
		}
	}
	if len(b.Puts) != 1 {
		t.Errorf("pushed: %q", b.Puts)
	}
}

// An alias that a run moves is put back with what the run then deletes. Of a tag that
// shares the digest and that the run rewrote, so is that.
func TestAliasesAreRestored(t *testing.T) {
	b := build()
	index := b.release("1", true, intel)
	b.tag("10", index)
	b.tag("2", b.image("2", graviton))
	b.withBlobs()
	kept := &bin{}
	job := reconcile.Job{Readers: b.Memory, Writers: b.Memory, Trash: kept}
	tags := maps.Clone(b.Tags)
	if _, r := reconcile.Run(t.Context(), job, aliases(t, "10: {amd64: 1, arm64: 2}", "provenance: purge")); len(r.Removed) == 0 {
		t.Fatalf("nothing was deleted: %+v", r)
	}
	for _, lost := range kept.all(t) {
		reconcile.Restore(t.Context(), b.Memory, b.Memory, lost, false)
	}
	if !maps.Equal(tags, b.Tags) {
		t.Errorf("got %v, want %v", b.Tags, tags)
	}
}

// A tag that moves between the look and the push is left alone.
func TestRestoreOfATagThatMoves(t *testing.T) {
	b := build()
	lost, other := b.image("lost", intel), b.image("other", intel)
	b.withBlobs()
	repository := config.Repository{Host: "r.test", Path: "app"}
	found, _ := reconcile.Choose([]reconcile.Record{{Repository: repository, Kept: []reconcile.Kept{
		{Manifest: b.Manifests[lost], Tags: []reconcile.KeptTag{{Tag: "1"}}},
	}}}, nil, "", time.Time{})
	delete(b.Manifests, lost)
	r := reconcile.Restore(t.Context(), b, pushing{b, func() { b.tag("1", other) }}, found[0], false)
	if len(r.Tags) != 1 || !errors.Is(r.Tags[0].Err, reconcile.ErrStale) || b.Tags["r.test/app:1"] != other {
		t.Errorf("%+v, and the tag names %s", r.Tags, b.called(b.Tags["r.test/app:1"]))
	}
	if len(r.Manifests) != 1 || r.Manifests[0].Err != nil {
		t.Errorf("%+v", r.Manifests)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	delete(b.Manifests, lost)
	for _, o := range results(reconcile.Restore(ctx, b, b, found[0], false)) {
		if !errors.Is(o.Err, reconcile.ErrSkipped) {
			t.Errorf("interrupted: %+v", o)
		}
	}
}

// pushing does something with the first push.
type pushing struct {
	*builder
	meddle func()
}

func (p pushing) Writer(of config.Repository) registry.Writer {
	return meddledPut{p.builder.Writer(of), p.meddle}
}

type meddledPut struct {
	registry.Writer
	meddle func()
}

func (m meddledPut) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	errs := m.Writer.Put(ctx, pushes)
	m.meddle()
	return errs
}
