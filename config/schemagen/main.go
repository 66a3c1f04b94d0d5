// Command schemagen writes the JSON Schema of images.yaml: `go generate ./config`.
//
// The policies in it are those of package policies, so that a new one is in the
// schema as soon as it is in the list.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"tagline/config"
	"tagline/policies"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemagen FILE")
		os.Exit(2)
	}
	data, err := generate()
	if err == nil {
		err = os.WriteFile(os.Args[1], data, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

// generate gives the schema's text.
func generate() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(file()); err != nil {
		return nil, err
	}
	// The library's own marshalling escapes <, > and & once more.
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(b.String())
	return []byte(text), nil
}

var grammar = config.Spelling()

func file() *jsonschema.Schema {
	registry := text(grammar.Registry, "expected a host, such as ghcr.io or localhost:5000, without https:// and without a path")
	registry.Description = "The registry of images that name none: a host with a port if it needs one, without https:// and without a path. --registry and TAGLINE_REGISTRY override it."
	registry.Examples = []any{"ghcr.io", "localhost:5000"}
	s := object("tagline keeps the tags of a registry true to this file: which alias tags there are, from which tags each platform of them comes, and which policies hold.",
		property{"registry", registry},
		property{"registries", &jsonschema.Schema{
			Type: "object", AdditionalProperties: plainRegistry(),
			PatternProperties: map[string]*jsonschema.Schema{grammar.ECR: ecrRegistry()},
			PropertyNames:     text(grammar.Registry, "expected a host, such as harbor.example.com"),
			Description:       "How to log in to a host, how many requests it gets at a time, and its kind where its name does not tell. Never a secret.",
		}},
		property{"policies", ref("policies", "Policies of every image. An image's own policies override them key by key.")},
		property{"locked", locked()},
		property{"profiles", &jsonschema.Schema{
			Type: "object", AdditionalProperties: ref("profile", ""),
			PropertyNames: text(grammar.ProfileName, "expected letters, digits, dots, dashes and underscores"),
			Description:   "Policies and aliases that images share, by a name for use.",
		}},
		property{"use", ref("use", "The profiles of every image in this file that has no use of its own.")},
		property{"images", &jsonschema.Schema{
			Type: "object", MinProperties: one(),
			AdditionalProperties: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{ref("image", ""), {Type: "null"}}},
			PropertyNames:        text(grammar.Repository, "expected repository or host/repository, in lower case, without a scheme and a tag"),
			Description:          "The images, by repository: its name on the file's registry, or host/name.",
		}},
	)
	s.Version = jsonschema.Version
	s.Title = "images.yaml of tagline"
	s.Definitions = jsonschema.Definitions{
		"image":    image(),
		"profile":  profile(),
		"use":      use(),
		"from":     from(),
		"policies": settings(),
		"alias":    alias(),
		"newest":   newest(),
		"source":   source("A source: a tag (10.20), a digest (sha256:…), one of another repository (base/image:1, base/image@sha256:…) or registry (ghcr.io/base/image:1). Quotes are never needed: 10.10 is the tag 10.10 and not the number 10.1."),
		"platform": platform(),
	}
	return s
}

func plainRegistry() *jsonschema.Schema {
	s := object("One registry. Its login is that of docker login.",
		property{"kind", &jsonschema.Schema{
			Type: "string", Enum: enum(config.Kinds()),
			Description: "The API that is used beside the OCI protocol. oci is for none.",
		}},
		property{"concurrency", concurrency()},
	)
	s.MinProperties = one()
	return s
}

func ecrRegistry() *jsonschema.Schema {
	goesWith := func(keys ...string) *jsonschema.Schema {
		var any []*jsonschema.Schema
		for _, key := range keys {
			any = append(any, &jsonschema.Schema{Required: []string{key}})
		}
		return &jsonschema.Schema{AnyOf: any}
	}
	two, most := uint64(2), uint64(1224)
	id := patterned("What the trust policy of the role asks for as sts:ExternalId. It is no secret.", grammar.ExternalID, `expected letters, digits and "_+=,.@:/-"`)
	id.MinLength, id.MaxLength = &two, &most
	s := object("One registry of Amazon ECR. Without these keys, the job's own AWS credentials are used.",
		property{"aws-profile", textOrNumber(patterned("A profile in the files of the AWS CLI, to log in with.", grammar.Profile, "expected the name of a profile", "prod"))},
		property{"role-arn", patterned("A role that is assumed first, by the profile or by the job itself. It has the partition of the host; it can be of another account.",
			grammar.Role, "expected arn:aws:iam::ACCOUNT:role/NAME", "arn:aws:iam::123456789012:role/tagline")},
		property{"external-id", textOrNumber(id)},
		property{"region", patterned("The region whose STS is asked for a role, if it is not that of the host.", grammar.Region, "expected a region, such as eu-central-1", "eu-central-1")},
		property{"concurrency", concurrency()},
	)
	s.MinProperties = one()
	s.DependentSchemas = map[string]*jsonschema.Schema{"external-id": goesWith("role-arn"), "region": goesWith("role-arn", "aws-profile")}
	return s
}

// textOrNumber also takes what YAML reads as a number, such as an account.
func textOrNumber(s *jsonschema.Schema) *jsonschema.Schema {
	description, examples := s.Description, s.Examples
	s.Description, s.Examples = "", nil
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "number"}}, Description: description, Examples: examples}
}

func concurrency() *jsonschema.Schema {
	return &jsonschema.Schema{
		Type: "integer", Minimum: "1", Maximum: json.Number(strconv.Itoa(config.MaxConcurrency)),
		Description: "Requests in flight to this host, instead of --concurrency.",
	}
}

func locked() *jsonschema.Schema {
	var names []string
	for _, key := range policies.Keys() {
		names = append(names, key.Name)
	}
	return &jsonschema.Schema{
		Type: "array", MinItems: one(), UniqueItems: true,
		Items:       &jsonschema.Schema{Type: "string", Enum: words(names)},
		Description: "Policies that no other file and no image may set to something laxer. Only the root file can lock them.",
	}
}

func enum(words []string) (all []any) {
	for _, word := range words {
		all = append(all, word)
	}
	return all
}

func image() *jsonschema.Schema {
	s := object("One image: the aliases of a repository.",
		property{"use", &jsonschema.Schema{
			AnyOf:       []*jsonschema.Schema{ref("use", ""), {Type: "array", MaxItems: new(uint64)}},
			Description: "The profiles of this image, instead of those of the file. [] is for none.",
		}},
		property{"aliases", aliases("The alias tags, and what each should be. They override those of profiles. 10.10 and 1e3 are tags as they stand; quotes are never needed.")},
		property{"policies", ref("policies", "Policies of this image alone. They override those of the file and of profiles key by key.")},
	)
	return s
}

func aliases(description string) *jsonschema.Schema {
	return &jsonschema.Schema{
		Type: "object", MinProperties: one(), AdditionalProperties: ref("alias", ""),
		PropertyNames: text(grammar.Tag, `expected a tag: letters, digits, "_", "." and "-"`),
		Description:   description,
	}
}

func profile() *jsonschema.Schema {
	s := object("Policies and aliases that images share.",
		property{"use", ref("use", "The profiles that this one builds on. What it has itself overrides theirs.")},
		property{"policies", ref("policies", "Policies of the images. They override those of the file key by key.")},
		property{"aliases", aliases("Aliases of the images. A source without a repository is of the image.")},
	)
	s.MinProperties = one()
	return s
}

func use() *jsonschema.Schema {
	name := text(grammar.ProfileName, "expected the name of a profile")
	return &jsonschema.Schema{
		Description: "A profile, or a list of them; the later override the earlier ones.",
		AnyOf: []*jsonschema.Schema{name, {Type: "number", Minimum: "0"}, {
			Type: "array", MinItems: one(), UniqueItems: true, Items: &jsonschema.Schema{AnyOf: []*jsonschema.Schema{name, {Type: "number", Minimum: "0"}}},
		}},
	}
}

func from() *jsonschema.Schema {
	s := object("The same tag of the same repository on another registry.",
		property{"from", patterned("The other registry, with a path before the names of its repositories if it has one.",
			grammar.From, "expected a host, with or without a path, such as staging.example.com", "staging.example.com", "ghcr.io/mirror")},
		property{"tag", &jsonschema.Schema{
			AnyOf:       []*jsonschema.Schema{text(grammar.Tag, "expected a tag, such as 10.2"), {Type: "number", Minimum: "0"}, {Type: "boolean"}},
			Description: "A tag there, if it is not the one of the alias.",
		}},
	)
	s.Required = []string{"from"}
	return s
}

func alias() *jsonschema.Schema {
	absent := source(`A source for every platform that it has: a tag, a digest, repository:tag, or the name of another alias of this image (latest: 10). "absent" is for a tag that should not exist.`)
	absent.Examples = []any{"10.20", "absent"}
	whole := object("", property{"whole", &jsonschema.Schema{Enum: []any{true, "true"}}})
	whole.Required, whole.AdditionalProperties = []string{"whole"}, nil
	byPlatform := &jsonschema.Schema{
		Type: "object", MinProperties: one(),
		Description:   "The platforms of the alias, and the source of each. linux/ is implied: amd64, arm64, arm/v7, windows/amd64, windows(10.0.17763)/amd64.",
		PropertyNames: text(grammar.Platform, wantPlatform),
		AdditionalProperties: &jsonschema.Schema{
			AnyOf: []*jsonschema.Schema{ref("source", ""), ref("newest", ""), ref("from", "")},
			Not:   &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Const: "absent"}, whole}},
		},
	}
	return &jsonschema.Schema{
		Description: "What the alias should be: a source, a map from platform to source, the newest version of a range, the same alias of another registry, or absent.",
		AnyOf:       []*jsonschema.Schema{absent, ref("newest", ""), ref("from", ""), byPlatform},
	}
}

func newest() *jsonschema.Schema {
	s := object("The highest version tag of this image in a range: with the policy platforms, for each of those by itself; without it, for the platforms of the highest version. Tags that begin with two to four numbers are versions: 10.20, v10.20.3-1.",
		property{"newest", &jsonschema.Schema{
			AnyOf:       []*jsonschema.Schema{text(grammar.Range, `expected a range of versions, such as "10.x" or ">=1.2 <2"`), {Type: "number", Minimum: "0"}},
			Description: `The range, in the words of Masterminds/semver: "10.x", "^1.4", ">=1.2 <2". Without a variant or a prerelease: there are keys for them.`,
			Examples:    []any{"10.x", "^1.4", ">=1.2 <2"},
		}},
		property{"tags", patterned("How the tags are built that do not begin with their version, or that name their platform. {version} and {arch} stand for these.",
			grammar.Tags, `expected text around {version}, such as "{version}-ubi-{arch}"`, "{version}-ubi-{arch}", "{arch}-{version}", "release-{version}")},
		property{"variant", &jsonschema.Schema{
			AnyOf:       []*jsonschema.Schema{text(grammar.Variant, "expected what follows the dash of the tags, such as alpine"), {Type: "number", Minimum: "0"}},
			Description: "What follows the dash of the tags: alpine is for 10.20-alpine, and for nothing else. Without it only plain versions count.",
			Examples:    []any{"alpine"},
		}},
		property{"prereleases", choice("Whether prereleases count: 10.21-rc.1, 10.21-beta2.", []string{"false", "true"}, "false")},
		property{"versioning", choice("How tags are read: calendar takes 24.04 and 2024.10.1, and nothing else.", []string{"semver", "calendar"}, "semver")},
		property{"downgrade", downgrade()},
		property{"whole", choice("Whether the alias is one whole version, as if its tag stood here: the newest that has all required platforms. Only for a whole alias, not for one platform.", []string{"false", "true"}, "false")},
	)
	s.Required = []string{"newest"}
	return s
}

// downgrade is the policy of that name, for one source.
func downgrade() *jsonschema.Schema {
	key := policies.Downgrade.Key()
	return &jsonschema.Schema{Enum: words(key.Values), Description: "The policy downgrade for this source alone: " + key.Doc + "."}
}

func words(all []string) (values []any) {
	for _, word := range all {
		values = append(values, word)
	}
	return values
}

func patterned(description, pattern, want string, examples ...string) *jsonschema.Schema {
	s := text(pattern, want)
	s.Description, s.Examples = description, words(examples)
	return s
}

// source is the text of a source. What YAML takes for a number or a truth value
// is the text that it was written as.
func source(description string) *jsonschema.Schema {
	tagged := text(grammar.Source, wantSource)
	tagged.Not = &jsonschema.Schema{Pattern: grammar.OtherDigest}
	return &jsonschema.Schema{
		Description: description,
		AnyOf: []*jsonschema.Schema{
			tagged,
			text(grammar.Digest, wantSource),
			{Type: "number", Minimum: "0"},
			{Type: "boolean"},
		},
	}
}

func platform() *jsonschema.Schema {
	return &jsonschema.Schema{
		Description: "A platform: [os/]architecture[/variant]. linux/ is implied: amd64, arm64, arm/v7, windows/amd64, windows(10.0.17763)/amd64.",
		AnyOf:       []*jsonschema.Schema{text(grammar.Platform, wantPlatform), {Const: 386}}, // unquoted, 386 is a number
		Examples:    []any{"amd64", "arm64", "arm/v7"},
	}
}

// settings is a policies map: every policy there is.
func settings() *jsonschema.Schema {
	var all []property
	for _, key := range policies.Keys() {
		all = append(all, property{key.Name, setting(key)})
	}
	s := object("Rules for the aliases. Without a key its default holds.", all...)
	return s
}

func setting(key config.PolicyKey) *jsonschema.Schema {
	doc := strings.ToUpper(key.Doc[:1]) + key.Doc[1:] + "."
	switch key.Kind {
	case config.PlatformList:
		return &jsonschema.Schema{Type: "array", MinItems: one(), UniqueItems: true, Items: ref("platform", ""), Description: doc}
	case config.Duration:
		return &jsonschema.Schema{
			AnyOf:       []*jsonschema.Schema{text(grammar.Duration, "expected weeks, days, hours, minutes or seconds, such as 7d, 24h or 90m"), {Const: 0}},
			Description: doc + " Weeks, days, hours, minutes or seconds, such as 7d, 24h or 90m.", Default: key.Default,
		}
	}
	return choice(doc, key.Values, key.Default)
}

// choice is one of several words. Unquoted, true and false are no text to YAML.
func choice(doc string, words []string, def string) *jsonschema.Schema {
	s := &jsonschema.Schema{Description: fmt.Sprintf("%s One of %s; default %s.", doc, strings.Join(words, ", "), def), Default: value(def)}
	for _, word := range words {
		s.Enum = append(s.Enum, value(word))
	}
	for _, word := range words {
		if value(word) != any(word) {
			s.Enum = append(s.Enum, word)
		}
	}
	return s
}

func value(word string) any {
	switch word {
	case "true":
		return true
	case "false":
		return false
	}
	return word
}

type property struct {
	name   string
	schema *jsonschema.Schema
}

const (
	wantSource   = "expected a tag, a digest (sha256:…), repository:tag or repository@sha256:…"
	wantPlatform = "expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64"
)

// text is a string of that pattern. Editors that know patternErrorMessage (the
// YAML language server does) show what is wanted instead of the pattern.
func text(pattern, want string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: pattern, Extras: map[string]any{"patternErrorMessage": want}}
}

// object is a map of these keys alone.
func object(description string, properties ...property) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Description: description, Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
	for _, p := range properties {
		s.Properties.Set(p.name, p.schema)
	}
	return s
}

func ref(name, description string) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/$defs/" + name, Description: description}
}

func one() *uint64 { n := uint64(1); return &n }
