package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile/registry"
)

// What refers to a copy is brought along before the tag moves, so that whoever
// verifies a signature finds it. What fails is a warning.

// attach copies what refers to the copies of pushes, each once a run, and then pushes
// the tags that cosign finds it by.
func (a *applying) attach(batch []Push) {
	due := map[string][]Referrer{} // by the copy that they belong to
	var tagged []Referrer
	for _, p := range batch {
		for _, r := range p.Referrers {
			if _, tried := a.attached[r.key()]; tried {
				continue
			}
			a.attached[r.key()] = ErrSkipped
			if r.Tag != "" {
				if i := slices.IndexFunc(tagged, func(other Referrer) bool { return other.Tag == r.Tag }); i >= 0 && tagged[i].Digest != r.Digest {
					a.attached[r.key()] = fmt.Errorf("tag %s of %s is another signature than that of %s, which is copied", r.Tag, r.From, tagged[i].From)
					continue
				}
				tagged = append(tagged, r)
			}
			due[r.With] = append(due[r.With], r)
		}
	}
	taken := a.taken(tagged)
	var mu sync.Mutex // guards a.attached
	var g errgroup.Group
	g.SetLimit(copiesAtOnce)
	for _, all := range due {
		g.Go(func() error {
			failed := map[string]bool{}
			for _, r := range all {
				err := taken[r.Tag]
				if failed[r.Subject] {
					err = fmt.Errorf("%w: %s, to which it refers, was not copied", ErrSkipped, r.Subject)
				} else if err == nil && !a.names(r, taken) {
					err = a.w.Copy(a.ctx, r.From, r.Digest)
				}
				failed[r.Digest] = err != nil
				mu.Lock()
				a.attached[r.key()] = err
				mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait()
	a.putTags(slices.DeleteFunc(tagged, func(r Referrer) bool { return a.attached[r.key()] != nil || a.names(r, taken) }))
	for _, p := range batch {
		a.warnUnattached(p)
	}
}

// taken returns why tags of cosign can't be pushed, nil for one that names the
// signature already; one that does not exist is not in the map. A tag that names
// something else stays: it may hold signatures that the other lacks.
func (a *applying) taken(tagged []Referrer) map[string]error {
	names := make([]string, len(tagged))
	for i, r := range tagged {
		names[i] = r.Tag
	}
	taken := map[string]error{}
	for i, now := range a.w.Resolve(a.ctx, names) {
		switch r := tagged[i]; {
		case errors.Is(now.Err, registry.ErrNotFound):
		case now.Err != nil:
			taken[r.Tag] = now.Err
		case now.Value.Digest == r.Digest:
			taken[r.Tag] = nil
		default:
			taken[r.Tag] = signedHere(r.Tag, now.Value.Digest)
		}
	}
	return taken
}

func signedHere(tag, digest string) error {
	return fmt.Errorf("tag %s names %s here, which may be another signature, so it is left alone; delete the tag to have it copied", tag, digest)
}

// names reports whether the tag of a referrer names it already.
func (*applying) names(r Referrer, taken map[string]error) bool {
	err, known := taken[r.Tag]
	return r.Tag != "" && known && err == nil
}

// putTags pushes the tags of referrers that have been copied, and reads them back.
func (a *applying) putTags(tagged []Referrer) {
	for batch := range slices.Chunk(tagged, a.w.AtOnce()) {
		sent := a.putTagsOnce(batch)
		var check []string
		want := map[string]string{}
		for _, r := range sent {
			check, want[r.Tag] = append(check, r.Tag), r.Digest
		}
		a.readBack(check, want)
		for _, r := range sent {
			a.attached[r.key()] = a.outcome[r.Tag]
		}
	}
}

// putTagsOnce reads tags again, since their referrers took some time to copy, and pushes
// those that are still not there. It returns what it has pushed.
func (a *applying) putTagsOnce(batch []Referrer) (pushed []Referrer) {
	end, err := a.w.Turn(a.ctx)
	if err != nil {
		for _, r := range batch {
			a.attached[r.key()] = err
		}
		return nil
	}
	defer end()
	taken := a.taken(batch)
	batch = slices.DeleteFunc(slices.Clone(batch), func(r Referrer) bool {
		err, there := taken[r.Tag]
		if there {
			a.attached[r.key()] = err
		}
		return there
	})
	if len(batch) == 0 {
		return nil
	}
	puts := make([]registry.TaggedManifest, len(batch))
	for i, r := range batch {
		puts[i] = registry.TaggedManifest{Tag: r.Tag, Manifest: registry.RawManifest{Digest: r.Digest, MediaType: r.MediaType, Body: r.Manifest}}
	}
	for i, err := range a.w.Put(a.ctx, puts) {
		r := batch[i]
		if moved := (*registry.MovedError)(nil); errors.As(err, &moved) {
			err = signedHere(r.Tag, moved.Now)
		}
		if a.attached[r.key()] = err; err == nil {
			pushed = append(pushed, r)
		}
	}
	return pushed
}

// warnUnattached says what could not be copied for a push.
func (a *applying) warnUnattached(p Push) {
	var why []string
	for _, r := range p.Referrers {
		if err := a.attached[r.key()]; err != nil {
			what := r.Kind + " of " + r.Subject
			why = append(why, what+": "+registry.Line(interrupted(err)))
		}
	}
	if len(why) > 0 {
		a.warned = append(a.warned, &config.Finding{ID: findings.UncopiedReferrer, Alias: p.Tag, Warning: true, Message: fmt.Sprintf(
			"not all that refers to the image of alias %q was copied: %s", p.Tag, few(why))})
	}
}
