package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// digestPattern is the one kind of digest that registries must know: OCI
// image-spec 1.1, "Registered algorithms".
var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func checkDigest(text string) error {
	algorithm, _, _ := strings.Cut(text, ":")
	switch {
	case digestPattern.MatchString(text):
		return nil
	case isDigestAlgorithm(algorithm) && algorithm != "sha256":
		return fmt.Errorf("digest %s is of %s; only sha256 digests can be used", quote(text), algorithm)
	}
	return fmt.Errorf(`digest %s is not valid; expected "sha256:" and 64 hex digits in lower case`, quote(text))
}

func isDigestAlgorithm(word string) bool {
	switch word {
	case "sha256", "sha384", "sha512", "blake3":
		return true
	}
	return false
}

// ParseReference reads "repository:tag" or "repository@sha256:…", with or
// without a host before the repository. There is no implied tag. defaultHost
// is as for [ParseRepository].
func ParseReference(text, defaultHost string) (Source, error) {
	name, digest, hasDigest := strings.Cut(text, "@")
	if hasDigest {
		if err := checkDigest(digest); err != nil {
			return Source{}, err
		}
	}
	tag, hasTag := "", false
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name, tag, hasTag = name[:colon], name[colon+1:], true
	}
	switch {
	case hasTag && hasDigest:
		return Source{}, fmt.Errorf("reference %s has a tag and a digest; write one of them", quote(text))
	case !hasTag && !hasDigest:
		return Source{}, fmt.Errorf("repository %s has no tag or digest, and none is implied; write %s", quote(text), quote(text+":TAG"))
	case name == "":
		return Source{}, fmt.Errorf(`reference %s has no repository; expected "repository:tag" or "repository@sha256:…"`, quote(text))
	}
	if hasTag {
		if err := CheckTag(tag); err != nil {
			return Source{}, err
		}
	}
	repository, err := ParseRepository(name, defaultHost)
	if err != nil {
		return Source{}, err
	}
	return Source{Repository: repository, Tag: tag, Digest: digest, Text: text}, nil
}

// parseSource reads a source of an image: what [ParseReference] reads,
// relative to the image's own host, or a tag or digest of the image itself.
func parseSource(text string, own Repository) (Source, error) {
	algorithm, _, _ := strings.Cut(text, ":")
	switch {
	case text == "":
		return Source{}, errors.New("source is empty text; expected a tag, a digest or repository:tag")
	case strings.Contains(text, ":") && isDigestAlgorithm(algorithm):
		return Source{Repository: own, Digest: text, Text: text}, checkDigest(text)
	case strings.ContainsAny(text, ":/@"):
		return ParseReference(text, own.Host)
	}
	return Source{Repository: own, Tag: text, Text: text}, CheckTag(text)
}
