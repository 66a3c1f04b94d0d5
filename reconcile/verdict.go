package reconcile

import "tagline/config"

// verdict is what is to become of an alias: a push, the removal of its tag, or
// neither if it is in sync or has problems.
type verdict struct {
	content  content
	push     *Push
	remove   *DeleteTag
	choices  []Choice
	warnings []*config.Finding
	problems
}
