package registry

import "tagline/config"

// Memory is for a [Reader] that remembers the platforms of configs from one run
// to the next, as a cache does. See [Remembered] and [Remember].
type Memory interface {
	Remembered(digest string) (config []byte, ok bool)
	Remember(platforms map[string]config.Platform)
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
