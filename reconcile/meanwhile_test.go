package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// meanwhile lets something happen just before a copy, and just after a push or a
// deletion.
type meanwhile struct {
	registry.Writer
	copying func(digest string) error // what it returns fails the copy
	put     func(tag string)
	deleted func(digests []string)
}

func (m meanwhile) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	errs := m.Writer.DeleteManifests(ctx, due)
	if m.deleted != nil {
		var digests []string
		for _, r := range due {
			digests = append(digests, r.Digest)
		}
		m.deleted(digests)
	}
	return errs
}

func (m meanwhile) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	errs := m.Writer.Put(ctx, pushes)
	for _, p := range pushes {
		if m.put != nil {
			m.put(p.Tag)
		}
	}
	return errs
}

func (m meanwhile) Copy(ctx context.Context, from config.Repository, digest string) error {
	if m.copying != nil {
		if err := m.copying(digest); err != nil {
			return err
		}
	}
	return m.Writer.Copy(ctx, from, digest)
}

// A saved plan warns of what could not be brought along, as any other does.
func TestUncopiedReferrerIsToldOf(t *testing.T) {
	for name, apply := range map[string]func(*builder, registry.Writer, config.Image, reconcile.Plan) reconcile.Result{
		"a plan": func(_ *builder, w registry.Writer, _ config.Image, p reconcile.Plan) reconcile.Result {
			return reconcile.Apply(t.Context(), w, p)
		},
		"a saved plan": func(b *builder, w registry.Writer, image config.Image, p reconcile.Plan) reconcile.Result {
			return reconcile.ApplySaved(t.Context(), b.Memory, w, image, p, unlimited)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			image := b.image("image", intel)
			b.Tags["r.test/base:1.0"] = image
			signature := b.referrer("signature", image)
			app := aliases(t, `1: "base:1.0"`)
			p := plan(t, b.Memory, app)
			w := meanwhile{Writer: b.Writer(app.Repository), copying: func(digest string) error {
				if digest == signature {
					return errors.New("403 Forbidden")
				}
				return nil
			}}
			r := apply(b, w, app, p)
			if err := errOf(t, r.Pushed, "1"); err != nil {
				t.Error(err)
			}
			if len(r.Warned) != 1 || r.Warned[0].ID != findings.UncopiedReferrer || !strings.Contains(r.Warned[0].Message, "403 Forbidden") {
				t.Errorf("it warns %v", r.Warned)
			}
		})
	}
}

// A tag of cosign that is pushed here while what refers to the image is copied stays.
func TestSignedHereMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		putting bool // it is signed after the push, not while the signature is copied
		warns   string
	}{
		"before the push": {warns: "names OWN here, which may be another signature, so it is left alone"},
		"after the push":  {putting: true, warns: "it was written, but the tag now names OWN; another job may have moved it"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // for the pauses between the reads
				b := build()
				image := b.image("image", intel)
				tag := fallback(image) + ".sig"
				b.Tags["r.test/base:1.0"] = image
				theirs := b.cosign("theirs", image, ".sig")
				b.Tags["r.test/base:"+tag] = theirs
				own := b.cosign("own", image, ".sig")
				delete(b.Tags, "r.test/app:"+tag)
				app := aliases(t, `1: "base:1.0"`)
				p := plan(t, b.Memory, app)
				w := meanwhile{Writer: b.Writer(app.Repository)}
				sign := func() { b.Tags["r.test/app:"+tag] = own }
				if test.putting {
					w.put = func(pushed string) {
						if pushed == tag {
							sign()
						}
					}
				} else {
					w.copying = func(digest string) error {
						if digest == theirs {
							sign()
						}
						return nil
					}
				}
				r := reconcile.Apply(t.Context(), w, p)
				if err := errOf(t, r.Pushed, "1"); err != nil {
					t.Error(err)
				}
				if now := b.Tags["r.test/app:"+tag]; now != own {
					t.Errorf("the tag names %s", b.names[now])
				}
				want := strings.ReplaceAll(test.warns, "OWN", own)
				if len(r.Warned) != 1 || r.Warned[0].ID != findings.UncopiedReferrer || !strings.Contains(r.Warned[0].Message, want) {
					t.Errorf("it warns %v, want %q", r.Warned, want)
				}
			})
		})
	}
}

// retaining confirms deletions of manifests and keeps some of them.
type retaining struct {
	registry.Writer
	keeps string
	until int // it has deleted it when it is asked for this often
	asked int
}

func (r *retaining) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	if i := slices.IndexFunc(due, func(d registry.Removal) bool { return d.Digest == r.keeps }); i >= 0 {
		r.Writer.DeleteManifests(ctx, slices.Delete(slices.Clone(due), i, i+1))
		return make([]error, len(due))
	}
	return r.Writer.DeleteManifests(ctx, due)
}

func (r *retaining) Resolve(ctx context.Context, references []string) []registry.Answer[registry.Descriptor] {
	if slices.Contains(references, r.keeps) {
		if r.asked++; r.asked == r.until {
			r.Writer.DeleteManifests(ctx, []registry.Removal{{Digest: r.keeps}})
		}
	}
	return r.Writer.Resolve(ctx, references)
}

// A registry that says that it has deleted a manifest, and has not, is found out. It may
// also be one that deletes later.
func TestDeletedManifestsAreAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		keeps  bool
		until  int
		broken error
		warns  string
	}{
		"deleted":              {},
		"still there":          {keeps: true, warns: "says that it has deleted what is still there: DIGEST"},
		"deleted a while late": {keeps: true, until: 3},
		"can't be asked for":   {broken: errors.New("503 Service Unavailable"), warns: "deleted what can't be asked for now: 503 Service Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // for the pauses between the reads
				b := build()
				b.Listed = true
				b.tag("1.0", b.image("image", intel))
				old, older := b.image("old", intel), b.image("older", intel)
				app := aliases(t, "1: 1.0", "untagged: delete")
				p := plan(t, b.Memory, app)
				w := &retaining{Writer: b.Writer(app.Repository), until: test.until}
				if test.keeps {
					w.keeps = old
				}
				if test.broken != nil {
					b.Broken[old] = test.broken
				}
				r := reconcile.Apply(t.Context(), w, p)
				for _, digest := range []string{old, older} {
					if err := errOf(t, r.Removed, digest); err != nil {
						t.Errorf("%s: %v", digest, err)
					}
				}
				want := strings.ReplaceAll(test.warns, "DIGEST", old)
				switch {
				case want == "" && len(r.Warned) == 0:
				case want == "" || len(r.Warned) != 1 || r.Warned[0].ID != findings.UndeletedManifest || !strings.HasSuffix(r.Warned[0].Message, want):
					t.Errorf("it warns %v, want %q", r.Warned, want)
				}
			})
		})
	}
}

// Another job tags what is due to be deleted, once some of it is gone. The rest stays.
func TestATagThatComesBetweenDeletions(t *testing.T) {
	for name, test := range map[string]struct {
		setUp func(b *builder)
		tag   func(b *builder, deleted []string) (reference, digest string)
		stays int
	}{
		"of what an index listed": {
			func(b *builder) {
				b.index("index", nil, b.entry(b.image("child", intel), intel), b.entry(b.image("other child", "linux/arm64"), "linux/arm64"))
			},
			func(b *builder, _ []string) (string, string) { return "new", b.digest["child"] }, 2,
		},
		"that moves": {
			func(b *builder) {
				b.index("index", nil, b.entry(b.image("child", intel), intel), b.entry(b.image("other child", "linux/arm64"), "linux/arm64"))
			},
			func(b *builder, _ []string) (string, string) { return "1.0", b.digest["child"] }, 2,
		},
		"of one of very many": {
			func(b *builder) {
				for i := range 150 {
					b.image(fmt.Sprint("old ", i), intel)
				}
			},
			func(b *builder, deleted []string) (string, string) {
				for i := range 150 {
					if d := b.digest[fmt.Sprint("old ", i)]; !slices.Contains(deleted, d) {
						return "new", d
					}
				}
				return "", ""
			}, 50,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			b.Listed = true
			b.tag("1.0", b.image("image", intel))
			test.setUp(b)
			app := aliases(t, "1: 1.0", "untagged: delete")
			p := plan(t, b.Memory, app)
			tagged := ""
			w := meanwhile{Writer: b.Writer(app.Repository), deleted: func(digests []string) {
				if tagged == "" {
					var tag string
					tag, tagged = test.tag(b, digests)
					b.tag(tag, tagged)
				}
			}}
			r := reconcile.Apply(t.Context(), w, p)
			stale := 0
			for _, o := range r.Removed {
				if _, there := b.Manifests[o.Tag]; there != (o.Err != nil) {
					t.Errorf("%s is there: %v, outcome %v", b.names[o.Tag], there, o.Err)
				}
				if errors.Is(o.Err, reconcile.ErrStale) {
					stale++
				}
			}
			if stale != test.stays || !errors.Is(errOf(t, r.Removed, tagged), reconcile.ErrStale) {
				t.Errorf("%d of %d stay, want %d", stale, len(r.Removed), test.stays)
			}
		})
	}
}
