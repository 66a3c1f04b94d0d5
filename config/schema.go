package config

import (
	_ "embed" // of the schema
	"slices"
	"strings"
)

//go:generate go run ./schemagen images.schema.json

// Schema is the JSON Schema (2020-12) of images.yaml, for editors. [Parse] checks
// more than it can express.
//
//go:embed images.schema.json
var Schema []byte

// Grammar is how names are spelled in images.yaml. These regular expressions
// match whole texts, in the syntax that Go and ECMA-262 share.
type Grammar struct {
	Registry, Repository, Tag, Platform, Range, Tags, Variant, Duration, ProfileName, From string

	// ECR is a registry of Amazon ECR, in lower case and without a port. The rest is
	// what images.yaml says of one.
	ECR, Role, ExternalID, Region, Profile string

	// A source is a Digest, or a Source that is not an OtherDigest: no
	// repository is called sha256.
	Source, Digest, OtherDigest string
}

// Spelling returns the grammar of Parse, but for what a regular expression can't
// express: port ranges, lengths and the like.
func Spelling() Grammar {
	inner := func(pattern string) string { return strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$") }
	const (
		label   = `[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?`
		address = `\[[0-9A-Fa-f:.]+\]`
		port    = `:[0-9]{1,5}`
		times   = `(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))`
	)
	var (
		host       = `(?:(?:` + address + `|` + label + `(?:\.` + label + `)+|[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt])(?:` + port + `)?|` + label + port + `)`
		repository = `(?:` + host + `/)?` + inner(pathPattern.String())
		tag        = inner(tagPattern.String())
		digest     = inner(digestPattern.String())
		others     = []string{}
	)
	for _, word := range architectures {
		switch word {
		case "amd64", "arm", "arm64": // knownVariants has theirs
		default:
			others = append(others, word)
		}
	}
	var (
		architecture = `(?:amd64|arm|arm64|` + inner(knownVariants.String()) + `|(?:` + strings.Join(others, "|") + `)(?:/` + inner(variantPattern.String()) + `)?)`
		versioned    = strings.Join(slices.DeleteFunc(slices.Clone(systems), func(s string) bool { return s == "linux" || s == windows }), "|")
		ofWindows    = inner(windowsVersionPattern.String())
		ofOthers     = inner(osVersionPattern.String())
	)
	whole := func(pattern string) string { return "^(?:" + pattern + ")$" }
	return Grammar{
		Registry:    whole(host),
		Repository:  whole(repository),
		Tag:         whole(tag),
		Source:      whole(tag + `|` + repository + `:` + tag + `|` + repository + `@` + digest),
		Digest:      whole(digest),
		OtherDigest: `^(?:sha256|sha384|sha512|blake3):`,
		Platform: whole(`(?:(?:` + strings.Join(systems, "|") + `)/|windows\(` + ofWindows + `\)/|(?:` + versioned + `)\(` + ofOthers + `\)/)?` + architecture +
			`|windows/` + architecture + `:` + ofWindows + `|(?:` + versioned + `)/` + architecture + `:` + ofOthers),
		Range:   `[0-9xX*]`, // the words of Masterminds/semver, loosely
		Tags:    whole(`[a-zA-Z0-9._-]*(?:\{arch\}[a-zA-Z0-9._-]+)?\{version\}(?:[a-zA-Z0-9._-]+\{arch\})?[a-zA-Z0-9._-]*`),
		Variant: whole(`[A-Za-z0-9_.][A-Za-z0-9_.-]*`),
		ECR:     ecrPattern.String(), Role: roleARNPattern.String(), ExternalID: externalIDPattern.String(),
		Region: regionPattern.String(), Profile: profilePattern.String(),
		Duration:    whole(`\+?(?:0|[0-9]{1,6}w(?:[0-9]{1,6}d)?` + times + `*|[0-9]{1,6}d` + times + `*|` + times + `+)`),
		ProfileName: profileNamePattern.String(),
		From:        whole(host + `(?:/` + inner(pathPattern.String()) + `)?`),
	}
}
