package reconcile

import "tagline/config"

// verdict is what is to become of an alias: a push, the removal of its tag, or
// neither if it is in sync or has problems.
type verdict struct {
	content  content
	lists    []string // digests of what the index in content lists
	push     *Push
	remove   *DeleteTag
	regained []Required // missing, but can be put back
	choices  []Choice
	warnings []*config.Finding
	problems
}

// blocked is a verdict with problems: only what is missing is put back.
func (v verdict) blocked() verdict {
	return verdict{problems: v.problems, choices: v.choices, regained: v.regained}
}

// withoutContent is all of a verdict but the content, which is most of it. Only an
// alias that follows this one needs more than its lists.
func (v verdict) withoutContent() verdict {
	for _, l := range v.content.leaves {
		if l.Digest != v.content.Digest {
			v.lists = append(v.lists, l.Digest)
		}
	}
	v.content = content{}
	return v
}
