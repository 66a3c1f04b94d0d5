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

// Restored is the result of one repository. In a dry run it is what would be done.
type Restored struct {
	Repository config.Repository
	Manifests  []RestoredOne // children before what lists them
	Tags       []RestoredOne
}

// RestoredOne is one manifest or one tag. It was put back if Already, Blocked and
// Err are zero.
type RestoredOne struct {
	Tag     string // "" for a manifest
	Digest  string
	Kind    string // of a manifest: "index", "image", "attestation" or "artifact"; "" if it can't be parsed
	Bytes   int64  // of a manifest, see [registry.SizeOf]
	Was     string // digest that the tag named before, "" if there was no such tag
	Already bool   // nothing had to be done
	kept    bool   // by the registry, which brings it back
	Blocked string // why it can't be put back, though nothing failed
	Err     error
}

// Restore pushes manifests by digest, children before parents, and then tags. A
// manifest is put back only if the repository has everything that it refers to, or
// if the registry itself still has what was deleted.
// A tag is put back if it does not exist, or still names what the run pushed
// instead; force moves other tags, too. Nothing is pushed for a tag that can't be put
// back, unless it was asked for by its digest. If writers is nil, nothing is written,
// and the result is what would be done.
func Restore(ctx context.Context, readers registry.Readers, writers registry.Writers, lost Lost, force bool) Restored {
	x := restoring{
		applying: applying{ctx: ctx, outcome: map[string]error{}, ensured: map[string]error{}, back: map[string]bool{}}, lost: lost, reader: readers.Reader(lost.Repository),
		parsed: map[string]*registry.Manifest{}, ones: map[string]*RestoredOne{},
	}
	x.look()
	tags := x.lookAtTags(force)
	x.leave(tags)
	ordered := waves(slices.Sorted(maps.Keys(x.ones)), func(digest string) string { return digest }, x.children)
	if writers != nil {
		x.w = writers.Writer(lost.Repository)
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

// restoring is one call to [Restore]. The maps are by digest.
type restoring struct {
	applying
	lost   Lost
	reader registry.Reader
	parsed map[string]*registry.Manifest  // of the trash; nil if it can't be parsed
	ones   map[string]*RestoredOne        // the manifests asked for, and their missing children
	listed map[string]registry.Descriptor // by digest and by tag, all that the repository has; nil if it was not listed
	there  map[string]registry.Answer[registry.Descriptor]
	blobs  map[string]registry.Answer[bool]
	kept   map[string]registry.Answer[bool] // what the registry can bring back
}

// children returns the children of a manifest that are in the trash.
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

// look asks the registry which manifests and blobs exist, and decides on every
// manifest.
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
	x.there = map[string]registry.Answer[registry.Descriptor]{}
	for i, now := range x.resolve(digests) {
		if now.Err == nil && now.Value.Archived { // it can't be pulled, and a push brings it back
			now.Err = fmt.Errorf("%w: %w", registry.ErrNotFound, registry.ErrArchived)
		}
		x.there[digests[i]] = now
	}

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
	x.kept = map[string]registry.Answer[bool]{}
	for _, digest := range blobs {
		if has := x.blobs[digest]; has.Err == nil && !has.Value {
			absent := slices.DeleteFunc(slices.Sorted(maps.Keys(x.parsed)), func(digest string) bool { return !errors.Is(x.there[digest].Err, registry.ErrNotFound) })
			x.kept = answers(absent, registry.Deleted(x.ctx, x.reader, absent))
			break
		}
	}
	for _, digest := range digests {
		_, kept := x.lost.manifests[digest]
		if x.lost.asked[digest] || kept && x.there[digest].Err != nil {
			x.one(digest)
		}
	}
}

// fewMissing is how many references are asked for one by one, though the registry
// can list all that it has. On Amazon ECR each one that does not exist costs a call,
// and so does a list of a thousand images.
const fewMissing = 2

// resolve is [registry.Reader.Resolve] for references most of which are missing.
func (x *restoring) resolve(references []string) []registry.Answer[registry.Descriptor] {
	if x.listed == nil && x.reader.Listed() && len(references) > fewMissing {
		switch all, err := x.reader.Inventory(x.ctx); {
		case errors.Is(err, registry.ErrNotFound):
			x.listed = map[string]registry.Descriptor{}
		case err == nil:
			x.listed = make(map[string]registry.Descriptor, 2*len(all.Manifests))
			for _, m := range all.Manifests {
				x.listed[m.Digest] = m.Descriptor
				for _, tag := range m.Tags {
					x.listed[tag] = m.Descriptor
				}
			}
		}
	}
	if x.listed == nil {
		return x.reader.Resolve(x.ctx, references)
	}
	found := make([]registry.Answer[registry.Descriptor], len(references))
	for i, reference := range references {
		if d, ok := x.listed[reference]; ok {
			found[i].Value = d
		} else {
			found[i].Err = fmt.Errorf("%s: %w", reference, registry.ErrNotFound)
		}
	}
	return found
}

// blobsOf returns the config of an image and its layers, and nothing of an index.
// Layers with URLs are not in the registry (OCI image-spec, "Non-distributable
// layers").
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

// one decides on a manifest of the trash. Its children are decided on first.
func (x *restoring) one(digest string) *RestoredOne {
	if o := x.ones[digest]; o != nil {
		return o
	}
	m := x.parsed[digest]
	o := &RestoredOne{Digest: digest, Bytes: registry.SizeOf(x.lost.manifests[digest]), Kind: kindOf(m)}
	x.ones[digest] = o
	switch err := x.there[digest].Err; {
	case err == nil:
		o.Already = true
		return o
	case !errors.Is(err, registry.ErrNotFound):
		o.Err = interrupted(err)
		return o
	case m == nil:
		o.Blocked = fmt.Sprintf("its type is %q, so what it refers to is not known", x.lost.manifests[digest].MediaType)
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
		case !kept && !registry.KnownType(d.MediaType): // it may be no manifest
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
	switch kept := x.kept[digest]; {
	case len(gone) == 0:
	case kept.Err != nil:
		o.Err = interrupted(kept.Err)
	case kept.Value && len(m.Children) == 0:
		o.kept = true
	default:
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
	for i, now := range x.resolve(names) {
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
			t.Blocked, t.Err = follows(of)
		}
		tags = append(tags, t)
	}
	return tags
}

// follows returns why a tag can't be put back, given its manifest.
func follows(of *RestoredOne) (blocked string, err error) {
	switch {
	case of.Err != nil:
		return "", fmt.Errorf("%w: its manifest is not put back", ErrSkipped)
	case of.Blocked != "":
		return "its manifest can't be put back", nil
	}
	return "", nil
}

// leave decides that manifests are not put back whose tags are not, nor what only
// such a manifest lists.
func (x *restoring) leave(tags []RestoredOne) {
	tagsOf := map[string][]RestoredOne{}
	for _, t := range tags {
		tagsOf[t.Digest] = append(tagsOf[t.Digest], t)
	}
	parents := map[string][]string{}
	for digest := range x.ones {
		for _, child := range x.children(digest) {
			parents[child] = append(parents[child], digest)
		}
	}
	done := map[string]bool{}
	var decide func(digest string)
	decide = func(digest string) {
		o := x.ones[digest]
		if done[digest] {
			return
		}
		done[digest] = true
		for _, parent := range parents[digest] {
			decide(parent)
		}
		if o.Already || o.Blocked != "" || o.Err != nil || x.lost.named[digest] {
			return
		}
		stays := func(o RestoredOne) bool { return o.Already || o.Blocked == "" && o.Err == nil }
		switch of := tagsOf[digest]; {
		case slices.ContainsFunc(of, stays), slices.ContainsFunc(parents[digest], func(p string) bool { return stays(*x.ones[p]) }):
		case slices.ContainsFunc(of, func(t RestoredOne) bool { return t.Err != nil }):
			o.Err = fmt.Errorf("%w: its tag can't be put back", ErrSkipped)
		case slices.ContainsFunc(parents[digest], func(p string) bool { return x.ones[p].Err != nil }):
			o.Err = fmt.Errorf("%w: what lists it can't be put back", ErrSkipped)
		case len(of) > 0:
			o.Blocked = "its tag can't be put back"
		case len(parents[digest]) > 0:
			o.Blocked = "what lists it can't be put back"
		}
	}
	for digest := range x.ones {
		decide(digest)
	}
}

// putManifests pushes manifests whose children have been pushed or have failed.
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
		var puts []registry.TaggedManifest
		var kept []string
		for _, digest := range batch {
			if x.ones[digest].kept {
				kept = append(kept, digest)
			} else {
				puts = append(puts, registry.TaggedManifest{Manifest: x.lost.manifests[digest]})
			}
		}
		x.undelete(kept)
		pushed := x.send(puts)
		x.readBack(slices.Sorted(maps.Keys(pushed)), pushed)
		for _, digest := range batch {
			x.ones[digest].Err = x.outcome[digest]
		}
	}
}

// putTags pushes tags that have not moved since lookAtTags.
func (x *restoring) putTags(tags []RestoredOne) {
	var due []*RestoredOne
	for i := range tags {
		t := &tags[i]
		if t.Already || t.Blocked != "" || t.Err != nil {
			continue
		}
		if _, t.Err = follows(x.ones[t.Digest]); t.Err == nil {
			due = append(due, t)
		}
	}
	for batch := range slices.Chunk(due, x.w.AtOnce()) {
		left := x.left(batch)
		want := x.putBatch(batch)
		x.readBack(slices.Sorted(maps.Keys(want)), want)
		x.putBack(left)
		for _, t := range batch {
			if t.Err = interrupted(x.outcome[t.Tag]); t.Err == nil && x.ensured[t.Was] != nil {
				t.Err = fmt.Errorf("%s, which it named before: %w", t.Was, x.ensured[t.Was])
			}
		}
	}
}

// putBatch reads tags again and pushes those that have not moved. It returns the digests
// of what it has pushed.
func (x *restoring) putBatch(batch []*RestoredOne) map[string]string {
	want := map[string]string{}
	end, err := x.w.Turn(x.ctx)
	if err != nil {
		for _, t := range batch {
			x.outcome[t.Tag] = err
		}
		return want
	}
	defer end()
	names := make([]string, len(batch))
	for i, t := range batch {
		names[i] = t.Tag
	}
	var puts []registry.TaggedManifest
	for i, now := range x.w.Resolve(x.ctx, names) {
		t := batch[i]
		if now.Err == nil && now.Value.Digest == t.Digest && x.ones[t.Digest].kept {
			x.outcome[t.Tag] = nil // it came back with its manifest
			continue
		}
		if subject := registry.FallbackSubject(t.Tag); t.Was == "" && now.Err == nil && subject != "" && t.Tag == registry.FallbackTag(subject) {
			t.Digest = now.Value.Digest // the pushes of what it lists have brought it back
			continue
		}
		if x.outcome[t.Tag] = unmoved(now, t.Was); x.outcome[t.Tag] == nil {
			puts = append(puts, registry.TaggedManifest{Tag: t.Tag, Was: t.Was, Manifest: x.lost.manifests[t.Digest]})
		}
	}
	return x.send(puts)
}

// left returns what the tags name now, with its bytes: some registries drop that
// when a tag moves away, and what is put back may list it.
func (x *restoring) left(batch []*RestoredOne) []Required {
	var digests []string
	for _, t := range batch {
		if t.Was != "" && t.Was != t.Digest {
			digests = append(digests, t.Was)
		}
	}
	slices.Sort(digests)
	digests = slices.Compact(digests)
	required := make([]Required, len(digests))
	for i, now := range x.reader.Manifests(x.ctx, digests) {
		required[i] = Required{Digest: digests[i], MediaType: now.Value.MediaType, Manifest: now.Value.Body}
	}
	return required
}

// undelete has the registry bring manifests back, and reads them back.
func (x *restoring) undelete(digests []string) {
	if len(digests) == 0 {
		return
	}
	back := map[string]string{}
	for i, err := range registry.Undelete(x.ctx, x.w, digests) {
		if x.outcome[digests[i]] = interrupted(err); err == nil {
			back[digests[i]] = digests[i]
		}
	}
	x.readBack(slices.Sorted(maps.Keys(back)), back)
}

// send pushes one batch. It returns the digests of what it has pushed, by tag or digest.
func (x *restoring) send(puts []registry.TaggedManifest) map[string]string {
	pushed := map[string]string{}
	if len(puts) == 0 {
		return pushed
	}
	for i, err := range x.w.Put(x.ctx, puts) {
		digest := puts[i].Manifest.Digest
		name := cmp.Or(puts[i].Tag, digest)
		if x.outcome[name] = interrupted(stale(err, puts[i].Was)); err == nil {
			pushed[name] = digest
		}
	}
	return pushed
}
