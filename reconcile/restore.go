package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Restored is what became of one repository, or what would become of it.
type Restored struct {
	Repository config.Repository
	Manifests  []RestoredOne // children before what lists them
	Tags       []RestoredOne
}

// RestoredOne is a manifest or a tag that is put back, unless one of Already,
// Blocked and Err says otherwise.
type RestoredOne struct {
	Tag     string // "" for a manifest
	Digest  string
	Kind    string // of a manifest: "index", "image", "attestation" or "artifact"; "" where it can't be read
	Bytes   int    // of a manifest
	Was     string // what the tag names before, "" for nothing
	Already bool   // it is there
	Blocked string // why it can't be put back; nothing failed
	Err     error
}

// Restore puts back what was lost, as long as what it refers to is there:
// manifests by digest, children first, then tags. A tag that names anything but
// what its run left is not touched, unless force says so. Without writers it only
// tells what it would do.
func Restore(ctx context.Context, readers registry.Readers, writers registry.Writers, lost Lost, force bool) Restored {
	x := restoring{ctx: ctx, lost: lost, reader: readers.Reader(lost.Repository), parsed: map[string]*registry.Manifest{}, ones: map[string]*RestoredOne{}}
	x.look()
	tags := x.lookAtTags(force)
	ordered := waves(slices.Sorted(maps.Keys(x.ones)), func(digest string) string { return digest }, x.children)
	if writers != nil {
		x.applying = applying{ctx: ctx, w: writers.Writer(lost.Repository), outcome: map[string]error{}}
		for _, wave := range ordered {
			x.putManifests(wave)
		}
		x.putTags(tags)
	}
	r := Restored{Repository: lost.Repository, Tags: tags}
	for _, digest := range slices.Concat(ordered...) {
		r.Manifests = append(r.Manifests, *x.ones[digest])
	}
	return r
}

// restoring is one repository being looked at, and put in order.
type restoring struct {
	ctx    context.Context // of this one call to Restore
	lost   Lost
	reader registry.Reader
	parsed map[string]*registry.Manifest // nil for one that can't be read
	ones   map[string]*RestoredOne       // what is asked for, and what that lists and lacks
	there  map[string]registry.Answer[registry.Descriptor]
	blobs  map[string]registry.Answer[bool]
	applying
}

// children are what a manifest lists, as far as the trash has it.
func (x *restoring) children(digest string) []string {
	var all []string
	if m := x.parsed[digest]; m != nil {
		for _, d := range m.Children {
			if _, kept := x.lost.manifests[d.Digest.String()]; kept {
				all = append(all, d.Digest.String())
			}
		}
	}
	return all
}

// look finds out what is there, and what each manifest that is not refers to and
// lacks.
func (x *restoring) look() {
	var digests []string
	seen := map[string]bool{}
	visit := func(digest string) {
		if !seen[digest] {
			seen[digest] = true
			digests = append(digests, digest)
		}
	}
	for _, digest := range slices.Sorted(maps.Keys(x.lost.asked)) {
		visit(digest)
	}
	for i := 0; i < len(digests); i++ { // grows as indexes are looked into
		raw, kept := x.lost.manifests[digests[i]]
		if !kept {
			continue
		}
		m, err := registry.ParseManifest(raw)
		if err != nil || !registry.KnownType(raw.MediaType) {
			x.parsed[digests[i]] = nil
			continue
		}
		x.parsed[digests[i]] = m
		for _, d := range m.Children {
			visit(d.Digest.String())
		}
	}
	x.there = answers(digests, x.reader.Resolve(x.ctx, digests))

	needs := map[string]bool{}
	for digest, m := range x.parsed {
		if m != nil && errors.Is(x.there[digest].Err, registry.ErrNotFound) {
			for _, d := range blobsOf(m) {
				needs[d.Digest.String()] = true
			}
		}
	}
	blobs := slices.Sorted(maps.Keys(needs))
	x.blobs = answers(blobs, x.reader.HasBlobs(x.ctx, blobs))
	for _, digest := range digests {
		_, kept := x.lost.manifests[digest]
		if x.lost.asked[digest] || kept && x.there[digest].Err != nil {
			x.one(digest)
		}
	}
}

// blobsOf are what a manifest needs beside other manifests: first the config of
// an image. Layers with an address are elsewhere (OCI image-spec,
// "Non-distributable layers").
func blobsOf(m *registry.Manifest) []ocispec.Descriptor {
	if m.Index {
		return nil
	}
	blobs := []ocispec.Descriptor{m.Config}
	for _, layer := range m.Layers {
		if len(layer.URLs) == 0 {
			blobs = append(blobs, layer)
		}
	}
	return blobs
}

func answers[T any](questions []string, got []registry.Answer[T]) map[string]registry.Answer[T] {
	all := map[string]registry.Answer[T]{}
	for i, a := range got {
		all[questions[i]] = a
	}
	return all
}

// one decides on a manifest that the trash has, after what it lists.
func (x *restoring) one(digest string) *RestoredOne {
	if o := x.ones[digest]; o != nil {
		return o
	}
	m := x.parsed[digest]
	o := &RestoredOne{Digest: digest, Bytes: len(x.lost.manifests[digest].Body), Kind: kindOf(m)}
	x.ones[digest] = o
	switch err := x.there[digest].Err; {
	case err == nil:
		o.Already = true
		return o
	case !errors.Is(err, registry.ErrNotFound):
		o.Err = interrupted(err)
		return o
	case m == nil:
		o.Blocked = fmt.Sprintf("it is of the type %q, so that nothing is known of what it refers to", x.lost.manifests[digest].MediaType)
		return o
	}
	var gone []string
	for _, d := range m.Children {
		child := d.Digest.String()
		_, kept := x.lost.manifests[child]
		switch err := x.there[child].Err; {
		case err == nil:
		case !errors.Is(err, registry.ErrNotFound):
			o.Err = interrupted(err)
		case !kept:
			gone = append(gone, strings.TrimSpace(registry.PlatformOf(d.Platform).String()+" "+child))
		default:
			if c := x.one(child); c.Err != nil {
				o.Err = fmt.Errorf("%w: %s, which it lists, can't be put back", ErrSkipped, child)
			} else if c.Blocked != "" {
				gone = append(gone, child)
			}
		}
	}
	for i, d := range blobsOf(m) {
		what := "layer"
		if i == 0 {
			what = "config"
		}
		switch has := x.blobs[d.Digest.String()]; {
		case has.Err != nil:
			o.Err = interrupted(has.Err)
		case !has.Value:
			gone = append(gone, what+" "+d.Digest.String())
		}
	}
	if len(gone) > 0 {
		o.Blocked = "it refers to what is gone: " + strings.Join(gone, ", ")
	}
	return o
}

func kindOf(m *registry.Manifest) string {
	switch {
	case m == nil:
		return ""
	case m.Index:
		return "index"
	case m.IsAttestation():
		return "attestation"
	case m.IsImage():
		return "image"
	}
	return "artifact"
}

// lookAtTags decides on the tags.
func (x *restoring) lookAtTags(force bool) []RestoredOne {
	names := slices.SortedFunc(maps.Keys(x.lost.tags), config.CompareTags)
	var tags []RestoredOne
	for i, now := range x.reader.Resolve(x.ctx, names) {
		lost := x.lost.tags[names[i]]
		t := RestoredOne{Tag: names[i], Digest: lost.digest, Was: now.Value.Digest}
		of := x.ones[lost.digest]
		switch {
		case errors.Is(now.Err, registry.ErrNotFound):
			t.Was = ""
		case now.Err != nil:
			t.Err = interrupted(now.Err)
		case now.Value.Digest == lost.digest:
			t.Already = true
		case now.Value.Digest != lost.put && !force:
			t.Blocked = fmt.Sprintf("it names %s now; --force moves it", now.Value.Digest)
		}
		if t.Err == nil && !t.Already && t.Blocked == "" {
			t.Err, t.Blocked = follows(of)
		}
		tags = append(tags, t)
	}
	return tags
}

// follows tells what a manifest that is not put back means for its tag.
func follows(of *RestoredOne) (err error, blocked string) {
	switch {
	case of.Err != nil:
		return fmt.Errorf("%w: its manifest is not put back", ErrSkipped), ""
	case of.Blocked != "":
		return nil, "its manifest can't be put back"
	}
	return nil, ""
}

// putManifests puts what waits for nothing any more.
func (x *restoring) putManifests(digests []string) {
	var due []string
	for _, digest := range digests {
		o := x.ones[digest]
		if o.Already || o.Blocked != "" || o.Err != nil {
			continue
		}
		for _, child := range x.children(digest) {
			if c := x.ones[child]; c != nil && c.Err != nil {
				o.Err = fmt.Errorf("%w: %s, which it lists, was not put back", ErrSkipped, child)
			}
		}
		if o.Err == nil {
			due = append(due, digest)
		}
	}
	for batch := range slices.Chunk(due, x.w.AtOnce()) {
		puts, want := make([]registry.TaggedManifest, len(batch)), map[string]string{}
		for i, digest := range batch {
			puts[i], want[digest] = registry.TaggedManifest{Manifest: x.lost.manifests[digest]}, digest
		}
		x.put(puts, want)
		for _, digest := range batch {
			x.ones[digest].Err = x.outcome[digest]
		}
	}
}

// putTags puts tags back that are still what was seen.
func (x *restoring) putTags(tags []RestoredOne) {
	var due []*RestoredOne
	for i := range tags {
		t := &tags[i]
		if t.Already || t.Blocked != "" || t.Err != nil {
			continue
		}
		if t.Err, _ = follows(x.ones[t.Digest]); t.Err == nil {
			due = append(due, t)
		}
	}
	for batch := range slices.Chunk(due, x.w.AtOnce()) {
		names := make([]string, len(batch))
		for i, t := range batch {
			names[i] = t.Tag
		}
		var puts []registry.TaggedManifest
		want := map[string]string{}
		for i, now := range x.w.Resolve(x.ctx, names) {
			t := batch[i]
			if x.outcome[t.Tag] = unmoved(now, t.Was); x.outcome[t.Tag] == nil {
				puts = append(puts, registry.TaggedManifest{Tag: t.Tag, Manifest: x.lost.manifests[t.Digest]})
				want[t.Tag] = t.Digest
			}
		}
		x.put(puts, want)
		for _, t := range batch {
			t.Err = interrupted(x.outcome[t.Tag])
		}
	}
}

// put pushes a batch and reads it back.
func (x *restoring) put(puts []registry.TaggedManifest, want map[string]string) {
	if len(puts) == 0 {
		return
	}
	var check []string
	for i, err := range x.w.Put(x.ctx, puts) {
		name := cmp.Or(puts[i].Tag, puts[i].Manifest.Digest)
		if x.outcome[name] = interrupted(err); err == nil {
			check = append(check, name)
		}
	}
	x.readBack(check, want)
}
