package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// OneVersion reports whether an alias is one whole version that has to be found.
func (a Alias) OneVersion() bool {
	return len(a.Sources) == 1 && a.Sources[0].Newest != nil && a.Sources[0].Newest.Whole
}

// besideNewest are the other keys of a newest source.
var besideNewest = []string{"tags", "variant", "prereleases", "versioning", "downgrade", "whole"}

// newest reads a newest source. platforms is the policy that holds for it.
func (w *walk) newest(n *yaml.Node, own Repository) (s Source, ok bool) {
	fields, _ := w.fields(n, "a newest source", append([]string{"newest"}, besideNewest...)...)
	chosen := &Newest{}
	s = Source{Repository: own, Newest: chosen, Pos: w.pos(n)}
	chosen.Prereleases = w.truth(fields["prereleases"], "prereleases")
	chosen.Whole = w.truth(fields["whole"], "whole")
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

// truth reads a key that is true or false. Without a value it is false.
func (w *walk) truth(v *yaml.Node, name string) bool {
	if v == nil {
		return false
	}
	text, _ := w.scalar(v, name, "true or false")
	if text != "true" && text != "false" {
		w.report(v, findings.InvalidValue, "%s is %s; expected true or false", name, quote(text))
	}
	return text == "true"
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

// waitFor reports sources of tags that name their platform where it is not said
// which platforms are wanted: a build that is late would be dropped. One such tag
// can't be a whole alias of several architectures either.
func (w *walk) waitFor(image Image) {
	if w.root.unread {
		return
	}
	wanted := image.Policies["platforms"].Platforms
	for _, alias := range image.Aliases {
		for _, s := range alias.Sources {
			if s.Newest == nil || !s.Newest.Tags.Arch || s.Platform != (Platform{}) {
				continue
			}
			if len(wanted) == 0 {
				w.reportSource(image, alias, s, findings.InvalidValue,
					`tags has {arch}, and nothing says which platforms the alias should have; add the policy "platforms", or name the platforms of this alias`)
				continue
			}
			first := Version{Platform: wanted[0]}
			i := slices.IndexFunc(wanted, func(p Platform) bool { return !first.Serves(p) })
			if s.Newest.Whole && i >= 0 {
				w.reportSource(image, alias, s, findings.InvalidValue,
					"whole: true takes one tag, and tags has {arch}, so that no tag has both %s and %s, which the platforms policy requires; leave whole out", wanted[0], wanted[i])
			}
		}
	}
}
