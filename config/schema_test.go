package config

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// beyondSchema are the fixtures that Parse refuses and no schema can, by the
// name of their test, and why.
var beyondSchema = map[string]string{
	"x in the place of a fourth number":                  "the schema knows the characters of a range, not its grammar",
	"second document":                                    notInJSON,
	"text after the document":                            notInJSON,
	"anchor":                                             notInJSON,
	"anchor and YAML alias":                              notInJSON,
	"YAML tag":                                           notInJSON,
	"YAML tag of the application":                        notInJSON,
	"YAML tag on a map":                                  notInJSON,
	"key twice":                                          notInJSON,
	"key of the file twice":                              notInJSON,
	"platform of an alias twice":                         notInJSON,
	"version of Windows twice":                           spellings,
	"versions of Windows that overlap":                   otherKeys,
	"version of Windows within another":                  otherKeys,
	"no images":                                          "other files may have them",
	"no registry":                                        "a flag or a variable may name it",
	"repository too long":                                "the length counts the registry's host, which is elsewhere in the file",
	"repository twice":                                   spellings,
	"registry: port out of range":                        "a number within a text",
	"registry: address":                                  "a number within a text",
	"alias of itself":                                    otherKeys,
	"cycle":                                              otherKeys,
	"cycles":                                             otherKeys,
	"long cycle":                                         otherKeys,
	"alias of an absent alias":                           otherKeys,
	"source that another image wants absent":             otherKeys,
	"newest of builds, and no platforms":                 otherKeys,
	"newest, whole, of builds":                           otherKeys,
	"absent in another case":                             "it is a tag to a schema",
	"one repository under two names of its host":         spellings,
	"image without aliases":                              mayBeShared,
	"image with policies alone":                          mayBeShared,
	"carriage return alone":                              mayBeShared,
	"profiles: unknown":                                  otherKeys,
	"profiles: unknown, nothing close":                   otherKeys,
	"profiles: unknown, and no profiles":                 otherKeys,
	"profiles: cycle":                                    otherKeys,
	"profiles: uses itself":                              otherKeys,
	"profiles: name twice":                               notInJSON,
	"profiles: from itself":                              otherKeys,
	"profiles: no aliases, and a policy of the file":     mayBeShared,
	"profiles: no aliases, and prune of the file":        mayBeShared,
	"profiles: problems of what images make of it, once": otherKeys,
	"one host twice":                                     spellings,
	"role of another partition":                          otherKeys,
	"region of another partition":                        otherKeys,
}

// Reasons of more than one.
const (
	notInJSON = "a YAML matter, of which nothing is left in what a schema sees"
	spellings = "two spellings of one name"
	otherKeys = "depends on another key of the file"

	mayBeShared = "a profile may give the image its aliases"
)

// asJSON is a YAML file as an editor holds it against a schema: YAML 1.2, where
// dates are text. It is not ok if there is nothing that could be validated.
func asJSON(input string) (value any, ok bool) {
	var n yaml.Node
	if yaml.Unmarshal([]byte(input), &n) != nil || len(n.Content) == 0 {
		return nil, false
	}
	var convert func(n *yaml.Node, depth int) any
	convert = func(n *yaml.Node, depth int) any {
		switch {
		case depth > 200:
			return nil
		case n.Kind == yaml.AliasNode:
			return convert(n.Alias, depth+1)
		case n.Kind == yaml.SequenceNode:
			list := []any{}
			for _, item := range n.Content {
				list = append(list, convert(item, depth+1))
			}
			return list
		case n.Kind == yaml.MappingNode:
			all := map[string]any{}
			for i := 0; i+1 < len(n.Content); i += 2 {
				if key := n.Content[i]; key.Kind == yaml.ScalarNode {
					all[key.Value] = convert(n.Content[i+1], depth+1)
				}
			}
			return all
		}
		var v any
		switch n.ShortTag() {
		case "!!null":
			return nil
		case "!!bool", "!!int", "!!float":
			if n.Decode(&v) == nil {
				return v
			}
		}
		return n.Value
	}
	return convert(n.Content[0], 0), true
}

var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("images.schema.json", schema); err != nil {
		return nil, err
	}
	return c.Compile("images.schema.json")
})

// schemaAccepts holds a file against the schema.
func schemaAccepts(t testing.TB, input string) error {
	t.Helper()
	schema, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	value, ok := asJSON(input)
	if !ok {
		return errors.New("nothing to validate")
	}
	return schema.Validate(value)
}

// goodForSchema and badForSchema hold the fixtures of other tests against the
// schema.
func goodForSchema(t testing.TB, input string) {
	t.Helper()
	if err := schemaAccepts(t, input); err != nil {
		t.Errorf("the schema refuses\n%s\n%v", input, err)
	}
}

func badForSchema(t testing.TB, name, input string) {
	t.Helper()
	why := beyondSchema[name]
	switch err := schemaAccepts(t, input); {
	case err == nil && why == "":
		t.Errorf("the schema accepts %q; if no schema can refuse it, say why in beyondSchema:\n%s", name, input)
	case err != nil && why != "":
		t.Errorf("the schema refuses %q after all (%v); it is said not to: %s", name, err, why)
	}
}

func TestSchemaAcceptsTheExample(t *testing.T) {
	data, err := os.ReadFile("../images.yaml")
	if err != nil {
		t.Fatal(err)
	}
	goodForSchema(t, string(data))
}

// A root file may have no images, and one schema is for all files.
func TestSchemaOfTrees(t *testing.T) {
	goodForSchema(t, "registry: localhost\npolicies: {prune: false}\nlocked: [platforms, prune]\n")
	goodForSchema(t, "policies: {prune: false}\nimages: {app: {aliases: {1: 1.1}}}\n")
	for _, locked := range []string{"prune", "[]", "[plaforms]", "[prune, prune]"} {
		badForSchema(t, "locked: "+locked, "locked: "+locked+"\nimages: {app: {aliases: {1: 1.1}}}\n")
	}
}

// The schema's patterns say what Parse does, but for the lengths and numbers
// that Spelling's comment excepts.
func TestSpelling(t *testing.T) {
	g := Spelling()
	for _, test := range []struct {
		name    string
		pattern string
		parse   func(string) bool
		draw    *rapid.Generator[string]
	}{
		{"platform", g.Platform, func(s string) bool { _, err := ParsePlatform(s); return err == nil },
			rapid.StringMatching(`((linux|windows|freebsd|wasip2|lin)(\((10|10\.0\.17763(\.1)?|14\.1-R|\.)?\))?/|)(amd64|arm|arm64|386|s390x|x64|)(/v[0-9](\.[0-9])?|/a\.b|/)?(:|:10\.0\.17763|:14-R)?`)},
		{"tag", g.Tag, func(s string) bool { return CheckTag(s) == nil }, rapid.StringMatching(`[a-zA-Z0-9_.+-]{0,5}`)},
		{"repository", g.Repository, func(s string) bool { _, err := ParseRepository(s, "localhost"); return err == nil },
			rapid.StringMatching(`((localhost|LocalHost|a\.b|c:5|\[::1\]:5|A\.b:80|c|a-\.b)/)?(a|a/b|a__b|a---b|a\.b|A|-a)`)},
		{"registry", g.Registry, func(s string) bool { _, err := ParseHost(s); return err == nil },
			rapid.StringMatching(`(localhost|a\.b|c|a-b\.c|-a\.b|\[::1\]|\[fe80::2\])(:5000|:80|)(/|)`)},
		{"ECR", g.ECR, func(s string) bool { _, ok := ParseECRHost(s); return ok },
			rapid.StringMatching(`[0-9]{11,12}\.dkr[.-]ecr(-fips|)\.(eu-west-1|cn-north-1)\.(amazonaws\.com(\.cn|)|on\.aws|example\.com)`)},
		{"role", g.Role, func(s string) bool { return roleProblem(s, ECRHost{Region: "cn-north-1"}) == "" },
			rapid.StringMatching(`arn:aws-cn:(iam|sts)::[0-9]{11,12}:(role|user)/(a/b/|/|)[a-c@ ]?`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			pattern := regexp.MustCompile(test.pattern)
			rapid.Check(t, func(t *rapid.T) {
				text := test.draw.Draw(t, "text")
				if got, want := pattern.MatchString(text), test.parse(text); got != want {
					t.Fatalf("%q: the schema says %v, Parse says %v", text, got, want)
				}
			})
		})
	}
}

func TestSpellingOfSources(t *testing.T) {
	g := Spelling()
	source, digest, other := regexp.MustCompile(g.Source), regexp.MustCompile(g.Digest), regexp.MustCompile(g.OtherDigest)
	draw := rapid.StringMatching(`((localhost|a\.b|c:5|A\.b:80|c)/)?(a|a/b|a__b|a---b|A|sha256|sha512)?(:|@|/)?(1|1\.2|sha256:|sha256:[0-9a-f]{64}|[0-9a-f]{64}|v-1)?`)
	rapid.Check(t, func(t *rapid.T) {
		text := draw.Draw(t, "text")
		got := source.MatchString(text) && !other.MatchString(text) || digest.MatchString(text)
		if _, err := parseSource(text, Repository{"localhost", "own"}); got != (err == nil) {
			t.Fatalf("%q: the schema says %v, Parse says %v", text, got, err)
		}
	})
}
