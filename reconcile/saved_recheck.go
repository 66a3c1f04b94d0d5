package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// What a saved plan relies on, read once more.

// recheck reads again what the actions of a plan rely on, as far as [Apply] does
// not. It returns, by tag or digest, what is settled without a write: nil if it is
// done already, or why it must not be done any more.
func recheck(ctx context.Context, readers registry.Readers, image config.Image, plan Plan, limit Limit) map[string]error {
	aliases := byTag(image)
	// A digest can't move, and a platform that is dropped has no source.
	tagOf := func(p Push, c PlatformChange) (at place, isTag bool) {
		at, _ = sourceOf(image, aliases[p.Tag], c.Source)
		return at, config.CheckTag(at.reference) == nil
	}
	ask, pushed := map[place]bool{}, map[place]string{}
	for _, p := range plan.Pushes {
		pushed[place{plan.Repository, p.Tag}] = p.New
		ask[place{plan.Repository, p.Tag}] = true
		for _, c := range p.Platforms {
			if at, isTag := tagOf(p, c); isTag {
				ask[at] = true
			}
		}
	}
	state := newState()
	state.read(ctx, readers, questions{tags: ask})

	settled, relies := map[string]error{}, map[string][]string{}
	for _, p := range plan.Pushes {
		now := state.tags[place{plan.Repository, p.Tag}]
		if now.Err == nil && now.Value.Digest == p.New && p.Old != p.New {
			settled[p.Tag] = nil
			continue
		}
		noteStale(settled, p.Tag, "it", now, p.Old)
		relies[p.Tag] = slices.Clone(p.Follows)
		for _, c := range p.Platforms {
			switch at, isTag := tagOf(p, c); {
			case !isTag:
			case pushed[at] == c.SourceDigest: // it is not, but this plan makes it so
				relies[p.Tag] = append(relies[p.Tag], at.reference)
			default:
				noteStale(settled, p.Tag, fmt.Sprintf("source %q", c.Source), state.tags[at], c.SourceDigest)
			}
		}
	}
	vouch(ctx, readers, image, plan, limit, settled)
	vouchLost(ctx, readers, image, plan, settled)
	whole(ctx, readers, state, plan, settled)
	for again := true; again; {
		again = false
		for _, p := range plan.Pushes {
			for _, followed := range relies[p.Tag] {
				if _, is := settled[p.Tag]; !is && settled[followed] != nil {
					settled[p.Tag] = fmt.Errorf("%w: it follows %q, which was not pushed", ErrSkipped, followed)
					again = true
				}
			}
		}
	}
	return settled
}

// whole asks whether what the pushes list still exists: it can be deleted while
// its source stays the same.
func whole(ctx context.Context, readers registry.Readers, state *State, plan Plan, settled map[string]error) {
	gone, failed := map[string][]ocispec.Descriptor{}, map[string]error{}
	state.settle(ctx, readers, plan.Repository, func(v *view) {
		for _, push := range plan.Pushes {
			if _, is := settled[push.Tag]; is || push.Purged > 0 { // a purge adds nothing to its tag
				continue
			}
			v.present = map[place]bool{}
			for _, k := range plan.Required {
				if _, is := settled[k.Digest]; k.Lost && !is { // it is put back first
					v.present[place{plan.Repository, k.Digest}] = true
				}
			}
			for _, other := range plan.Pushes { // what a push brings that this one follows is asked for with that
				if m, err := other.manifest(); err == nil && other.New != push.New && slices.Contains(push.Follows, other.Tag) {
					for _, d := range m.Children {
						v.present[place{plan.Repository, d.Digest.String()}] = true
					}
				}
			}
			m, err := push.manifest()
			if err == nil {
				gone[push.Tag], err = v.missing(m, func(digest string) config.Repository { return push.home(plan.Repository, digest) }, 0)
			}
			failed[push.Tag] = err
		}
	})
	for tag, err := range failed {
		switch {
		case errors.Is(err, context.Canceled):
			settled[tag] = interrupted(err)
		case err != nil:
			settled[tag] = fmt.Errorf("what it lists could not be asked for: %w", err)
		case len(gone[tag]) > 0:
			settled[tag] = fmt.Errorf("%w: it lists %s, which is not there any more; plan again", ErrStale, listing(gone[tag]))
		}
	}
}

// vouch plans anew for what images.yaml does not name: tags that a purge rewrites or
// prune removes, manifests that nothing needs. The saved plan alone is not enough,
// since only the whole repository shows whether they may go. The same holds for a
// manifest that loses a tag: a registry may delete it with its last tag, and an index
// pushed since then may list it. What a new plan would not do is stale.
func vouch(ctx context.Context, readers registry.Readers, image config.Image, plan Plan, limit Limit, settled map[string]error) {
	aliases := byTag(image)
	unnamed := map[string]string{} // what is to become of a tag or digest, "" for a deletion
	for _, p := range plan.Pushes {
		unnamed[p.Tag] = p.New
	}
	for _, d := range plan.DeleteTags {
		unnamed[d.Tag] = ""
	}
	maps.DeleteFunc(unnamed, func(tag, becomes string) bool {
		_, named := aliases[tag]
		_, is := settled[tag]
		return named && becomes != "" || is
	})
	for _, d := range plan.DeleteManifests {
		unnamed[d.Digest] = ""
	}
	if len(unnamed) == 0 && (!Deletes(image) || len(plan.departures()) == 0) {
		return
	}
	fresh, _ := newState().plan(ctx, readers, image)
	would := map[string]string{}
	for _, p := range fresh.Pushes {
		would[p.Tag] = p.New
	}
	for _, d := range fresh.DeleteTags {
		would[d.Tag] = ""
	}
	for _, d := range fresh.DeleteManifests {
		would[d.Digest] = ""
	}
	maps.DeleteFunc(unnamed, func(what, becomes string) bool {
		now, is := would[what]
		agreed := is && now == becomes
		if agreed && becomes == "" && len(fresh.Errors) > 0 { // as in Apply
			settled[what] = fmt.Errorf("%w: %s", errNothingDeleted, fresh.Errors[0].Message)
		}
		return agreed
	})
	var gone []string
	for what := range unnamed {
		if len(fresh.Errors) > 0 {
			settled[what] = fmt.Errorf("it could not be planned again: %s", fresh.Errors[0].Message)
			continue
		}
		settled[what] = fmt.Errorf("%w: a plan of now would not do it; plan again", ErrStale)
		gone = append(gone, what)
	}
	for i, now := range readers.Reader(plan.Repository).Manifests(ctx, gone) {
		if errors.Is(now.Err, registry.ErrNotFound) && unnamed[gone[i]] == "" {
			settled[gone[i]] = nil
		}
	}
	guardAgain(plan, fresh, limit, settled)
	requireAgain(plan, fresh, settled)
}

// guardAgain counts the deletions as a new plan does. A saved plan can't be trusted to
// say which of them a purge asks for, or how large the repository is: anyone who can
// write the file can change that.
func guardAgain(plan, fresh Plan, limit Limit, settled map[string]error) {
	due := map[string]bool{}
	add := func(what string) {
		if _, is := settled[what]; !is {
			due[what] = true
		}
	}
	for _, d := range plan.DeleteTags {
		add(d.Tag)
	}
	for _, d := range plan.DeleteManifests {
		add(d.Digest)
	}
	fresh.DeleteTags = slices.DeleteFunc(slices.Clone(fresh.DeleteTags), func(d DeleteTag) bool { return !due[d.Tag] })
	fresh.DeleteManifests = slices.DeleteFunc(slices.Clone(fresh.DeleteManifests), func(d DeleteManifest) bool { return !due[d.Digest] })
	fresh.Violations = nil
	for _, v := range Guard(fresh, limit).Violations {
		for what := range due {
			settled[what] = fmt.Errorf("%w: %s", ErrStale, v.Message)
		}
	}
}

// requireAgain refuses an action that takes a tag from a manifest if something needs
// that manifest by now and the saved plan would not put it back.
func requireAgain(plan, fresh Plan, settled map[string]error) {
	required := map[leaving]bool{}
	for _, k := range plan.Required {
		for _, tag := range k.Tags {
			required[leaving{tag, k.Digest}] = true
		}
	}
	departs := plan.departures()
	for _, k := range fresh.Required {
		for _, tag := range k.Tags {
			_, is := settled[tag]
			if left := (leaving{tag, k.Digest}); !is && k.Needed != "" && !required[left] && slices.Contains(departs, left) {
				settled[tag] = fmt.Errorf("%w: it names %s, which is needed now: %s; plan again", ErrStale, k.Digest, k.Needed)
			}
		}
	}
}

// vouchLost checks the manifests that are to be put back: the saved plan alone is not
// enough to push one. An alias of images.yaml must list it, now or after this plan, or
// a tag must have left it in a run that was cut off. Any other is stale.
func vouchLost(ctx context.Context, readers registry.Readers, image config.Image, plan Plan, settled map[string]error) {
	if !slices.ContainsFunc(plan.Required, func(k Required) bool { return k.Lost }) {
		return
	}
	listed := map[string]bool{}
	note := func(m *registry.Manifest, err error) {
		if err == nil {
			for _, child := range holdingOf(m).children {
				listed[child] = true
			}
		}
	}
	maps.Copy(listed, readers.Reader(plan.Repository).Memory().Record().Leaving) // in a run that was cut
	for _, p := range plan.Pushes {
		note(p.manifest())
	}
	newState().settle(ctx, readers, plan.Repository, func(v *view) {
		for _, alias := range image.Aliases {
			note(v.manifest(plan.Repository, alias.Tag))
		}
	})
	for _, k := range plan.Required {
		if k.Lost && !listed[k.Digest] {
			settled[k.Digest] = fmt.Errorf("%w: no alias lists it any more; plan again", ErrStale)
		}
	}
}

// noteStale notes a tag that is not what the plan saw.
func noteStale(settled map[string]error, action, what string, now registry.Answer[registry.Descriptor], planned string) {
	_, is := settled[action]
	switch {
	case is:
	case errors.Is(now.Err, context.Canceled):
		settled[action] = interrupted(now.Err)
	case now.Err != nil && !errors.Is(now.Err, registry.ErrNotFound):
		settled[action] = fmt.Errorf("%s could not be read again: %w", what, now.Err)
	case now.Value.Digest != planned:
		settled[action] = fmt.Errorf("%w: %s named %s when it was planned, and now names %s; plan again",
			ErrStale, what, cmp.Or(planned, "nothing"), cmp.Or(now.Value.Digest, "nothing"))
	}
}
