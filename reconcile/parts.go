package reconcile

import (
	"maps"
	"slices"
	"strings"
)

// spellings are names of architectures beside OCI's own that tags end in.
var spellings = map[string][]string{
	"amd64":  {"x86_64", "x64"},
	"arm64":  {"aarch64", "arm64v8", "arm64-v8"},
	"arm":    {"armv7", "arm-v7", "arm32v7", "armhf"},
	"arm/v5": {"armv5", "arm-v5", "arm32v5", "armel"},
	"arm/v6": {"armv6", "arm-v6", "arm32v6"},
	"386":    {"i386"},
}

// withoutWord takes a word out of a tag: from its end, its start, or between two
// separators. A tag that is the word alone leaves latest.
func withoutWord(tag, word, separator string) (rest string, ok bool) {
	if tag == word {
		return "latest", true
	}
	if rest, ok = strings.CutSuffix(tag, separator+word); ok {
		return rest, true
	}
	if rest, ok = strings.CutPrefix(tag, word+separator); ok {
		return rest, true
	}
	before, after, ok := strings.Cut(tag, separator+word+separator)
	return before + separator + after, ok
}

// separators stand before and after the name of an architecture.
var separators = []string{"-", "_"}

// architectureWords are the spellings of all architectures that have several.
var architectureWords = func() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(spellings)) {
		all = append(append(all, strings.ReplaceAll(name, "/", "-")), spellings[name]...)
	}
	return all
}()

// wholesOf returns the tags of which another may be one platform, by its name alone.
func wholesOf(tag string) (wholes []string) {
	for _, word := range architectureWords {
		if !strings.Contains(tag, word) {
			continue
		}
		for _, separator := range separators {
			for _, name := range []string{"linux" + separator + word, word} {
				if of, ok := withoutWord(tag, name, separator); ok {
					wholes = append(wholes, of)
				}
			}
		}
	}
	return wholes
}
