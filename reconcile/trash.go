package reconcile

import (
	"time"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Trash keeps what runs delete, so that [Restore] can put it back.
type Trash interface {
	// Keep returns once what it keeps would outlive a crash of the machine. It is
	// safe for concurrent use.
	Keep(config.Repository, []Kept) error
}

// Kept is a manifest that a run deletes, or takes a tag from.
type Kept struct {
	Manifest registry.RawManifest
	Tags     []KeptTag
	Reason   string // in words
}

// KeptTag is a tag that a run takes from a manifest.
type KeptTag struct {
	Tag string
	New string // digest that the run gives to it instead, "" if it deletes the tag
}

// Record is what a trash kept of one repository at one time.
type Record struct {
	Run        string // names the run
	Job        string // address of the CI job, "" if there was none
	Time       time.Time
	Repository config.Repository
	Kept       []Kept
}
