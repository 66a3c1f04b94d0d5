package reconcile

import (
	"crypto/rand"
	"strings"
	"time"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Trash keeps what runs delete, so that [Restore] can put it back.
type Trash interface {
	// Keep returns nil once the manifests are stored so that a crash of the
	// machine does not lose them. It is safe for concurrent use.
	Keep(config.Repository, []Kept) error
	// Deleted says that the registry has deleted, or moved, some of what was kept for
	// a repository. The records stay beside those of a later run that deletes the
	// same. It is safe for concurrent use.
	Deleted(config.Repository)
}

// Kept is a manifest that a run deletes, or from which it takes a tag.
type Kept struct {
	Manifest registry.RawManifest
	Tags     []KeptTag
	Reason   string // in words
}

// KeptTag is a tag that a run takes from a manifest.
type KeptTag struct {
	Tag string
	New string // digest that the run pushes instead, "" if it deletes the tag
}

// NewRun returns an id for a run. Ids sort by time.
func NewRun(at time.Time) string {
	return at.UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
}

// Record is the result of one call to [Trash.Keep].
type Record struct {
	Run        string // id of the run
	Job        string // address of the CI job, "" if there was none
	Time       time.Time
	Repository config.Repository
	Kept       []Kept
}
