package registrytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"tagline/config"
	"tagline/reconcile/registry"
)

// tagged is a manifest of the sample and the tag it is to get.
func (x *trial) tagged(tag, name string) registry.TaggedManifest {
	return registry.TaggedManifest{Tag: tag, Manifest: x.raw(name)}
}

// is checks what references name now, by a run that remembers nothing; the
// name "" stands for nothing at all.
func (x *trial) is(t *testing.T, repository config.Repository, want map[string]string) {
	t.Helper()
	references := slices.Sorted(maps.Keys(want))
	reader, writer := x.open(t, repository)
	resolved := map[string][]registry.Answer[registry.Descriptor]{
		"the reader": reader.Resolve(t.Context(), references), "the writer": writer.Resolve(t.Context(), references),
	}
	fetched := reader.Manifests(t.Context(), references)
	for i, reference := range references {
		name := want[reference]
		for by, answers := range resolved {
			a := answers[i]
			if name == "" && !errors.Is(a.Err, registry.ErrNotFound) || name != "" && (a.Err != nil || a.Value.Digest != x.digest(name)) {
				t.Errorf("%s (%s) is %s (%s), %v to %s, want %q", reference, x.at(reference), a.Value.Digest, x.digests[a.Value.Digest], a.Err, by, name)
			}
		}
		a := fetched[i]
		if name == "" && !errors.Is(a.Err, registry.ErrNotFound) || name != "" && (a.Err != nil || string(a.Value.Body) != string(x.object(name).Body)) {
			t.Errorf("%s (%s) is fetched as %q, %v, want %q", reference, x.at(reference), a.Value.Body, a.Err, name)
		}
	}
}

// unchanged checks that the sample is there, tags and all.
func (x *trial) unchanged(t *testing.T) {
	t.Helper()
	want := maps.Clone(x.tags)
	for digest, name := range x.stored() {
		want[digest] = name
	}
	x.is(t, x.repository, want)
	got, err := x.writer.Tags(t.Context())
	checkTags(t, x, got, err, slices.Collect(maps.Keys(x.tags)))
}

// none wants so many errors, all of them nil.
func none(t *testing.T, errs []error, n int) {
	t.Helper()
	if len(errs) != n {
		t.Fatalf("%d errors for %d writes", len(errs), n)
	}
	for i, err := range errs {
		if err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
}

func put(t *testing.T, x *trial) {
	if n := x.writer.AtOnce(); n < 1 {
		t.Errorf("%d writes at once", n)
	}
	pushes := []registry.TaggedManifest{
		x.tagged("alias", "alias"), x.tagged("10.10", "arm"), x.tagged("10.20", "arm"),
		x.tagged("plain", "docker intel"), x.tagged("alias", "alias"), x.tagged("list", "docker"),
	}
	want := map[string]string{
		"alias": "alias", "10.10": "arm", "10.20": "arm", "plain": "docker intel", "list": "docker",
		"10.10-again": "intel", "10": "both", x.digest("intel"): "intel", x.digest("alias"): "alias",
	}
	for range 2 { // the same again changes nothing
		none(t, x.writer.Put(t.Context(), pushes), len(pushes))
		x.is(t, x.repository, want)
	}
	// A child first, then what lists it. What a tag named before stays.
	none(t, x.writer.Put(t.Context(), []registry.TaggedManifest{x.tagged("alone", "parent"), x.tagged("alone-too", "parent")}), 2)
	x.is(t, x.repository, map[string]string{"alone": "parent", "alone-too": "parent", x.digest("alone"): "alone"})
	if !slices.Equal(pushes[0].Manifest.Body, x.object("alias").Body) {
		t.Error("the caller's bytes were changed")
	}
}

// putByDigest: a manifest without a tag can be pulled by its digest, and no tag
// changes.
func putByDigest(t *testing.T, x *trial) {
	pushes := []registry.TaggedManifest{x.tagged("", "alias"), x.tagged("", "intel"), x.tagged("", "parent")}
	for _, push := range pushes { // a child before what lists it
		for range 2 { // the same again changes nothing
			none(t, x.writer.Put(t.Context(), []registry.TaggedManifest{push}), 1)
		}
	}
	x.is(t, x.repository, map[string]string{x.digest("alias"): "alias", x.digest("parent"): "parent"})
	x.unchanged(t)
	errs := x.writer.Put(t.Context(), []registry.TaggedManifest{x.tagged("", "orphan")})
	if len(errs) != 1 || errs[0] == nil {
		t.Errorf("an index without its child: %v, want an error", errs)
	}
}

// putOrphan: a refusal is that of one push, and leaves its tag as it was.
func putOrphan(t *testing.T, x *trial) {
	errs := x.writer.Put(t.Context(), []registry.TaggedManifest{x.tagged("10", "orphan"), x.tagged("alias", "alias"), x.tagged("new", "orphan")})
	if len(errs) != 3 || errs[0] == nil || errs[1] != nil || errs[2] == nil {
		t.Errorf("%v, want errors of the first and the last alone", errs)
	}
	x.is(t, x.repository, map[string]string{"10": "both", "alias": "alias", "new": "", x.digest("orphan"): ""})
}

// named are tags with the digests that they have in the sample.
func (x *trial) named(tags ...string) []registry.TagDigest {
	all := make([]registry.TagDigest, len(tags))
	for i, tag := range tags {
		all[i] = registry.TagDigest{Tag: tag, Digest: x.digest(x.tags[tag])}
	}
	return all
}

// deleteTags: a tag that names another digest stays, whatever becomes of the
// others.
func deleteTags(t *testing.T, x *trial) {
	tags := append(x.named("10.10-again", "alone", "10.10-again"),
		registry.TagDigest{Tag: "no-such-tag", Digest: x.digest("both")}, registry.TagDigest{Tag: "10.20", Digest: x.digest("intel")})
	errs := x.writer.DeleteTags(t.Context(), tags)
	if len(errs) != len(tags) {
		t.Fatalf("%d errors for %d tags", len(errs), len(tags))
	}
	if !errors.Is(errs[3], registry.ErrNotFound) || !errors.Is(errs[4], registry.ErrMoved) {
		t.Errorf("%v and %v, want ErrNotFound and ErrMoved", errs[3], errs[4])
	}
	if x.KeepsTags {
		for i, err := range errs[:3] {
			if !errors.Is(err, registry.ErrUnsupported) {
				t.Errorf("%s: %v, want ErrUnsupported", tags[i].Tag, err)
			}
		}
		x.unchanged(t)
		return
	}
	first, again := errs[0], errs[2] // of the same tag, in whatever order
	if errors.Is(first, registry.ErrNotFound) {
		first, again = again, nil
	}
	if again != nil && !errors.Is(again, registry.ErrNotFound) {
		t.Errorf("the same tag again: %v", again)
	}
	none(t, []error{first, errs[1]}, 2)
	want := map[string]string{
		"10.10-again": "", "alone": "", "10.10": "intel", "alone-too": "alone", "10": "both", "10.20": "arm",
		x.digest("intel"): "intel", x.digest("alone"): "alone",
	}
	x.is(t, x.repository, want)
	for i, err := range x.writer.DeleteTags(t.Context(), tags[:4]) {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s again: %v, want ErrNotFound", tags[i].Tag, err)
		}
	}
	x.is(t, x.repository, want)
	left := maps.Clone(x.tags)
	delete(left, "10.10-again")
	delete(left, "alone")
	got, err := x.writer.Tags(t.Context())
	checkTags(t, x, got, err, slices.Collect(maps.Keys(left)))
}

// deleteLastTag: the manifest stays, but where the registry deletes it with its
// last tag; and there, the tag of one that an index lists can't be deleted.
func deleteLastTag(t *testing.T, x *trial) {
	if x.KeepsTags {
		return // as deleteTags shows
	}
	none(t, x.writer.DeleteTags(t.Context(), x.named("alone", "alone-too")), 2)
	want := map[string]string{"alone": "", "alone-too": "", x.digest("alone"): "alone"}
	if x.LastTag {
		want[x.digest("alone")] = ""
	}
	err := x.writer.DeleteTags(t.Context(), x.named("10.20"))[0]
	want["10.20"], want[x.digest("arm")], want["10"] = "", "arm", "both"
	if x.LastTag && x.KeepsChildren {
		if want["10.20"] = "arm"; err == nil || errors.Is(err, registry.ErrUnsupported) || errors.Is(err, registry.ErrNotFound) {
			t.Errorf("the last tag of what an index lists: %v, want a refusal of its own", err)
		}
	} else if err != nil {
		t.Error(err)
	}
	x.is(t, x.repository, want)
}

// removals are manifests to delete, with all tags of the sample that name them.
func (x *trial) removals(digests ...string) []registry.Removal {
	all := registry.Removals(digests...)
	for i, r := range all {
		for tag, name := range x.tags {
			if x.digest(name) == r.Digest {
				all[i].Tags = append(all[i].Tags, tag)
			}
		}
	}
	return all
}

// protectedManifests: where the registry tells, a manifest stays with all of its tags
// if it has one that is not to go with it, and others go all the same.
func protectedManifests(t *testing.T, x *trial) {
	due := append(x.removals(x.digest("nested")), registry.Removal{Digest: x.digest("alone"), Tags: []string{"alone"}})
	errs := x.writer.DeleteManifests(t.Context(), due)
	if !x.Protects {
		none(t, errs, 2)
		x.is(t, x.repository, map[string]string{"nested": "", "alone": "", "alone-too": "", x.digest("alone"): ""})
		return
	}
	none(t, errs[:1], 1)
	if tagged := (*registry.TaggedError)(nil); !errors.Is(errs[1], registry.ErrMoved) || !errors.As(errs[1], &tagged) || !slices.Equal(tagged.Tags, []string{"alone-too"}) {
		t.Errorf("%v, want ErrMoved for the tag alone-too", errs[1])
	}
	x.is(t, x.repository, map[string]string{"nested": "", x.digest("nested"): "", "alone": "alone", "alone-too": "alone", x.digest("alone"): "alone"})
}

// deleteManifests: every tag goes with its manifest; children, referrers and
// subjects stay.
func deleteManifests(t *testing.T, x *trial) {
	digests := []string{x.digest("alone"), absent, x.digest("nested"), x.digest("alone")}
	want := map[string]string{
		"alone": "", "alone-too": "", "nested": "", x.digest("alone"): "", x.digest("nested"): "",
		"10": "both", x.digest("both"): "both", x.digest("intel"): "intel", x.digest("signature"): "signature",
	}
	for range 2 {
		none(t, x.writer.DeleteManifests(t.Context(), x.removals(digests...)), len(digests))
		x.is(t, x.repository, want)
	}
	none(t, x.writer.DeleteManifests(t.Context(), x.removals(x.digest("both"))), 1)
	want = map[string]string{
		"10": "", x.digest("both"): "", "10.10": "intel", "10.20": "arm", x.digest("signature"): "signature",
	}
	if x.Cascades || x.TakesReferrers {
		want[x.digest("signature")] = ""
	}
	x.is(t, x.repository, want)
	none(t, x.writer.DeleteManifests(t.Context(), x.removals(x.digest("signature"))), 1)
	reader, _ := x.open(t, x.repository)
	if got, err := reader.Referrers(t.Context(), x.digest("both")); !x.FallbackTags && (err != nil || len(got) > 0) {
		t.Errorf("referrers %+v, %v, want none", got, err)
	}
}

// deleteChild: a refusal is that of one manifest, and leaves it and its tags.
func deleteChild(t *testing.T, x *trial) {
	errs := x.writer.DeleteManifests(t.Context(), x.removals(x.digest("intel"), x.digest("alone")))
	want := map[string]string{"10.10": "", "10.10-again": "", x.digest("intel"): "", x.digest("alone"): "", "10": "both"}
	if x.KeepsChildren {
		want["10.10"], want["10.10-again"], want[x.digest("intel")] = "intel", "intel", "intel"
		if errs[0] == nil || errors.Is(errs[0], registry.ErrUnsupported) || errors.Is(errs[0], registry.ErrNotFound) {
			t.Errorf("what an index lists: %v, want a refusal of its own", errs[0])
		}
		errs = errs[1:]
	}
	none(t, errs, len(errs))
	x.is(t, x.repository, want)
}

func copies(t *testing.T, x *trial) {
	target := config.Repository{Host: x.Host, Path: "contract/copies"}
	if x.Create != nil {
		x.Create(t, target)
	}
	digest := x.digest("nested")
	_, writer := x.open(t, target)
	if err := writer.Copy(t.Context(), x.repository, absent); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("what is absent: %v, want ErrNotFound", err)
	}
	x.is(t, target, map[string]string{digest: "", x.digest("intel"): ""})
	want := map[string]string{digest: "nested", x.digest("both"): "both", x.digest("intel"): "intel", x.digest("arm"): "arm", "nested": "", "10": ""}
	for range 2 {
		if err := writer.Copy(t.Context(), x.repository, digest); err != nil {
			t.Fatal(err)
		}
		x.is(t, target, want)
	}
	if got, err := writer.Tags(t.Context()); len(got) > 0 || errors.Is(err, registry.ErrNotFound) != x.NeedsTags || err != nil && !x.NeedsTags {
		t.Errorf("tags %q, %v, want none", got, err)
	}
	reader, _ := x.open(t, target)
	if a := reader.Configs(t.Context(), []string{x.digest("arm config")})[0]; a.Err != nil {
		t.Errorf("a config that was copied: %v", a.Err)
	}
	// What is copied can be tagged.
	none(t, writer.Put(t.Context(), []registry.TaggedManifest{x.tagged("nested", "nested")}), 1)
	if x.KeepsLast {
		none(t, writer.Put(t.Context(), []registry.TaggedManifest{x.tagged("kept", "both")}), 1)
	}
	if !x.KeepsChildren { // what is missing below an index is copied again
		none(t, writer.DeleteManifests(t.Context(), x.removals(x.digest("arm"))), 1)
		if err := writer.Copy(t.Context(), x.repository, digest); err != nil {
			t.Error(err)
		}
	}
	want["nested"] = "nested"
	x.is(t, target, want)
	// So is what the run itself has copied and deleted.
	for _, name := range []string{"alone", "nested"} {
		for range 2 {
			if err := writer.Copy(t.Context(), x.repository, x.digest(name)); err != nil {
				t.Error(err)
			}
			x.is(t, target, map[string]string{x.digest(name): name})
			none(t, writer.DeleteManifests(t.Context(), x.removals(x.digest(name))), 1)
			x.is(t, target, map[string]string{x.digest(name): ""})
		}
	}
	// What has a subject is among its referrers then.
	for range 2 {
		if err := writer.Copy(t.Context(), x.repository, x.digest("signature")); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.Referrers(t.Context(), x.digest("both")); err != nil || len(got) != 1 || got[0].Digest != x.digest("signature") {
			t.Errorf("referrers %+v, %v, want the signature that was copied", got, err)
		}
	}
	x.unchanged(t)
}

func interruptedWrites(t *testing.T, x *trial) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	asked := x.requests()
	errs := slices.Concat(
		[]error{x.writer.Copy(cancelled, x.repository, x.digest("both"))},
		x.writer.DeleteManifests(cancelled, x.removals(x.digest("nested"), absent)),
		x.writer.DeleteTags(cancelled, append(x.named("10.10", "alone"), registry.TagDigest{Tag: "no-such-tag", Digest: absent})),
		x.writer.Put(cancelled, []registry.TaggedManifest{x.tagged("10", "docker"), x.tagged("new", "alias")}),
	)
	if len(errs) != 8 {
		t.Errorf("%d errors for 8 writes", len(errs))
	}
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("write %d: %v, want context.Canceled", i, err)
		}
	}
	if n := asked(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
	x.unchanged(t)
	none(t, x.writer.Put(t.Context(), []registry.TaggedManifest{x.tagged("new", "both")}), 1)
	none(t, x.writer.DeleteManifests(t.Context(), x.removals(x.digest("alone"))), 1)
	x.is(t, x.repository, map[string]string{"new": "both", "alone": ""})
}

func concurrentWrites(t *testing.T, x *trial) {
	want, tags := map[string]string{}, slices.Collect(maps.Keys(x.tags))
	var wg sync.WaitGroup
	for i := range 8 {
		tag, name := fmt.Sprint("new-", i), []string{"intel", "both", "docker"}[i%3]
		want[tag], tags = name, append(tags, tag)
		wg.Go(func() {
			for i, err := range x.writer.Put(t.Context(), []registry.TaggedManifest{x.tagged(tag, name), x.tagged(tag, name)}) {
				if err != nil {
					t.Errorf("%s, push %d: %v", tag, i, err)
				}
			}
			if a := x.writer.Resolve(t.Context(), []string{tag})[0]; a.Err != nil || a.Value.Digest != x.digest(name) {
				t.Errorf("%s is %+v right after its push", tag, a)
			}
		})
	}
	wg.Wait()
	x.is(t, x.repository, want)
	got, err := x.writer.Tags(t.Context())
	checkTags(t, x, got, err, tags)
}
