package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// TagPattern is how tags are built that do not simply begin with their version:
// "{version}-ubi-{arch}", "{arch}-{version}", "release-{version}".
type TagPattern struct {
	Text    string
	Arch    bool           // the tags name their platform
	pattern *regexp.Regexp // with the groups version, arch and revision
}

var (
	placeholderPattern = regexp.MustCompile(`\{[^{}]*\}`)
	literalPattern     = regexp.MustCompile(`^[a-zA-Z0-9._-]*$`)
)

// ParseTagPattern reads a pattern. {version} is the numbers with what belongs to
// them; {arch} is a platform, in any spelling that is in use.
func ParseTagPattern(text string) (TagPattern, error) {
	const want = `expected text around {version}, and {arch} where the tags name a platform, such as "{version}-ubi-{arch}"`
	invalid := fmt.Errorf("tags is %s; "+want, quote(text))
	p := TagPattern{Text: text, Arch: strings.Contains(text, "{arch}")}
	if strings.Count(text, "{version}") != 1 || strings.Count(text, "{arch}") > 1 {
		return TagPattern{}, invalid
	}
	literals := placeholderPattern.Split(text, -1)
	for i, literal := range literals {
		if !literalPattern.MatchString(literal) || literal == "" && i > 0 && i < len(literals)-1 {
			return TagPattern{}, invalid
		}
	}
	expression := "^" + regexp.QuoteMeta(literals[0])
	for i, placeholder := range placeholderPattern.FindAllString(text, -1) {
		switch placeholder {
		case "{version}":
			expression += `(?P<version>.+?)`
		case "{arch}":
			expression += `(?P<arch>[a-z0-9_]+(?:-v\d)?)`
		default:
			return TagPattern{}, invalid
		}
		expression += regexp.QuoteMeta(literals[i+1])
	}
	p.pattern = regexp.MustCompile(expression + `(?P<revision>(?:-` + namedRevision + `)*)$`)
	return p, nil
}

var errPattern = errors.New("tag is not built as tags says")

// version parses a tag that is built by the pattern.
func (p TagPattern) version(tag string) (Version, error) {
	match := p.pattern.FindStringSubmatch(tag)
	if match == nil {
		return Version{}, errPattern
	}
	v, err := ParseVersion(match[p.pattern.SubexpIndex("version")])
	switch {
	case err != nil:
		return Version{}, err
	case v.Variant != "":
		return Version{}, errPattern
	}
	if p.Arch {
		var known bool
		if v.Platform, known = platformInName(match[p.pattern.SubexpIndex("arch")]); !known {
			return Version{}, errPattern
		}
	}
	v.Tag = tag
	v.Revision = strings.Trim(v.Revision+match[p.pattern.SubexpIndex("revision")], "-")
	return v, nil
}

// platformInName returns the platform that a word of a tag names.
func platformInName(word string) (p Platform, ok bool) {
	word = strings.ReplaceAll(word, "-", "/") // arm-v7
	if other, ok := otherName(word); ok {
		word = other
	}
	p, ok = parsePlatform(word)
	return p, ok && !IsSystem(word) && p.OS == "linux"
}

// Serves reports whether a version may be taken for a platform, by the name of
// its tag alone.
func (v Version) Serves(wanted Platform) bool {
	if v.Platform == (Platform{}) {
		return true
	}
	p := v.Platform
	p.OS, p.OSVersion = wanted.OS, wanted.OSVersion
	return p.Normal() == wanted.Normal()
}

// SuggestTags returns the pattern that a tag seems to be built by, where it does
// not begin with its version or names a platform. The version is the one that the
// pattern finds in it. ok is false if there is nothing to suggest.
func SuggestTags(tag string) (pattern string, v Version, ok bool) {
	words := strings.Split(tag, "-")
	at, platform := -1, false
	for i, word := range words {
		if _, err := ParseVersion(word); err == nil && at < 0 {
			at, words[i] = i, "{version}"
		} else if _, known := platformInName(word); known && !platform {
			platform, words[i] = true, "{arch}"
		}
	}
	if at < 0 || at == 0 && !platform {
		return "", v, false
	}
	for len(words) > at+1 && revisionPattern.MatchString(words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	pattern = strings.Join(words, "-")
	p, err := ParseTagPattern(pattern)
	if err != nil {
		return "", v, false
	}
	v, err = p.version(tag)
	return pattern, v, err == nil
}
