package registry

import "tagline/config"

// Memory is for a [Reader] that remembers manifests, and the platforms of configs,
// from one run to the next, as a cache does. See [Recall], [Remembered] and
// [Remember].
type Memory interface {
	Recall(digest string) (manifest RawManifest, ok bool)
	Remembered(digest string) (config []byte, ok bool)
	Remember(platforms map[string]config.Platform)
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
