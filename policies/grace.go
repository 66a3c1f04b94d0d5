package policies

import "time"

// Grace is how old an untagged manifest must be before it is deleted. If it is
// written out, what a run itself replaces waits as well.
var Grace = Policy[time.Duration]{
	Name:   "grace",
	Doc:    "how old an untagged manifest must be before it is deleted",
	Values: duration{hours: 24},
}
