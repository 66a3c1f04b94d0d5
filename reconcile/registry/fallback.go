package registry

import "regexp"

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
