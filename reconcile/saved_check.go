package reconcile

import (
	"fmt"

	"tagline/config"
	"tagline/policies"
)

// Whether a saved plan is one that images.yaml asks for.

// CheckSaved returns what a saved plan would do that images.yaml does not ask
// for. An unaltered plan of this images.yaml does nothing of the kind.
func CheckSaved(image config.Image, plan Plan) []error {
	aliases := byTag(image)
	known := map[config.Repository]bool{}
	for _, a := range image.Aliases {
		for _, s := range a.Sources {
			known[s.Repository] = true
		}
	}
	// Two policies concern tags that images.yaml does not list.
	rules := policies.Of(image.Policies)
	others := policies.Provenance.Of(rules) == policies.Purge || policies.Prune.Of(rules)
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
			case config.IsDigest(at.reference) && at.reference != c.SourceDigest:
				problem("alias %q has the source %q, and the plan another digest of it", p.Tag, c.Source)
			}
		}
		for _, c := range p.Copies {
			if !known[c.From] {
				problem("it copies from %s for alias %q, and no source is there", c.From, p.Tag)
			}
		}
		for _, r := range p.Referrers {
			if !known[r.From] {
				problem("it copies what refers to %s from %s for alias %q, and no source is there", r.Subject, r.From, p.Tag)
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

// sourceOf returns where an alias takes a source of this spelling from. A newest
// source is spelled as the version that it chose.
func sourceOf(image config.Image, alias config.Alias, text string) (place, bool) {
	for _, s := range alias.Sources {
		switch {
		case s.Newest != nil:
			if s.Newest.Takes(text) {
				return place{image.Repository, text}, true
			}
		case s.Text == text:
			return place{s.Repository, s.Reference()}, true
		}
	}
	return place{image.Repository, text}, false
}
