package registry

import (
	"time"

	"tagline/config"
)

// Memory is what earlier runs know of a repository, as a cache keeps it. Its methods
// send no request. A reader that wraps another one has the other's memory; a registry
// has [NoMemory].
type Memory interface {
	// Recall returns a manifest that the repository had once, and may have lost.
	Recall(digest string) (manifest RawManifest, ok bool)
	// Remembered returns what [Reader.Configs] would return for a digest.
	Remembered(digest string) (config []byte, ok bool)
	// Remember keeps the platforms of configs that were not read, by digest of the
	// config.
	Remember(platforms map[string]config.Platform)
	// Record returns a copy of what was noted, in this run or an earlier one.
	Record() Record
	// Note changes the record. The function has to be quick, and none of its maps is
	// nil. It changes single entries: others may be noting theirs.
	Note(change func(Record))
}

// Record is what runs note for later ones, by digest of a manifest.
type Record struct {
	Waiting  map[string]time.Time // since when it has been waiting for its deletion
	Leaving  map[string]bool      // a tag is about to leave it
	Versions map[string]string    // the version tag that it had; the tag may be gone, or name something else
}

// NoMemory is the [Memory] of a registry, which remembers nothing.
type NoMemory struct{}

// Memory implements [Reader], for a reader that embeds it.
func (n NoMemory) Memory() Memory { return n }

// Recall implements [Memory].
func (NoMemory) Recall(string) (RawManifest, bool) { return RawManifest{}, false }

// Remembered implements [Memory].
func (NoMemory) Remembered(string) ([]byte, bool) { return nil, false }

// Remember implements [Memory].
func (NoMemory) Remember(map[string]config.Platform) {}

// Record implements [Memory].
func (NoMemory) Record() Record { return Record{} }

// Note implements [Memory].
func (NoMemory) Note(func(Record)) {}
