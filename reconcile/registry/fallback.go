package registry

import (
	"regexp"
	"strings"
)

// fallback is a tag that stands for the referrers of a digest where a registry
// has no API for them (distribution-spec, "Referrers Tag Schema"), or one that
// cosign makes for a signature, attestation or SBOM of it.
var fallback = regexp.MustCompile(`^sha256-([0-9a-f]{64})(\.[a-z]+)?$`)

// FallbackSubject is the digest that a fallback tag is about, "" for any other
// tag.
func FallbackSubject(tag string) string {
	if match := fallback.FindStringSubmatch(tag); match != nil {
		return "sha256:" + match[1]
	}
	return ""
}

// CosignTags returns the tags under which cosign keeps signatures, attestations
// and SBOMs of a digest (cosign specs/SIGNATURE_SPEC.md, "Tag-based Discovery").
func CosignTags(digest string) []string {
	tag := strings.Replace(digest, ":", "-", 1)
	return []string{tag + ".sig", tag + ".att", tag + ".sbom"}
}
