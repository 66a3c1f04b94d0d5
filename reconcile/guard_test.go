package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

func TestGuard(t *testing.T) {
	tags := func(n int) (all []reconcile.DeleteTag) {
		for i := range n {
			all = append(all, reconcile.DeleteTag{Tag: fmt.Sprint("t", i), Old: digestOf(fmt.Sprint("t", i))})
		}
		return all
	}
	manifests := func(kind string, n int) (all []reconcile.DeleteManifest) {
		for i := range n {
			all = append(all, reconcile.DeleteManifest{Digest: digestOf(fmt.Sprint("m", i)), Kind: kind})
		}
		return all
	}
	for _, test := range []struct {
		name  string
		plan  reconcile.Plan
		limit reconcile.Limit
		want  string // part of the message, "" where nothing is refused
	}{
		{"nothing", reconcile.Plan{}, reconcile.Limit{}, ""},
		{"the default", reconcile.Plan{DeleteTags: tags(25)}, reconcile.Limit{}, ""},
		{"over the default", reconcile.Plan{DeleteTags: tags(20), DeleteManifests: manifests(reconcile.KindUntagged, 6)}, reconcile.Limit{},
			"26 deletions are due in this repository, more than the 25 that one run may do; nothing is deleted; --max-deletions 26 would allow it"},
		{"unlisted manifests", reconcile.Plan{DeleteManifests: manifests(reconcile.KindUntagged, 26), Swept: reconcile.Swept{Unlisted: true}}, reconcile.Limit{},
			"--max-deletions 26 would allow it in this run; no later one finds what it replaces, since the registry lists no untagged manifests"},
		{"over a limit", reconcile.Plan{DeleteTags: tags(5)}, reconcile.Limit{Max: 3, Set: true}, "5 deletions are due in this repository, more than the 3"},
		{"none at all", reconcile.Plan{DeleteTags: tags(1)}, reconcile.Limit{Set: true}, "1 deletion is due in this repository, more than the 0"},
		{"a purge of a big repository", reconcile.Plan{DeleteManifests: append(manifests(reconcile.KindAttestation, 500), manifests(reconcile.KindReplaced, 500)...),
			Swept: reconcile.Swept{Tags: 500, Manifests: 1500}}, reconcile.Limit{}, ""},
		{"a purge where nothing may be deleted", reconcile.Plan{DeleteManifests: manifests(reconcile.KindAttestation, 5)}, reconcile.Limit{Set: true}, ""},
		{"a quarter", reconcile.Plan{DeleteTags: tags(3), Swept: reconcile.Swept{Tags: 9, Manifests: 12}}, reconcile.Limit{}, ""},
		{"over a quarter", reconcile.Plan{DeleteManifests: manifests(reconcile.KindUntagged, 3), Swept: reconcile.Swept{Tags: 9, Manifests: 11}}, reconcile.Limit{},
			"3 deletions are due, more than a quarter of the repository's 11 manifests; nothing is deleted; --max-deletions 3 would allow it"},
		{"over a quarter of few", reconcile.Plan{DeleteTags: tags(8), Swept: reconcile.Swept{Tags: 9, Manifests: 8}}, reconcile.Limit{}, ""},
		{"over a quarter by hand", reconcile.Plan{DeleteTags: tags(9), Swept: reconcile.Swept{Tags: 9, Manifests: 9}}, reconcile.Limit{Max: 9, Set: true}, ""},
		{"no tags any more", reconcile.Plan{DeleteManifests: manifests(reconcile.KindUntagged, 1), Swept: reconcile.Swept{Manifests: 40}}, reconcile.Limit{},
			"1 deletion is due, but the registry lists no tag at all beside 40 manifests"},
		{"an emptied fallback tag does not count", reconcile.Plan{DeleteTags: []reconcile.DeleteTag{{Tag: "sha256-…", Emptied: true}}}, reconcile.Limit{Set: true}, ""},
		{"a manifest and its tag count once", reconcile.Plan{DeleteTags: tags(1), DeleteManifests: []reconcile.DeleteManifest{{Digest: tags(1)[0].Old, Kind: reconcile.KindUntagged}}},
			reconcile.Limit{Max: 1, Set: true}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.plan.Repository = aliases(t, "1: 1.0").Repository
			test.plan.Pushes = []reconcile.Push{{Tag: "10"}}
			test.plan.Tags = []reconcile.TagDigest{{Tag: "10"}}
			got := reconcile.Guard(test.plan, test.limit)
			left := len(got.DeleteTags) + len(got.DeleteManifests)
			switch {
			case len(got.Pushes) != 1:
				t.Error("the push is gone")
			case test.want == "" && (len(got.Violations) > 0 || left != len(test.plan.DeleteTags)+len(test.plan.DeleteManifests)):
				t.Errorf("violations %v, %d deletions left", got.Violations, left)
			case test.want != "" && (len(got.Violations) != 1 || left+len(got.Tags) > 0):
				t.Errorf("violations %v, %d deletions left", got.Violations, left)
			case test.want != "" && !test.plan.Swept.Unlisted && !strings.HasSuffix(got.Violations[0].Message, "would allow it"):
				t.Errorf("message %q says more than it knows", got.Violations[0].Message)
			case test.want != "" && !strings.Contains(got.Violations[0].Message, test.want):
				t.Errorf("message %q\nwant    %q", got.Violations[0].Message, test.want)
			}
		})
	}
}

// What is not certain deletes nothing, and each doubt has a name.
func TestInDoubtNothingIsDeleted(t *testing.T) {
	const all = "provenance: purge, prune: true, untagged: delete"
	unavailable := errors.New("503 Service Unavailable")
	for _, test := range []struct {
		name   string
		change func(*builder)
		listed bool
		want   string // of an error or a violation
	}{
		{"list of tags", func(b *builder) { b.Broken["tags"] = unavailable }, false, "503"},
		{"list of everything", func(b *builder) { b.Broken["inventory"] = unavailable }, true, "503"},
		{"referrers", func(b *builder) { b.Broken["referrers"] = unavailable }, false, "503"},
		{"a tag", func(b *builder) { b.Broken["2"] = unavailable }, false, `tag "2": 503`},
		{"a manifest", func(b *builder) { b.Broken[b.digest["2"]] = unavailable }, true, "503"},
		{"a nested index", func(b *builder) { b.Broken[b.digest["nested"]] = unavailable }, false, "503"},
		{"a source", func(b *builder) { b.Broken["1"] = unavailable }, false, "503"},
		{"what is to be deleted", func(b *builder) { b.Broken[b.digest["2 attestation of linux/amd64"]] = unavailable }, false, "503"},
		{"a list without an alias that exists", func(b *builder) { b.Hidden = "10" }, false, `the list of tags lacks "10", which exists`},
		{"a list with an alias that does not", func(b *builder) { b.Ghost = "20" }, false, `the list of tags has "20", but there is no such tag`},
		{"a list without a source that exists", func(b *builder) { b.Hidden = "1" }, false, `the list of tags lacks "1", which exists`},
		{"a tag that moves while it is read", func(b *builder) { b.Ghost = "1" }, true, `tag "1" is`},
		{"a clock that is behind", func(b *builder) { b.Now = time.Now().Add(-6 * time.Minute) }, true, "clock-skew"},
		{"a clock that is ahead", func(b *builder) { b.Now = time.Now().Add(6 * time.Minute) }, true, "clock-skew"},
		{"no clock", func(b *builder) { b.Now = time.Unix(0, 0) }, true, "clock-skew"},
		{"an archived index", func(b *builder) { b.Archived = b.digest["nested"] }, true, "archived-manifest"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := build()
			b.Listed = test.listed
			b.release("1", false, intel)
			b.release("2", false, intel)
			b.index("nested", nil, b.entry(b.image("inner", intel), intel))
			b.tag("3", b.index("outer", nil, b.descriptor(b.digest["nested"])))
			b.tag("10", b.digest["1 "+intel])
			b.image("loose", intel)
			image := aliases(t, "10: 1\n20: 4", all)
			b.tag("4", b.image("4", intel))
			if p := plan(t, b.Memory, image); len(p.DeleteManifests) < 4 {
				t.Fatalf("without a doubt: %q", b.short(p))
			}
			test.change(b)
			p := plan(t, b.Memory, image)
			if len(p.DeleteManifests) > 0 || len(p.Tags) > 0 {
				t.Errorf("plan: %q", b.short(p))
			}
			if got := strings.Join(b.actions(p), "\n"); !strings.Contains(got, test.want) {
				t.Errorf("plan:\n%s\nwant %s", got, test.want)
			}
			if len(p.Errors) > 0 && slices.ContainsFunc(p.Pushes, func(p reconcile.Push) bool { return p.Purged > 0 }) {
				t.Errorf("tags are purged, and what that leaves behind is not: %q", b.short(p))
			}
		})
	}
}

// A BuildKit cache lists layers, not manifests; a run does not ask for them as
// manifests.
func TestABuildCacheIsLeftAlone(t *testing.T) {
	b := build()
	b.release("1", false, intel)
	b.tag("cache", b.index("cache", nil, object{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digestOf("layer"), "size": 1},
		object{"mediaType": "application/vnd.buildkit.cacheconfig.v0", "digest": digestOf("cache config"), "size": 1}))
	image := aliases(t, "10: 1", "provenance: purge", "untagged: delete")
	p := plan(t, b.Memory, image)
	if len(p.Errors) > 0 || len(p.DeleteManifests) != 2 || slices.Contains(b.Asked, "app "+digestOf("layer")) {
		t.Errorf("plan: %q, asked: %q", b.short(p), b.Asked)
	}
	applyAndSettle(t, b.Memory, image)
}

// A tag that lacks an image is not written anew: it would lead nowhere by this
// program's hand, and its old index would be gone.
func TestBrokenTagsAreNotPurged(t *testing.T) {
	b := build()
	b.release("1", false, intel, graviton)
	b.release("2", false, intel, graviton)
	delete(b.Manifests, b.digest["1 "+graviton])
	p := plan(t, b.Memory, aliases(t, "10: absent", "provenance: purge"))
	if len(p.Violations) != 1 || p.Violations[0].ID != "missing-child" || !strings.Contains(p.Violations[0].Message, "any more: 1;") {
		t.Errorf("violations %v", p.Violations)
	}
	if len(p.Pushes) != 1 || p.Pushes[0].Tag != "2" || slices.ContainsFunc(p.DeleteManifests, func(d reconcile.DeleteManifest) bool {
		return d.Digest == b.digest["1"] || d.Digest == b.digest["1 attestation of "+intel]
	}) {
		t.Errorf("plan: %q", b.short(p))
	}
	b.Broken[b.digest["1 "+graviton]] = errors.New("503")
	if p = plan(t, b.Memory, aliases(t, "10: absent", "provenance: purge")); len(p.Errors) == 0 || len(p.Pushes)+len(p.DeleteManifests) > 0 {
		t.Errorf("if it is not known: %q, errors %v", b.short(p), p.Errors)
	}
}

func TestImmutableTagsAreNotPurged(t *testing.T) {
	b := build()
	b.release("1", false, intel)
	b.release("2", false, intel)
	b.tag("9", b.index("9", object{reconcile.AnnotationAlias: "9"}, b.entry(b.digest["1 "+intel], intel)))
	b.Facts.Tags = registry.Mutability{Immutable: true, Except: []string{"2"}}
	p := plan(t, b.Memory, aliases(t, "10: 1", "provenance: purge", "prune: true"))
	want := []string{
		"push 10 1 linux/amd64", "push 2 2 linux/amd64", "untag 9", "delete replaced: 2", "delete attestation: 2 attestation of linux/amd64",
		"violation immutable-tag",
	}
	if diff := difference(b.short(p), want); diff != "" {
		t.Errorf("plan: %q\n%s", b.short(p), diff)
	}
}

// meddler does something between the plan's last push and its deletions.
type meddler struct {
	registry.Writer
	meddle func()
}

func (m meddler) Tags(ctx context.Context) ([]string, error) {
	m.meddle()
	return m.Writer.Tags(ctx)
}

// tagsLate tags a manifest once all tags have been compared.
type tagsLate struct {
	registry.Writer
	tag func()
}

func (w tagsLate) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	w.tag()
	return w.Writer.DeleteManifests(ctx, due)
}

// A tag that comes after the tags were compared protects what it names, where the
// registry tells its tags. Everything else goes.
func TestLateTagProtects(t *testing.T) {
	b := build()
	b.Listed = true
	b.tag("plain", b.image("plain", intel))
	b.image("old", intel)
	b.image("older", intel)
	image := aliases(t, "10: plain", "untagged: delete")
	p := plan(t, b.Memory, image)
	r := reconcile.Apply(t.Context(), tagsLate{b.Writer(image.Repository), func() { b.tag("release", b.digest["old"]) }}, p)
	if len(r.Removed) != 2 {
		t.Fatalf("result %+v", r)
	}
	for _, o := range r.Removed {
		if kept := o.Tag == b.digest["old"]; kept != errors.Is(o.Err, reconcile.ErrStale) || kept != strings.Contains(fmt.Sprint(o.Err), `tag "release"`) {
			t.Errorf("%s: %v", b.called(o.Tag), o.Err)
		}
	}
	if b.Tags["r.test/app:release"] == "" || b.Manifests[b.digest["old"]].Body == nil {
		t.Error("the tag or its manifest is gone")
	}
}

func TestDeletionsAreDroppedIfAnythingMoved(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(*builder) // between plan and apply
		meddle func(*builder) // between the pushes and the deletions
		want   error
	}{
		{"nothing", nil, nil, nil},
		{"a new tag", nil, func(b *builder) { b.tag("new", b.digest["1"]) }, reconcile.ErrStale},
		{"a tag moved", nil, func(b *builder) { b.tag("plain", b.digest["1"]) }, reconcile.ErrStale},
		{"a pushed tag moved back", nil, func(b *builder) { b.tag("1", b.digest["1"]) }, reconcile.ErrStale},
		{"a tag gone", nil, func(b *builder) { delete(b.Tags, "r.test/app:plain") }, reconcile.ErrStale},
		{"a list that fails", nil, func(b *builder) { b.Broken["tags"] = errors.New("503") }, errors.New("503")},
		{"a tag that can't be read", nil, func(b *builder) { b.Broken["plain"] = errors.New("503") }, errors.New("503")},
		{"a push that is stale", func(b *builder) { b.tag("1", b.digest["plain"]) }, nil, reconcile.ErrSkipped},
		{"a push that fails", func(b *builder) { b.Broken["PUT 1"] = errors.New("503") }, nil, reconcile.ErrSkipped},
		{"a tag that is not deleted", func(b *builder) { b.Broken["DELETE 9"] = errors.New("503") }, nil, reconcile.ErrSkipped},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := build()
			b.release("1", false, intel)
			b.tag("plain", b.image("plain", intel))
			b.tag("9", b.digest["plain"])
			image := aliases(t, "10: 1\n9: absent", "provenance: purge")
			p := plan(t, b.Memory, image)
			if test.before != nil {
				test.before(b)
			}
			w := meddler{b.Writer(image.Repository), func() {
				if test.meddle != nil {
					test.meddle(b)
				}
			}}
			r := reconcile.Apply(t.Context(), w, p)
			if len(r.Removed) != 2 {
				t.Fatalf("result %+v", r)
			}
			for _, o := range r.Removed {
				switch {
				case test.want == nil && o.Err != nil, test.want != nil && o.Err == nil,
					test.want != nil && !errors.Is(o.Err, test.want) && !strings.Contains(o.Err.Error(), test.want.Error()):
					t.Errorf("%s: %v, want %v", b.called(o.Tag), o.Err, test.want)
				}
			}
			if (len(b.Deleted) > 0) != (test.want == nil) {
				t.Errorf("deleted %q", b.Deleted)
			}
		})
	}
}

// What an index that could not be deleted lists is not deleted either.
func TestParentsFirst(t *testing.T) {
	b := build()
	b.release("1", false, intel)
	b.release("2", false, intel)
	b.Broken["DELETE "+b.digest["1"]] = fmt.Errorf("DELETE: 405: %w", registry.ErrUnsupported)
	image := aliases(t, "10: 1", "provenance: purge")
	r := reconcile.Apply(t.Context(), b.Writer(image.Repository), plan(t, b.Memory, image))
	want := map[string]error{"1": registry.ErrUnsupported, "1 attestation of " + intel: registry.ErrUnsupported}
	for _, o := range r.Removed {
		if name := b.called(o.Tag); !errors.Is(o.Err, want[name]) {
			t.Errorf("%s: %v, want %v", name, o.Err, want[name])
		}
	}
	if len(r.Removed) != 4 || !slices.Equal(b.Deleted, []string{b.digest["2"], b.digest["2 attestation of "+intel]}) {
		t.Errorf("deleted %q of %d", b.Deleted, len(r.Removed))
	}
}

func TestACancelledRunDeletesNothing(t *testing.T) {
	b := build()
	b.release("1", false, intel)
	image := aliases(t, "10: 1", "provenance: purge")
	p := plan(t, b.Memory, image)
	ctx, cancel := context.WithCancel(t.Context())
	r := reconcile.Apply(ctx, meddler{b.Writer(image.Repository), cancel}, p)
	for _, o := range r.Removed {
		if !errors.Is(o.Err, context.Canceled) && !errors.Is(o.Err, reconcile.ErrSkipped) {
			t.Errorf("%s: %v", b.called(o.Tag), o.Err)
		}
	}
	if len(r.Removed) != 2 || len(b.Deleted) > 0 {
		t.Errorf("deleted %q", b.Deleted)
	}
}

// A reason says what is lost, and how much it is.
func TestReasons(t *testing.T) {
	b := build()
	image := b.image("image", intel)
	sbom := b.attest("sbom", image, false, "https://spdx.dev/Document")
	b.tag("1", b.index("1", nil, b.entry(image, intel), b.attestation(sbom, image)))
	b.tag("old", b.image("old", intel))
	p := plan(t, b.Memory, aliases(t, "10: 1\nold: absent", "provenance: purge", "untagged: delete"))
	got := map[string]reconcile.DeleteManifest{}
	for _, d := range p.DeleteManifests {
		got[b.called(d.Digest)] = d
	}
	size := func(name string) int64 { return int64(len(b.Manifests[b.digest[name]].Body)) }
	for name, want := range map[string]reconcile.DeleteManifest{
		"1":    {Kind: reconcile.KindReplaced, Reason: "1 before the purge", Bytes: size("1")},
		"sbom": {Kind: reconcile.KindAttestation, Reason: "attestation with SBOM of linux/amd64, nothing refers to it", Bytes: size("sbom") + 10 + 2*90, Parents: []string{b.digest["1"]}},
		"old":  {Kind: reconcile.KindUntagged, Reason: "was old, nothing needs it", Bytes: size("old") + 100 + 1000},
	} {
		want.Digest = b.digest[name]
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s:\n%+v, want\n%+v", name, got[name], want)
		}
	}
}
