package policies

import "time"

// Grace is how old an untagged manifest must be before it is deleted. If it is
// written out, what a run itself replaces waits as well.
var Grace = Policy[time.Duration]{
	Name:   "grace",
	Doc:    "how old an untagged manifest must be before it is deleted; written out, it holds for what a run replaces, too",
	Values: duration{hours: 24},
}
