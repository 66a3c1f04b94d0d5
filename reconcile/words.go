package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// How messages list things.

// few joins the first five of some words, and counts the rest.
func few(words []string) string {
	const most = 5
	if len(words) > most {
		words = append(slices.Clone(words[:most]), fmt.Sprintf("and %d more", len(words)-most))
	}
	return strings.Join(words, ", ")
}

// refers says that something refers to what was named before.
func refers(what []string) string {
	if len(what) == 1 {
		return what[0] + " refers to it"
	}
	return few(what) + " refer to it"
}

// join lists platforms.
func join(platforms []config.Platform) string {
	var all []string
	for _, p := range platforms {
		all = append(all, p.String())
	}
	return strings.Join(all, ", ")
}

// quoted lists patterns.
func quoted(patterns []string) string {
	var all []string
	for _, p := range patterns {
		all = append(all, strconv.Quote(p))
	}
	return strings.Join(all, " or ")
}

// listing names entries of an index.
func listing(entries []ocispec.Descriptor) string {
	var names []string
	for _, d := range entries {
		names = append(names, described(d))
	}
	return few(names)
}

func described(d ocispec.Descriptor) string {
	switch platform := registry.PlatformOf(d.Platform); {
	case registry.MarksAttestation(d):
		return "attestation " + registry.Short(d.Digest.String())
	case registry.MarksArtifact(d):
		return "artifact " + registry.Short(d.Digest.String())
	case platform != (config.Platform{}):
		return fmt.Sprintf("%s (%s)", registry.Short(d.Digest.String()), platform)
	}
	return registry.Short(d.Digest.String())
}
