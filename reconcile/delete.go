package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile/registry"
)

// comparedAfter is how many manifests are deleted between two comparisons of the tags.
// If there are more tags than that, it is the number of tags, so that a deletion costs
// at most one extra HEAD.
const comparedAfter = 100

// deleteManifests comes last. It deletes nothing if anything before it failed, or if a
// tag is not what the plan relies on: by now each tag is written or left alone, and a
// new one may need a manifest that is to go. An index is deleted before what it lists,
// and the tags are compared again in between.
func (a *applying) deleteManifests(plan Plan, whole bool, untagged []Outcome) []Outcome {
	if len(plan.DeleteManifests) == 0 {
		return nil
	}
	var stop error
	for _, o := range untagged {
		switch {
		case errors.Is(o.Err, registry.ErrUnsupported):
			stop = fmt.Errorf("%w: tag %q could not be deleted, so nothing else is", registry.ErrUnsupported, o.Tag)
		case o.Err != nil:
			whole = false
		}
	}
	switch {
	case !whole:
		stop = errNothingDeleted
	case a.undeletable != nil:
		stop = a.undeletable
	case stop != nil:
	case a.ctx.Err() != nil:
		stop = interrupted(a.ctx.Err())
	}
	outcome := map[string]error{}
	var deleted []string
	gone := map[string]bool{} // digests that may be gone, and their tags with them
	for _, wave := range deletionWaves(plan.DeleteManifests) {
		for batch := range slices.Chunk(wave, max(comparedAfter, len(plan.Tags))) {
			due := deletable(batch, stop, outcome)
			if len(due) == 0 {
				continue
			}
			if stop = a.unchanged(plan.Tags, gone); stop != nil {
				deletable(batch, stop, outcome)
				continue
			}
			for _, d := range plan.DeleteManifests {
				gone[d.Digest] = true
			}
			for i, err := range a.w.DeleteManifests(a.ctx, due) {
				if tagged := (*registry.TaggedError)(nil); errors.As(err, &tagged) {
					err = fmt.Errorf("%w: %w; plan again", ErrStale, tagged)
				}
				if outcome[due[i].Digest] = interrupted(err); err == nil {
					deleted = append(deleted, due[i].Digest)
				}
			}
		}
	}
	a.warnOfUndeleted(deleted)
	var all []Outcome
	for _, d := range plan.DeleteManifests {
		all = append(all, Outcome{Tag: d.Digest, Err: outcome[d.Digest]})
	}
	return all
}

// deletable notes why manifests are not deleted, and returns the others.
func deletable(batch []DeleteManifest, stop error, outcome map[string]error) (due []registry.Removal) {
	for _, d := range batch {
		err := stop
		if held := slices.IndexFunc(d.Parents, func(parent string) bool { return outcome[parent] != nil }); err == nil && held >= 0 {
			why := ErrSkipped
			if errors.Is(outcome[d.Parents[held]], registry.ErrUnsupported) {
				why = registry.ErrUnsupported
			}
			err = fmt.Errorf("%w: %s lists it or refers to it, and was not deleted", why, d.Parents[held])
		}
		if outcome[d.Digest] = err; err == nil {
			due = append(due, registry.Removal{Digest: d.Digest, Tags: d.Tags})
		}
	}
	return due
}

// warnOfUndeleted asks for what the registry says it has deleted. What it still has
// after a while is a warning and no failure: with a 202 it may have accepted a deletion
// that it does later, and Quay answers for a manifest from a cache for some time
// (quay/quay, endpoints/v2/manifest.py, fetch_manifest_by_digest).
func (a *applying) warnOfUndeleted(digests []string) {
	ctx, done := registry.Finishing(a.ctx)
	defer done()
	var unknown []string
	for try := 0; len(digests) > 0; try++ {
		var there []string
		for i, now := range a.w.Resolve(ctx, digests) {
			switch {
			case now.Err == nil:
				there = append(there, digests[i])
			case !errors.Is(now.Err, registry.ErrNotFound):
				unknown = append(unknown, registry.Line(now.Err))
			}
		}
		if digests = there; try == len(readBackPauses) || len(digests) > 0 && pause(ctx, readBackPauses[try]) != nil {
			break
		}
	}
	if len(digests) > 0 {
		a.warnUndeleted("the registry says that it has deleted what is still there: %s", digests)
	}
	if len(unknown) > 0 {
		a.warnUndeleted("the registry says that it has deleted what can't be asked for now: %s", unknown)
	}
}

func (a *applying) warnUndeleted(message string, what []string) {
	a.warned = append(a.warned, &config.Finding{ID: findings.UndeletedManifest, Warning: true, Message: fmt.Sprintf(message, few(what))})
}

var errNothingDeleted = fmt.Errorf("%w: nothing is deleted from a repository in which something failed", ErrSkipped)

// unchanged lists and reads the tags of the repository once more. A tag may be gone with
// its manifest.
func (a *applying) unchanged(planned []TagDigest, gone map[string]bool) error {
	want := map[string]string{}
	for _, t := range planned {
		want[t.Tag] = t.Digest
	}
	tags, err := a.w.Tags(a.ctx)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return interrupted(fmt.Errorf("re-read before the deletion: %w", err))
	}
	for _, tag := range tags {
		if want[tag] == "" {
			return fmt.Errorf("%w: tag %q is new since the plan, and may need what was to be deleted; plan again", ErrStale, tag)
		}
	}
	names := make([]string, len(planned))
	for i, t := range planned {
		names[i] = t.Tag
	}
	for i, now := range a.w.Resolve(a.ctx, names) {
		switch {
		case errors.Is(now.Err, registry.ErrNotFound) && gone[planned[i].Digest]:
		case now.Err != nil && !errors.Is(now.Err, registry.ErrNotFound):
			return interrupted(fmt.Errorf("re-read before the deletion: %w", now.Err))
		case now.Value.Digest != planned[i].Digest:
			return fmt.Errorf("%w: tag %q should name %s, and names %s, so nothing is deleted; plan again",
				ErrStale, names[i], planned[i].Digest, cmp.Or(now.Value.Digest, "nothing"))
		}
	}
	return nil
}

// checkDeletes asks whether the registry deletes manifests at all, if the plan purges:
// otherwise a purge would leave the old ones behind. Only a deletion can tell, so a dry
// run can't know.
func (a *applying) checkDeletes() error {
	purges := slices.ContainsFunc(a.plan.Pushes, func(p Push) bool { return p.Purged > 0 })
	if !purges || len(a.plan.DeleteManifests) == 0 {
		return nil
	}
	return a.w.Deletes(a.ctx)
}

// untaggable leaves out the tags that go only because of a purge, if nothing can be
// purged, and notes why.
func (a *applying) untaggable(due []DeleteTag) []DeleteTag {
	if a.undeletable == nil {
		return due
	}
	return slices.DeleteFunc(slices.Clone(due), func(d DeleteTag) bool {
		if d.Emptied {
			a.outcome[d.Tag] = a.undeletable
		}
		return d.Emptied
	})
}
