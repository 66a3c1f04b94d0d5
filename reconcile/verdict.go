package reconcile

import "tagline/config"

// verdict is what is to become of an alias: a push, the removal of its tag, or
// neither if it is in sync, has problems or is left alone.
type verdict struct {
	content  content
	push     *Push
	remove   *DeleteTag
	regained []Required // missing, but can be put back
	choices  []Choice
	warnings []*config.Finding
	// leftAlone means that the alias is not what it should be, and stays. The content
	// is what it has.
	leftAlone bool
	problems
}

// blocked is a verdict with problems: only what is missing is put back.
func (v verdict) blocked() verdict {
	return verdict{problems: v.problems, choices: v.choices, regained: v.regained}
}
