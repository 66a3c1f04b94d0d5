package reconcile

import (
	"errors"
	"fmt"
	"slices"

	"tagline/reconcile/registry"
)

// What a registry has dropped although an index lists it is put back.

// putBackLost puts back what was missing before the run.
func (a *applying) putBackLost(keeps []Keep) {
	var lost []Keep
	for _, k := range keeps {
		if k.Lost {
			lost = append(lost, k)
		}
	}
	if err := a.ctx.Err(); err != nil {
		for _, k := range lost {
			a.kept[k.Digest] = interrupted(err)
		}
		return
	}
	a.putBack(lost)
}

// ensure asks whether what these tags have left is still there, and puts it back
// if it is not. It does so after an interruption, too, since a tag has gone or
// moved by then.
func (a *applying) ensure(tags []string) {
	written := map[string]bool{}
	for _, tag := range tags {
		written[tag] = true
	}
	var left []Keep
	for _, k := range a.plan.Keeps {
		if slices.ContainsFunc(k.Tags, func(tag string) bool { return written[tag] }) {
			left = append(left, k)
		}
	}
	a.putBack(left)
}

// putBack pushes what is missing by its digest, and sees that it is there.
func (a *applying) putBack(keeps []Keep) {
	if len(keeps) == 0 {
		return
	}
	ctx, done := registry.Finishing(a.ctx)
	defer done()
	var missing []Keep
	for i, now := range a.w.Resolve(ctx, digestsOf(keeps)) {
		k := keeps[i]
		switch {
		case now.Err == nil:
			a.kept[k.Digest] = nil
		case !errors.Is(now.Err, registry.ErrNotFound):
			a.kept[k.Digest] = fmt.Errorf("it is not known whether the registry has dropped it: %w", now.Err)
		case k.Manifest == nil:
			a.kept[k.Digest] = errors.New("the registry has dropped it, and its bytes could not be read before; push it again")
		default:
			missing = append(missing, k)
		}
	}
	puts := make([]registry.TaggedManifest, len(missing))
	for i, k := range missing {
		puts[i] = registry.TaggedManifest{Manifest: registry.RawManifest{Digest: k.Digest, MediaType: k.MediaType, Body: k.Manifest}}
	}
	if len(puts) == 0 {
		return
	}
	errs := a.w.Put(ctx, puts)
	for i, now := range a.w.Resolve(ctx, digestsOf(missing)) {
		digest := missing[i].Digest
		switch {
		case errs[i] != nil:
			a.kept[digest] = fmt.Errorf("the registry has dropped it, and it could not be put back: %w", errs[i])
		case now.Err != nil:
			a.kept[digest] = fmt.Errorf("the registry had dropped it; it was put back, and could not be read back: %w", now.Err)
		default:
			a.kept[digest], a.back[digest] = nil, true
		}
	}
}

func digestsOf(keeps []Keep) []string {
	digests := make([]string, len(keeps))
	for i, k := range keeps {
		digests[i] = k.Digest
	}
	return digests
}

// lists returns a part of what a push lists that could not be put back, "" if
// there is none.
func (a *applying) lists(p Push) string {
	for _, k := range a.plan.Keeps {
		if k.Lost && a.kept[k.Digest] != nil {
			if m, err := p.manifest(); err != nil || slices.Contains(holdingOf(m).children, k.Digest) {
				return k.Digest
			}
		}
	}
	return ""
}

// keptAll reports whether nothing is known to be missing.
func (a *applying) keptAll() bool {
	for _, err := range a.kept {
		if err != nil {
			return false
		}
	}
	return true
}
