package policies

import "time"

// Grace is how old an untagged manifest must be before it is deleted.
var Grace = Policy[time.Duration]{
	Name:   "grace",
	Doc:    "how old an untagged manifest must be before it is deleted",
	Values: duration{hours: 24},
}
