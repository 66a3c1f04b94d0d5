package reconcile

import (
	"errors"
	"fmt"
	"slices"

	"tagline/reconcile/registry"
)

// Manifests that an index lists and the registry has dropped are put back.

// putBackLost puts back the manifests that were missing before the run.
func (a *applying) putBackLost(required []Required) {
	var lost []Required
	for _, k := range required {
		if k.Lost {
			lost = append(lost, k)
		}
	}
	if err := a.ctx.Err(); err != nil {
		for _, k := range lost {
			a.ensured[k.Digest] = interrupted(err)
		}
		return
	}
	a.putBack(lost)
}

// ensure asks for the manifests that these tags have left, and puts back those that
// are missing. It also does so after an interruption, since the tags have moved or
// are deleted by then.
func (a *applying) ensure(tags []string) {
	written := map[string]bool{}
	for _, tag := range tags {
		written[tag] = true
	}
	var left []Required
	for _, k := range a.plan.Required {
		if slices.ContainsFunc(k.Tags, func(tag string) bool { return written[tag] }) {
			left = append(left, k)
		}
	}
	a.putBack(left)
}

// putBack pushes missing manifests by digest, and reads them back.
func (a *applying) putBack(required []Required) {
	if len(required) == 0 {
		return
	}
	ctx, done := registry.Finishing(a.ctx)
	defer done()
	var missing []Required
	for i, now := range a.w.Resolve(ctx, digestsOf(required)) {
		k := required[i]
		switch {
		case now.Err == nil:
			a.ensured[k.Digest] = nil
		case !errors.Is(now.Err, registry.ErrNotFound):
			a.ensured[k.Digest] = fmt.Errorf("it is not known whether the registry has dropped it: %w", now.Err)
		case k.Manifest == nil:
			a.ensured[k.Digest] = errors.New("the registry has dropped it, and its bytes could not be read before; push it again")
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
			a.ensured[digest] = fmt.Errorf("the registry has dropped it, and it could not be put back: %w", errs[i])
		case now.Err != nil:
			a.ensured[digest] = fmt.Errorf("the registry had dropped it; it was put back, and could not be read back: %w", now.Err)
		default:
			a.ensured[digest], a.back[digest] = nil, true
		}
	}
}

func digestsOf(required []Required) []string {
	digests := make([]string, len(required))
	for i, k := range required {
		digests[i] = k.Digest
	}
	return digests
}

// lists returns a manifest that a push lists and that could not be put back, or "".
func (a *applying) lists(p Push) string {
	for _, k := range a.plan.Required {
		if k.Lost && a.ensured[k.Digest] != nil {
			if m, err := p.manifest(); err != nil || slices.Contains(holdingOf(m).children, k.Digest) {
				return k.Digest
			}
		}
	}
	return ""
}

// allEnsured reports whether no required manifest is known to be missing.
func (a *applying) allEnsured() bool {
	for _, err := range a.ensured {
		if err != nil {
			return false
		}
	}
	return true
}
