package registry

import (
	"slices"
	"strings"
)

// Facts are what some registries state about a repository as a whole. A registry
// that states nothing has the zero Facts.
type Facts struct {
	Missing  bool       // there is no such repository, and a push must not make one
	Locked   bool       // nothing can be pushed to the repository
	Tags     Mutability // which tags can be moved
	Expiries []Expiry   // rules by which the registry itself deletes images
	LastTag  bool       // the registry deletes a manifest with its last tag
	// NoUntag means that a tag can't be deleted without its manifest, and so only
	// together with all other tags of it.
	NoUntag bool
	// KeepsChildren means that the registry deletes no manifest that an index
	// lists.
	KeepsChildren bool
	// Cascades means that the registry deletes with a manifest its referrers, with
	// their tags, and of what it lists that which has no tag and no other parent.
	Cascades bool
	// TakesReferrers means that the registry deletes with a manifest its referrers by
	// their subject, with their tags, and nothing else.
	TakesReferrers bool
}

// Mutability says which tags can't be moved once they exist.
type Mutability struct {
	Immutable bool     // all but those that an exception matches, or else only those
	Except    []string // patterns in which * stands for any characters
	// Locked are tags that can't be moved, whatever is true of the others.
	Locked map[string]bool
}

// Fixed reports whether a tag that exists can't be moved.
func (m Mutability) Fixed(tag string) bool {
	return m.Locked[tag] || m.Immutable != slices.ContainsFunc(m.Except, func(pattern string) bool { return matches(pattern, tag) })
}

// Expiry is a rule by which a registry deletes or archives images on its own.
type Expiry struct {
	Rule     string   // as its owner knows it: "lifecycle rule 2 (keep ten releases)"
	Tags     []string // patterns in which * stands for any characters; an image needs a tag for each
	Archives bool     // the image is archived, and can't be pulled then
}

// Covers reports whether the rule selects an image with these tags.
func (e Expiry) Covers(tags ...string) bool {
	for _, pattern := range e.Tags {
		if !slices.ContainsFunc(tags, func(tag string) bool { return matches(pattern, tag) }) {
			return false
		}
	}
	return len(e.Tags) > 0
}

// matches compares a whole text with a pattern whose * stands for any
// characters, none included.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1:last] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[last])
}
