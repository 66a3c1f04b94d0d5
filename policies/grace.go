package policies

import "time"

// Grace is how old an untagged manifest must be before it is deleted. What a run
// itself replaces waits as well, if [HoldsReplaced].
var Grace = Policy[time.Duration]{
	Name:   "grace",
	Doc:    "how old an untagged manifest must be before it is deleted. What a run itself replaces or untags waits as well if grace is set, and is deleted at once if it is not",
	Values: duration{hours: 24},
	Strict: Strictness[time.Duration]{"longer", func(least, own time.Duration) bool { return own >= least }},
}

// HoldsReplaced reports whether grace holds for what a run itself replaces: if
// images.yaml sets it to more than zero.
func HoldsReplaced(r Rules) bool { return Grace.Written(r) && Grace.Of(r) > 0 }
