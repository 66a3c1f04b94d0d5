package reconcile

import (
	"bytes"
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

// CheckSaved says what a saved plan would do that images.yaml does not ask for.
// A plan that was made from it, and not altered, has nothing of the kind.
func CheckSaved(image config.Image, plan Plan) []error {
	aliases := byTag(image)
	known := map[config.Repository]bool{}
	for _, a := range image.Aliases {
		for _, s := range a.Sources {
			known[s.Repository] = true
		}
	}
	// Two policies are about tags that images.yaml does not list.
	others := image.Policies["provenance"].Value == "purge" || image.Policies["prune"].Value == "true"
	var errs []error
	problem := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{plan.Repository}, args...)...))
	}
	for _, p := range plan.Pushes {
		alias, listed := aliases[p.Tag]
		switch {
		case !listed && !others:
			problem("it pushes tag %q, which is no alias", p.Tag)
		case alias.Absent:
			problem("it pushes tag %q, which should be absent", p.Tag)
		case listed && p.Purged > 0:
			problem("it purges tag %q, which is an alias", p.Tag)
		}
		for _, c := range p.Platforms {
			at, ok := sourceOf(image, alias, c.Source)
			switch {
			case !listed || alias.Absent || c.Source == "":
			case !ok:
				problem("alias %q has no source %q", p.Tag, c.Source)
			case strings.Contains(at.reference, ":") && at.reference != c.SourceDigest:
				problem("alias %q has the source %q, and the plan another digest of it", p.Tag, c.Source)
			}
		}
		for _, c := range p.Copies {
			if !known[c.From] {
				problem("it copies from %s for alias %q, and no source is there", c.From, p.Tag)
			}
		}
	}
	for _, d := range plan.DeleteTags {
		if alias, listed := aliases[d.Tag]; listed && !alias.Absent || !listed && !others {
			problem("it deletes tag %q, which images.yaml does not say", d.Tag)
		}
	}
	return errs
}

func byTag(image config.Image) map[string]config.Alias {
	aliases := map[string]config.Alias{}
	for _, a := range image.Aliases {
		aliases[a.Tag] = a
	}
	return aliases
}

// sourceOf is where an alias takes a source of this spelling from. A newest
// source is spelled as the version that it came to.
func sourceOf(image config.Image, alias config.Alias, text string) (place, bool) {
	for _, s := range alias.Sources {
		switch {
		case s.Newest != nil:
			if v, err := config.ParseVersion(text); err == nil && s.Newest.Range.Has(v) {
				return place{image.Repository, text}, true
			}
		case s.Text == text:
			return place{s.Repository, s.Reference()}, true
		}
	}
	return place{image.Repository, text}, false
}

// ApplySaved carries out a plan that was made a while ago, each action by
// itself: where the tag or one of its sources is no longer what the plan saw,
// the action is stale and is not done, and the others are, but for those that
// rely on it. It pushes the bytes of the plan and no others. The plan has passed
// [CheckSaved].
func ApplySaved(ctx context.Context, readers registry.Readers, w registry.Writer, image config.Image, plan Plan) Result {
	settled := recheck(ctx, readers, image, plan)
	is := func(tag string) bool { _, ok := settled[tag]; return ok }
	due := plan
	due.Pushes = slices.DeleteFunc(slices.Clone(plan.Pushes), func(p Push) bool { return is(p.Tag) })
	due.DeleteTags = slices.DeleteFunc(slices.Clone(plan.DeleteTags), func(d DeleteTag) bool { return is(d.Tag) })
	due.DeleteManifests = slices.DeleteFunc(slices.Clone(plan.DeleteManifests), func(d DeleteManifest) bool { return is(d.Digest) })
	due.Errors = slices.Clone(plan.Errors)
	for tag, err := range settled {
		unread := !errors.Is(err, ErrStale) && !errors.Is(err, ErrSkipped) || errors.Is(err, context.Canceled)
		if err != nil && unread { // so that nothing is deleted
			due.Errors = append(due.Errors, Failure{Alias: tag, Message: err.Error()})
		}
	}
	already := map[string]bool{}
	for tag, err := range settled {
		already[tag] = err == nil
	}
	r := Apply(ctx, w, due)
	for _, o := range slices.Concat(r.Pushed, r.Deleted, r.Removed) {
		settled[o.Tag], already[o.Tag] = o.Err, o.Already
	}
	var whole Result
	for _, p := range plan.Pushes {
		whole.Pushed = append(whole.Pushed, Outcome{p.Tag, settled[p.Tag], already[p.Tag]})
	}
	for _, d := range plan.DeleteTags {
		whole.Deleted = append(whole.Deleted, Outcome{d.Tag, settled[d.Tag], already[d.Tag]})
	}
	for _, d := range plan.DeleteManifests {
		whole.Removed = append(whole.Removed, Outcome{d.Digest, settled[d.Digest], already[d.Digest]})
	}
	return whole
}

// recheck reads what the actions of a plan rely on once more, as far as [Apply]
// does not. It tells by tag or digest what is settled without a write: nil for
// what is done already, or why it may not be done any more.
func recheck(ctx context.Context, readers registry.Readers, image config.Image, plan Plan) map[string]error {
	aliases := byTag(image)
	// A digest can't move, and neither can what is dropped.
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
		settle(settled, p.Tag, "it", now, p.Old)
		relies[p.Tag] = slices.Clone(p.Follows)
		for _, c := range p.Platforms {
			switch at, isTag := tagOf(p, c); {
			case !isTag:
			case pushed[at] == c.SourceDigest: // it is not, but this plan makes it so
				relies[p.Tag] = append(relies[p.Tag], at.reference)
			default:
				settle(settled, p.Tag, fmt.Sprintf("source %q", c.Source), state.tags[at], c.SourceDigest)
			}
		}
	}
	vouch(ctx, readers, image, plan, settled)
	whole(ctx, readers, state, image, plan, settled)
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
	for _, d := range plan.DeleteTags {
		for _, p := range plan.Pushes {
			if settled[p.Tag] != nil && (p.New == d.Old || bytes.Contains(p.Manifest, []byte(d.Old))) {
				settled[d.Tag] = fmt.Errorf("%w: %q was to keep what it names, and was not pushed", ErrSkipped, p.Tag)
			}
		}
	}
	return settled
}

// whole asks for what the pushes of a plan list: it can be deleted from under a
// source that still is what it was.
func whole(ctx context.Context, readers registry.Readers, state *State, image config.Image, plan Plan, settled map[string]error) {
	gone, failed := map[string][]ocispec.Descriptor{}, map[string]error{}
	state.settle(ctx, readers, image, func(p *planner) {
		for _, push := range plan.Pushes {
			if _, is := settled[push.Tag]; is || push.Purged > 0 { // a purge adds nothing to what its tag lists
				continue
			}
			p.known = map[place]bool{}
			for _, other := range plan.Pushes { // what those bring that it relies on is asked for with them
				if m, err := manifestOf(other); err == nil && other.New != push.New && slices.Contains(push.Follows, other.Tag) {
					for _, d := range m.Children {
						p.known[place{plan.Repository, d.Digest.String()}] = true
					}
				}
			}
			m, err := manifestOf(push)
			if err == nil {
				gone[push.Tag], err = p.gone(m, func(digest string) config.Repository { return push.home(plan.Repository, digest) }, 0)
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

func manifestOf(p Push) (*registry.Manifest, error) {
	return registry.ParseManifest(registry.RawManifest{Digest: p.New, MediaType: p.MediaType, Body: p.Manifest})
}

// home is where a push has a manifest from that it lists.
func (p Push) home(own config.Repository, digest string) config.Repository {
	for _, c := range p.Copies {
		if c.Digest == digest || c.Digest == p.New {
			return c.From
		}
	}
	return own
}

// vouch plans anew for what images.yaml does not name, tag by tag: what a purge
// rewrites, what prune removes, manifests that nothing needs. That the saved
// plan says so is not enough, since it takes the whole repository to know. What
// a new plan would not do is stale.
func vouch(ctx context.Context, readers registry.Readers, image config.Image, plan Plan, settled map[string]error) {
	aliases := byTag(image)
	unnamed := map[string]string{} // what is to become of a tag or digest, "" for a deletion
	for _, p := range plan.Pushes {
		unnamed[p.Tag] = p.New
	}
	for _, d := range plan.DeleteTags {
		unnamed[d.Tag] = ""
	}
	maps.DeleteFunc(unnamed, func(tag, _ string) bool {
		_, named := aliases[tag]
		_, is := settled[tag]
		return named || is
	})
	for _, d := range plan.DeleteManifests {
		unnamed[d.Digest] = ""
	}
	if len(unnamed) == 0 {
		return
	}
	fresh := Diff(image, Observe(ctx, readers, image))
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
	maps.DeleteFunc(unnamed, func(what, becomes string) bool { now, is := would[what]; return is && now == becomes })
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
	for _, d := range plan.DeleteManifests { // parents stand before their children
		for _, parent := range d.Parents {
			if settled[parent] != nil && settled[d.Digest] == nil {
				settled[d.Digest] = fmt.Errorf("%w: %s lists it, and was not deleted", ErrSkipped, parent)
			}
		}
	}
}

// settle notes that a tag is not what the plan saw, unless it is.
func settle(settled map[string]error, action, what string, now registry.Answer[registry.Descriptor], planned string) {
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
