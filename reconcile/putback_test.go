package reconcile_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// dropping is a registry that drops manifests with their last tag. Alias 11 is the
// image of 11.2 and becomes that of 11.3, and tag 9 goes, which is the image of
// 8.
func dropping(t *testing.T) (*builder, config.Image) {
	b := build()
	b.Drops = true
	for _, tag := range []string{"8", "11.2", "11.3"} {
		b.release(tag, false, intel)
	}
	b.tag("11", b.digest["11.2 linux/amd64"])
	b.tag("9", b.digest["8 linux/amd64"])
	return b, parse(t, "images: {app: {policies: {provenance: drop}, aliases: {11: 11.3, 9: absent}}}")[0]
}

func TestPutBack(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(b *builder, p *reconcile.Plan)
		old  string // the outcome for the image of 11.2: "" if it was put back
		tag9 error
	}{
		{"it is put back", func(*builder, *reconcile.Plan) {}, "", nil},
		{"the registry keeps it", func(b *builder, _ *reconcile.Plan) { b.Drops = false }, "was there", nil},
		{"the push fails", func(b *builder, _ *reconcile.Plan) { b.Broken["PUT "+b.digest["11.2 linux/amd64"]] = errors.New("400") },
			"could not be put back: 400", reconcile.ErrSkipped},
		{"it can't be asked for", func(b *builder, _ *reconcile.Plan) { b.Broken[b.digest["11.2 linux/amd64"]] = errors.New("503") },
			"it is not known whether the registry has dropped it: 503", reconcile.ErrSkipped},
		{"its bytes were not read", func(_ *builder, p *reconcile.Plan) { p.Required[0].Manifest = nil },
			"its bytes could not be read before; push it again", reconcile.ErrSkipped},
		{"the push of the tag fails", func(b *builder, _ *reconcile.Plan) { b.Broken["PUT 11"] = errors.New("503") }, "was there", reconcile.ErrSkipped},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, image := dropping(t)
			p := plan(t, b.Memory, image)
			if len(p.Required) != 2 || p.Required[0].Digest != b.digest["11.2 linux/amd64"] || p.Required[1].Digest != b.digest["8 linux/amd64"] {
				t.Fatalf("it requires %+v", p.Required)
			}
			test.harm(b, &p)
			r := reconcile.Apply(t.Context(), b.Writer(image.Repository), p)
			switch o := r.Ensured[0]; {
			case test.old == "" && (o.Err != nil || o.Already), test.old == "was there" && (o.Err != nil || !o.Already):
				t.Errorf("it became %+v", o)
			case test.old != "" && test.old != "was there" && (o.Err == nil || !strings.Contains(o.Err.Error(), test.old)):
				t.Errorf("it became %v, want %q", o.Err, test.old)
			}
			if err := errOf(t, r.Deleted, "9"); !errors.Is(err, test.tag9) || (err == nil) != (test.tag9 == nil) {
				t.Errorf("tag 9: %v, want %v", err, test.tag9)
			}
			whole := b.Manifests[b.digest["11.2 linux/amd64"]].Body != nil
			if whole != (test.old == "" || test.old == "was there") {
				t.Errorf("that it is there is %v", whole)
			}
		})
	}
}

// cutting interrupts the run with its first push.
type cutting struct {
	registry.Writer
	cancel context.CancelFunc
}

func (c cutting) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	errs := c.Writer.Put(ctx, pushes)
	c.cancel()
	return errs
}

// A tag that has moved has taken its image with it, so that is put back though the
// run is interrupted.
func TestPutBackAfterAnInterruption(t *testing.T) {
	b, image := dropping(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := reconcile.Apply(ctx, cutting{b.Writer(image.Repository), cancel}, plan(t, b.Memory, image))
	if r.Pushed[0].Err != nil || r.Ensured[0].Err != nil || r.Ensured[0].Already || !errors.Is(r.Deleted[0].Err, reconcile.ErrSkipped) {
		t.Errorf("it became %+v", r)
	}
	if b.Manifests[b.digest["11.2 linux/amd64"]].Body == nil {
		t.Error("the image of 11.2 is lost")
	}
}

// What is asked for, and when.
func TestKeeps(t *testing.T) {
	for _, test := range []struct {
		name, aliases, policies string
		build                   func(b *builder)
		want                    []string // name of a digest, and why
	}{
		{"it is not known what lists an image", "11: 11.3", "drop", func(b *builder) { b.tag("11", b.digest["11.2 linux/amd64"]) }, []string{"11.2 linux/amd64: "}},
		{"another tag names it", "11: 11.3, 12: 11.2", "drop", func(b *builder) {
			b.tag("11", b.image("plain", intel))
			b.tag("11.2", b.digest["plain"])
			b.tag("12", b.digest["plain"])
		}, nil},
		{"another alias lists it", "11: 11.3, 12: both", "keep", func(b *builder) {
			b.tag("11", b.digest["11.2 linux/amd64"])
			b.tag("both", b.index("both", nil, b.entry(b.digest["11.2 linux/amd64"], intel)))
			b.tag("12", b.digest["both"])
		}, []string{`11.2 linux/amd64: alias "12" lists it`}},
		{"images.yaml names it", "11: 11.3, 12: {amd64: DIGEST}", "drop", func(b *builder) { b.tag("11", b.digest["11.2 linux/amd64"]) }, []string{"11.2 linux/amd64: images.yaml names it"}},
		{"an index that tagline made", "11: 11.3", "drop", func(b *builder) {
			b.tag("11", b.index("made", object{reconcile.AnnotationAlias: "11"}, b.entry(b.digest["11.2 linux/amd64"], intel)))
		}, nil},
		{"an index that another tool made", "11: 11.3", "drop", func(b *builder) { b.tag("11", b.digest["11.2"]) }, []string{"11.2: "}},
		{"all tags were read, and one lists it", "11: 11.3", "drop, prune: true", func(b *builder) { b.tag("11", b.digest["11.2 linux/amd64"]) },
			[]string{`11.2 linux/amd64: tag "11.2" lists it`}},
		{"all tags were read, and none lists it", "11: 11.3", "drop, prune: true", func(b *builder) { b.tag("11", b.image("alone", intel)) }, nil},
		{"the run deletes it", "11: 11.3", "drop, untagged: delete", func(b *builder) { b.tag("11", b.image("alone", intel)) }, nil},
		{"the registry keeps what an index lists", "11: 11.3", "drop", func(b *builder) {
			b.tag("11", b.digest["11.2 linux/amd64"])
			b.Facts.KeepsChildren = true
		}, nil},
		{"nothing to do", "11: 11.2", "drop", func(b *builder) { b.tag("11", b.digest["11.2 linux/amd64"]) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := build()
			for _, tag := range []string{"11.2", "11.3"} {
				b.release(tag, false, intel)
			}
			test.build(b)
			text := strings.ReplaceAll(test.aliases, "DIGEST", "\""+b.digest["11.2 linux/amd64"]+"\"")
			p := plan(t, b.Memory, parse(t, "images: {app: {policies: {provenance: "+test.policies+"}, aliases: {"+text+"}}}")[0])
			var got []string
			for _, k := range p.Required {
				got = append(got, b.called(k.Digest)+": "+k.Needed)
			}
			if !slices.Equal(got, test.want) || len(p.Errors)+len(p.Violations) > 0 {
				t.Errorf("it requires %q, want %q; %v %v", got, test.want, p.Errors, p.Violations)
			}
		})
	}
}

// killing ends the goroutine of a run right after its first push or deletion of a
// tag, so that nothing of the run comes after it.
type killing struct{ *builder }

func (k killing) Writer(of config.Repository) registry.Writer {
	return killingWriter{k.builder.Writer(of)}
}

type killingWriter struct{ registry.Writer }

func (k killingWriter) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	k.Writer.Put(ctx, pushes)
	runtime.Goexit()
	return nil
}

func (k killingWriter) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	k.Writer.DeleteTags(ctx, tags)
	runtime.Goexit()
	return nil
}

// If a run is killed between the move of a tag and the push that puts back what the
// registry has dropped, the next run puts it back, though all aliases are in sync.
func TestPutBackAfterAKill(t *testing.T) {
	for _, test := range []struct {
		name    string
		aliases string
		child   string // what is dropped
		harm    func(b *builder, r *remembering)
		back    bool
		failed  bool
	}{
		{"a push", "11: 11.3", "11.2 linux/amd64", func(*builder, *remembering) {}, true, false},
		{"a deletion", "9: absent", "8 linux/amd64", func(*builder, *remembering) {}, true, false},
		{"the bytes are gone", "11: 11.3", "11.2 linux/amd64", func(_ *builder, r *remembering) { r.bytes = nil }, false, false},
		{"the push fails", "11: 11.3", "11.2 linux/amd64",
			func(b *builder, _ *remembering) { b.Broken["PUT "+b.digest["11.2 linux/amd64"]] = errors.New("400") }, false, true},
		{"it was not dropped", "11: 11.3", "11.2 linux/amd64",
			func(b *builder, r *remembering) {
				b.Manifests[b.digest["11.2 linux/amd64"]] = r.bytes[b.digest["11.2 linux/amd64"]]
			}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, _ := dropping(t)
			image := aliases(t, test.aliases, "provenance: drop")
			child := b.digest[test.child]
			r := &remembering{Memory: b.Memory, bytes: maps.Clone(b.Manifests)}
			other := parse(t, `images: {other: {aliases: {1: "app:none"}}}`)[0]
			readers := func() registry.Readers { return registry.Once(r, []config.Image{image, other}) }
			killed := make(chan struct{})
			go func() {
				defer close(killed)
				reconcile.Run(t.Context(), reconcile.Job{Readers: readers(), Writers: killing{b}}, image)
			}()
			<-killed
			if b.Manifests[child].Body != nil || !r.record(image.Repository).Leaving[child] {
				t.Fatalf("%s is there, or %v does not have it", test.child, r.records)
			}
			test.harm(b, r)

			p, result := reconcile.Run(t.Context(), reconcile.Job{Readers: readers(), Writers: b}, image)
			if len(p.InSync) != 1 || len(p.Pushes)+len(p.DeleteTags)+len(p.Errors) > 0 {
				t.Errorf("the next run plans %+v", p)
			}
			if failed := slices.ContainsFunc(result.Ensured, func(o reconcile.Outcome) bool { return o.Err != nil }); failed != test.failed {
				t.Errorf("%+v", result.Ensured)
			}
			if back := b.Manifests[child].Body != nil; back != test.back {
				t.Errorf("that it is there is %v", back)
			}
			if len(r.record(image.Repository).Leaving) > 0 {
				t.Errorf("%v is remembered for the run after that", r.records)
			}
			if p, _ := reconcile.Run(t.Context(), reconcile.Job{Readers: readers(), Writers: b}, image); !p.Empty() || len(p.Errors) > 0 {
				t.Errorf("the run after that plans %+v", p)
			}
		})
	}
}

// What could not be put back is tried once more by the next run.
func TestPutBackAgain(t *testing.T) {
	b, image := dropping(t)
	child := b.digest["11.2 linux/amd64"]
	r := &remembering{Memory: b.Memory, bytes: maps.Clone(b.Manifests)}
	job := reconcile.Job{Readers: r, Writers: b}
	b.Broken["PUT "+child] = errors.New("503")
	reconcile.Run(t.Context(), job, image)
	if b.Manifests[child].Body != nil {
		t.Fatal("it was not dropped")
	}
	delete(b.Broken, "PUT "+child)
	if p, _ := reconcile.Run(t.Context(), job, image); b.Manifests[child].Body == nil || len(r.record(image.Repository).Leaving) > 0 {
		t.Errorf("%v is left after %+v", r.records, p)
	}
}
