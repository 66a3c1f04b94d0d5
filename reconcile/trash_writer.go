package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tagline/config"
	"tagline/reconcile/registry"
)

// keeping is a writer that puts manifests into the trash before it deletes them.
// All deletions of a plan go through it. It is not safe for concurrent use.
type keeping struct {
	registry.Writer
	reader  registry.Reader
	trash   Trash
	of      config.Repository
	reasons map[string]string    // by tag or digest
	purged  map[string]bool      // tags
	tags    map[string][]KeptTag // by digest: those that go with it
	below   map[string][]string  // manifests that go after one, by its digest
	kept    map[string]bool      // digests that the trash has
	failed  error                // why something was not kept that has to be before a purge or a deletion
}

// KeepFirst returns a writer for a plan that keeps what it deletes.
func KeepFirst(w registry.Writer, r registry.Reader, trash Trash, of config.Repository, plan Plan) registry.Writer {
	k := &keeping{
		Writer: w, reader: r, trash: trash, of: of,
		reasons: map[string]string{}, purged: map[string]bool{}, tags: map[string][]KeptTag{}, below: map[string][]string{}, kept: map[string]bool{},
	}
	for _, p := range plan.Pushes {
		k.purged[p.Tag] = p.Purged > 0
	}
	for _, d := range plan.DeleteTags {
		k.reasons[d.Tag] = d.Reason
	}
	for _, d := range plan.DeleteManifests {
		k.reasons[d.Digest] = d.Reason
		for _, parent := range d.Parents {
			k.below[parent] = append(k.below[parent], d.Digest)
		}
		for _, tag := range d.Tags {
			k.tags[d.Digest] = append(k.tags[d.Digest], KeptTag{Tag: tag})
		}
	}
	return k
}

var _ preparing = (*keeping)(nil)

// prepare keeps the index that a purge replaces, and what the plan deletes once
// its tag has moved: nothing tells its tag later, and zot deletes it at once. If that
// fails, no tag is purged and nothing is deleted. Aliases are pushed.
func (k *keeping) prepare(ctx context.Context, batch []Push) {
	var due []losing
	for _, p := range batch {
		reason, deleted := k.reasons[p.Old]
		switch {
		case p.Old == "":
		case p.Purged > 0:
			due = append(due, losing{p.Old, []KeptTag{{p.Tag, p.New}}, "a purge replaced it"})
		case deleted:
			due = append(due, losing{p.Old, []KeptTag{{p.Tag, p.New}}, reason})
		}
	}
	k.failed = errors.Join(slices.Concat([]error{k.failed}, k.keep(ctx, due))...)
}

// Put pushes what may be pushed, see prepare.
func (k *keeping) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	if k.failed == nil {
		errs := k.Writer.Put(ctx, pushes)
		k.tell(errs)
		return errs
	}
	errs := make([]error, len(pushes))
	var may []registry.TaggedManifest
	var at []int
	for i, push := range pushes {
		if k.purged[push.Tag] {
			errs[i] = k.failed
		} else {
			may, at = append(may, push), append(at, i)
		}
	}
	if len(may) > 0 {
		done := k.Writer.Put(ctx, may)
		for i, err := range done {
			errs[at[i]] = err
		}
		k.tell(done)
	}
	return errs
}

// tell tells the trash if anything was done.
func (k *keeping) tell(errs []error) {
	if slices.Contains(errs, nil) {
		k.trash.Deleted(k.of)
	}
}

// DeleteTags implements [registry.Writer].
func (k *keeping) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	due := make([]losing, len(tags))
	for i, t := range tags {
		due[i] = losing{t.Digest, []KeptTag{{Tag: t.Tag}}, k.reasons[t.Tag]}
	}
	return deleteKept(ctx, k, tags, due, k.Writer.DeleteTags)
}

// DeleteManifests keeps what the plan deletes after a manifest, too, before that
// goes: a registry may delete it along with it (see [registry.Facts]). If that
// fails, nothing is deleted.
func (k *keeping) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	k.failed = errors.Join(slices.Concat([]error{k.failed}, k.keep(ctx, k.under(due)))...)
	lose := make([]losing, len(due))
	for i, r := range due {
		lose[i] = losing{r.Digest, k.tags[r.Digest], k.reasons[r.Digest]}
	}
	return deleteKept(ctx, k, due, lose, k.Writer.DeleteManifests)
}

// under returns what the plan deletes after some manifests, at any depth.
func (k *keeping) under(removals []registry.Removal) (due []losing) {
	seen := map[string]bool{}
	var open []string
	for _, r := range removals {
		open = append(open, r.Digest)
	}
	for ; len(open) > 0; open = open[1:] {
		for _, digest := range k.below[open[0]] {
			if !seen[digest] {
				seen[digest] = true
				due, open = append(due, losing{digest, k.tags[digest], k.reasons[digest]}), append(open, digest)
			}
		}
	}
	return due
}

// deleteKept deletes the items that could be kept.
func deleteKept[T any](ctx context.Context, k *keeping, items []T, due []losing, do func(context.Context, []T) []error) []error {
	errs := make([]error, len(items))
	if k.failed != nil {
		for i := range errs {
			errs[i] = k.failed
		}
		return errs
	}
	errs = k.keep(ctx, due)
	var kept []T
	var at []int
	for i, err := range errs {
		if err == nil {
			kept, at = append(kept, items[i]), append(at, i)
		}
	}
	if len(kept) > 0 {
		done := do(ctx, kept)
		for i, err := range done {
			errs[at[i]] = err
		}
		k.tell(done)
	}
	return errs
}

// losing is a manifest that is about to be deleted, or to lose tags.
type losing struct {
	digest string
	tags   []KeptTag
	reason string
}

// keepAtOnce is how many manifests are in memory at once.
const keepAtOnce = 100

// keep puts manifests into the trash, and returns an error or nil for each. A
// manifest that does not exist is not kept, and is no error.
func (k *keeping) keep(ctx context.Context, due []losing) []error {
	var errs []error
	for part := range slices.Chunk(due, keepAtOnce) {
		errs = append(errs, k.keepPart(ctx, part)...)
	}
	return errs
}

func (k *keeping) keepPart(ctx context.Context, due []losing) []error {
	errs := make([]error, len(due))
	var digests []string
	var at []int
	for i, d := range due {
		if len(d.tags) > 0 || !k.kept[d.digest] {
			digests, at = append(digests, d.digest), append(at, i)
		}
	}
	if len(digests) == 0 {
		return errs
	}
	var kept []Kept
	for n, a := range k.reader.Manifests(ctx, digests) {
		i := at[n]
		switch {
		case a.Err == nil:
			kept = append(kept, Kept{a.Value, due[i].tags, due[i].reason})
		case !errors.Is(a.Err, registry.ErrNotFound):
			errs[i] = notKept(a.Err)
		}
	}
	if len(kept) == 0 {
		return errs
	}
	if err := k.trash.Keep(k.of, kept); err != nil {
		for _, i := range at {
			errs[i] = notKept(err)
		}
		return errs
	}
	for _, kept := range kept {
		k.kept[kept.Manifest.Digest] = true
	}
	return errs
}

// notKept is why something is not deleted.
func notKept(err error) error {
	return interrupted(fmt.Errorf("%w, since it could not be kept before: %w", ErrSkipped, err))
}
