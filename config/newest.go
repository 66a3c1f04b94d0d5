package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// Newest asks for the highest version tag that fits.
type Newest struct {
	Range       Range
	Tags        TagPattern // zero for tags that begin with their version
	Variant     string     // "" for plain versions alone
	Prereleases bool
	Calendar    bool
	Downgrade   Setting // zero where the policy of the image holds
}

// Version parses a tag as this source reads it.
func (n *Newest) Version(tag string) (Version, error) {
	if n.Tags.pattern != nil {
		return n.Tags.version(tag)
	}
	return ParseVersion(tag)
}

// Takes reports whether a tag is a candidate.
func (n *Newest) Takes(tag string) bool {
	v, err := n.Version(tag)
	return err == nil && n.Refuses(v) == ""
}

// Refuses says why a version is no candidate, "" if it is one.
func (n *Newest) Refuses(v Version) string {
	switch {
	case !n.Range.Has(v):
		return "not in range"
	case v.Variant != n.Variant && v.Variant == "":
		return "no variant"
	case v.Variant != n.Variant:
		return "variant " + v.Variant
	case v.Calendar && !n.Calendar:
		return "calendar version"
	case n.Calendar && !v.dated:
		return "not a calendar version"
	case v.Prerelease != "" && !n.Prereleases:
		return "prerelease"
	}
	return ""
}

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

// newest reads a newest source. platforms is the policy that holds for it.
func (w *walk) newest(n *yaml.Node, own Repository) (s Source, ok bool) {
	fields, _ := w.fields(n, "a newest source", "newest", "tags", "variant", "prereleases", "versioning", "downgrade")
	chosen := &Newest{}
	s = Source{Repository: own, Newest: chosen, Pos: w.pos(n)}
	if v := fields["prereleases"]; v != nil {
		text, _ := w.scalar(v, "prereleases", "true or false")
		if text != "true" && text != "false" {
			w.report(v, findings.InvalidValue, "prereleases is %s; expected true or false", quote(text))
		}
		chosen.Prereleases = text == "true"
	}
	if v := fields["versioning"]; v != nil {
		chosen.Calendar = w.choice(PolicyKey{Name: "versioning", Values: []string{"semver", "calendar"}}, v) == "calendar"
	}
	if v := fields["downgrade"]; v != nil {
		for _, policy := range w.policies {
			if policy.Name == "downgrade" {
				before := w.findings.all
				if chosen.Downgrade = w.setting(policy, v); w.findings.all == before {
					w.hold(policy, chosen.Downgrade, v)
				}
			}
		}
	}
	if v := fields["variant"]; v != nil {
		text, ok := w.scalar(v, "variant", wantVariant)
		if parsed, err := ParseVersion("1.0-" + text); ok && (err != nil || !literalPattern.MatchString(text) || parsed.Variant != text || strings.HasPrefix(text, "-")) {
			w.report(v, findings.InvalidValue, "variant is %s; %s", quote(text), noVariant(text, parsed, err))
		}
		chosen.Variant = text
	}
	if v := fields["tags"]; v != nil {
		text, ok := w.scalar(v, "tags", `text around {version}, such as "{version}-ubi-{arch}"`)
		var err error
		if chosen.Tags, err = ParseTagPattern(text); ok && err != nil {
			w.report(v, findings.InvalidValue, "%v", err)
		}
		if fields["variant"] != nil {
			w.report(fields["variant"], findings.UnknownField, `"variant" is of no use beside "tags"; write it into tags`)
		}
	}
	text, ok := w.scalar(fields["newest"], "newest", `a range of versions, such as "10.x"`)
	if !ok {
		return s, false
	}
	var err error
	if chosen.Range, err = ParseRange(text, chosen.Calendar); err != nil {
		w.report(fields["newest"], findings.InvalidRange, "%v", err)
		return s, false
	}
	if !chosen.Range.Possible() {
		w.warnings.add(&Finding{ID: findings.InvalidRange, Warning: true, Pos: w.pos(fields["newest"]),
			Message: fmt.Sprintf("no version can ever be in the range %s", quote(text))})
	}
	s.Text = "newest " + text
	return s, true
}

// noVariant says why a text is no variant, from what the version 1.0-text is.
func noVariant(text string, v Version, err error) string {
	switch {
	case err != nil || v.Variant != "" || !literalPattern.MatchString(text):
	case v.Prerelease != "":
		return fmt.Sprintf("%q marks a prerelease; leave variant out, and write prereleases: true beside newest", v.Prerelease)
	case v.Revision != "":
		return fmt.Sprintf("%q is the number of a build; leave variant out", v.Revision)
	}
	return "expected " + wantVariant
}

const wantVariant = "what follows the dash of the tags, such as alpine"

// newestKey returns the key of {newest: …}, nil if n is something else.
func newestKey(n *yaml.Node) *yaml.Node { return keyOf(n, "newest") }

// keyOf returns a key of a map, nil if n has no such key or is no map.
func keyOf(n *yaml.Node, name string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				return n.Content[i]
			}
		}
	}
	return nil
}

// waitFor reports sources of tags that name their platform where it is not said
// which platforms are wanted: a build that is late would be dropped.
func (w *walk) waitFor(image Image) {
	if len(image.Policies["platforms"].Platforms) > 0 || w.root.unread {
		return
	}
	for _, alias := range image.Aliases {
		for _, s := range alias.Sources {
			if s.Newest != nil && s.Newest.Tags.Arch && s.Platform == (Platform{}) {
				w.reportSource(image, alias, s, findings.InvalidValue,
					`tags has {arch}, and nothing says which platforms the alias should have; add the policy "platforms", or name the platforms of this alias`)
			}
		}
	}
}
