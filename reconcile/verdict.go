package reconcile

import "tagline/config"

// verdict is what is to become of an alias: a push, the removal of its tag, or
// neither if it is in sync or has problems.
type verdict struct {
	content  content
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
