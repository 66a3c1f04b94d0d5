package registry

import (
	"time"

	"tagline/config"
)

// Memory is for a [Reader] that remembers from one run to the next, as a cache
// does: manifests, the platforms of configs, since when manifests have been waiting
// for their deletion, and which ones tags were about to leave. See [Recall],
// [Remembered], [Remember], [Waiting], [Await], [Leaving] and [Leave].
type Memory interface {
	Recall(digest string) (manifest RawManifest, ok bool)
	Remembered(digest string) (config []byte, ok bool)
	Remember(platforms map[string]config.Platform)
	Waiting() map[string]time.Time
	Await(since map[string]time.Time)
	Leaving() []string
	Leave(digests []string)
	Versions() map[string]string
	Date(versions map[string]string)
}

// Recall returns a manifest that the repository had once, and may have lost, if
// the reader has it without a request.
func Recall(r Reader, digest string) (manifest RawManifest, ok bool) {
	if m, is := r.(Memory); is {
		return m.Recall(digest)
	}
	return RawManifest{}, false
}

// Remembered returns what [Reader.Configs] would return for a digest, if the
// reader has it without a request.
func Remembered(r Reader, digest string) (config []byte, ok bool) {
	if m, is := r.(Memory); is {
		return m.Remembered(digest)
	}
	return nil, false
}

// Remember tells a reader the platforms of configs that were not read, by digest
// of the config. A reader without a [Memory] ignores them.
func Remember(r Reader, platforms map[string]config.Platform) {
	if m, is := r.(Memory); is {
		m.Remember(platforms)
	}
}

// Waiting returns what [Await] was told last, in this run or an earlier one.
func Waiting(r Reader) map[string]time.Time {
	if m, is := r.(Memory); is {
		return m.Waiting()
	}
	return nil
}

// Await tells a reader since when manifests have been waiting for their deletion,
// by digest, and that no others have. A reader without a [Memory] ignores it.
func Await(r Reader, since map[string]time.Time) {
	if m, is := r.(Memory); is {
		m.Await(since)
	}
}

// Leaving returns what [Leave] was told last, in this run or an earlier one.
func Leaving(r Reader) []string {
	if m, is := r.(Memory); is {
		return m.Leaving()
	}
	return nil
}

// Leave tells a reader which manifests tags are about to leave, by digest, and that
// no others are. A reader without a [Memory] ignores it.
func Leave(r Reader, digests []string) {
	if m, is := r.(Memory); is {
		m.Leave(digests)
	}
}

// Versions returns what [Date] was told last, in this run or an earlier one.
func Versions(r Reader) map[string]string {
	if m, is := r.(Memory); is {
		return m.Versions()
	}
	return nil
}

// Date tells a reader which version tag a manifest had, by its digest. The tag may be
// gone later, or name something else. A reader without a [Memory] ignores it.
func Date(r Reader, versions map[string]string) {
	if m, is := r.(Memory); is {
		m.Date(versions)
	}
}
