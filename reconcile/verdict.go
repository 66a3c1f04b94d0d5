package reconcile

import "tagline/config"

// verdict is what an alias should be, and what is to become of it.
type verdict struct {
	decision
	content content  // zero with problems
	moves   *verdict // of an alias that is left alone: what would become of it otherwise
}

// decision is what is to become of an alias: a push, the removal of its tag, or
// neither if it is in sync, has problems or is left alone.
type decision struct {
	push     *Push
	remove   *DeleteTag
	regained []Required // missing, but can be put back
	choices  []Choice
	warnings []*config.Finding
	// leftAlone means that the alias is not what it should be, and stays. The content
	// of its verdict is what it has.
	leftAlone bool
	lists     []string // digests that the index of the content lists; see withoutContent
	problems
}

// blocked is a decision with problems: only what is missing is put back.
func (d decision) blocked() decision {
	return decision{problems: d.problems, choices: d.choices, regained: d.regained}
}

// withoutContent returns what is kept of a verdict until all aliases are decided. The
// content is most of it, and only an alias that follows this one needs more than
// the digests.
func (v verdict) withoutContent() decision {
	d := v.decision
	for _, l := range v.content.leaves {
		if l.Digest != v.content.Digest {
			d.lists = append(d.lists, l.Digest)
		}
	}
	return d
}
