package compose

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	composego "github.com/compose-spec/compose-go/v2/schema"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write compose-spec.json anew")

// compose-spec.json is what compose-go of go.mod has; after an update of it,
// -update brings it along.
func TestSpecification(t *testing.T) {
	var whole any
	if err := json.Unmarshal([]byte(composego.Schema), &whole); err != nil {
		t.Fatal(err)
	}
	bare(whole)
	want, err := json.MarshalIndent(whole, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("compose-spec.json", want, 0o600); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(specification, want) {
		t.Error("compose-spec.json is not the schema of compose-go; write it with -update, and see what is new")
	}
	if err := json.Unmarshal(want, &schema{}); err != nil {
		t.Errorf("it has a keyword that is not checked: %v", err)
	}
}

// bare takes out of a schema what no value is held against; compose-go itself
// does not look at formats, and drops what stands twice in a list before it looks.
func bare(s any) {
	switch s := s.(type) {
	case []any:
		for _, each := range s {
			bare(each)
		}
	case map[string]any:
		for _, note := range []string{"$schema", "$id", "title", "description", "default", "deprecated", "format", "uniqueItems"} {
			delete(s, note)
		}
		for keyword, value := range s {
			if named, ok := value.(map[string]any); ok && slices.Contains([]string{"properties", "patternProperties", "$defs"}, keyword) {
				for _, each := range named {
					bare(each)
				}
			} else {
				bare(value)
			}
		}
	}
}

// TestAgainstSchema holds validate against compose-go's check, on files that
// are made by the specification and go wrong here and there.
func TestAgainstSchema(t *testing.T) {
	valid, used := map[bool]int{}, map[*schema]bool{}
	rapid.Check(t, func(t *rapid.T) {
		g := generator{t, rapid.SampledFrom([]int{1, 10, 40, 1000}).Draw(t, "rarely"), used}
		file := g.object(parseSpecification(), 0).(map[string]any) // nothing else gets as far
		problems, err := validate(file), composego.Validate(file)
		if (len(problems) > 0) != (err != nil) {
			text, _ := json.MarshalIndent(file, "", " ")
			t.Fatalf("%s\ngot %v, compose-go has %v", text, problems, err)
		}
		valid[err == nil]++
		for _, p := range problems {
			if !strings.HasPrefix(p.text, name(p.path)+": ") && !strings.HasPrefix(p.text, "file: ") && !strings.Contains(p.text, " is not a key of ") {
				t.Errorf("%q does not say where", p.text)
			}
		}
	})
	if valid[true] == 0 || valid[false] == 0 {
		t.Errorf("valid: %v; files of one kind alone prove little", valid)
	}
	t.Logf("valid: %v, %d parts of the specification", valid, len(used))
}

// generator makes values of a schema, of which one in so many is not.
type generator struct {
	*rapid.T
	rarely int
	used   map[*schema]bool
}

func (g generator) value(s *schema, depth int) any {
	g.used[s] = true
	if s.never || rapid.IntRange(1, g.rarely).Draw(g.T, "wrong") == g.rarely {
		return rapid.SampledFrom([]any{nil, true, 1.0, -2000.5, "x", "", []any{}, []any{"a", "b"}, map[string]any{}, map[string]any{"a": 1.0}}).Draw(g.T, "junk")
	}
	if among := slices.Concat(s.OneOf, s.AnyOf); len(among) > 0 && s.Properties == nil {
		return g.value(rapid.SampledFrom(among).Draw(g.T, "one of"), depth)
	}
	if len(s.Enum) > 0 {
		return rapid.SampledFrom(s.Enum).Draw(g.T, "enum")
	}
	kind := "object"
	if s.Ref == "" && len(s.AllOf) == 0 {
		kind = rapid.SampledFrom(append(words{}, orAny(s.Type)...)).Draw(g.T, "type")
	}
	switch kind {
	case "boolean":
		return rapid.Bool().Draw(g.T, "boolean")
	case "integer", "number":
		return rapid.SampledFrom([]float64{0, 1, 50, 100, 2.5, -1}).Draw(g.T, "number")
	case "string":
		return rapid.SampledFrom([]string{"always", "every_2d", "1.5", "10s", "x", "a=b", "./a:/b"}).Draw(g.T, "text")
	case "array":
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(g.T, "length") {
			if s.Items != nil && depth < 8 {
				item := g.value(s.Items, depth+1)
				if !slices.ContainsFunc(list, func(other any) bool { return reflect.DeepEqual(other, item) }) {
					list = append(list, item)
				}
			}
		}
		return list
	case "object":
		return g.object(s, depth)
	}
	return nil
}

func orAny(types words) words {
	if len(types) == 0 {
		return words{"string"}
	}
	return types
}

func (g generator) object(s *schema, depth int) any {
	var merged any
	object := map[string]any{}
	for _, part := range s.parts(parseSpecification().Defs) {
		switch v := g.value(part, depth).(type) {
		case map[string]any:
			maps.Copy(object, v)
		default:
			merged = v
		}
	}
	if merged != nil {
		return merged
	}
	keys := slices.Sorted(maps.Keys(s.Properties))
	if depth > 8 {
		keys = nil
	}
	if len(keys) > 0 {
		for range rapid.IntRange(0, 3).Draw(g.T, "keys") {
			key := rapid.SampledFrom(keys).Draw(g.T, "key")
			object[key] = g.value(s.Properties[key], depth+1)
		}
	}
	for _, key := range s.Required {
		if s.Properties[key] != nil && rapid.IntRange(1, 20).Draw(g.T, "leave out") > 1 {
			object[key] = g.value(s.Properties[key], depth+1)
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(s.PatternProperties)) {
		if rapid.Bool().Draw(g.T, "by pattern") && depth < 8 {
			key := map[string]string{"^x-": "x-a"}[pattern]
			if key == "" {
				key = "name"
			}
			object[key] = g.value(s.PatternProperties[pattern], depth+1)
		}
	}
	if rapid.IntRange(1, g.rarely).Draw(g.T, "unknown key") == 1 && g.rarely > 1 {
		object[rapid.SampledFrom([]string{"imagee", "x_", "a b"}).Draw(g.T, "unknown")] = "x"
	}
	if s.AdditionalProperties != nil && !s.AdditionalProperties.never && rapid.Bool().Draw(g.T, "additional") && depth < 8 {
		object["more"] = g.value(s.AdditionalProperties, depth+1)
	}
	return object
}

// What is wrong is told with its place, all of it.
func TestProblems(t *testing.T) {
	for _, test := range []struct{ services, want string }{
		{`app: {ports: 80}`, `3:9 services.app.ports: expected a list, found a number`},
		{`app: {ports: ["80:80", {target: [1]}]}`, `3:27 services.app.ports[1].target: expected a whole number or text, found a list`},
		{`app: {privilegd: true}`, `3:9 "privilegd" is not a key of services.app; did you mean "privileged"?`},
		{`app: {cgroup: hots}`, `3:9 services.app.cgroup: expected "host" or "private", found "hots"`},
		{`app: {pull_policy: sometimes}`, `3:9 services.app.pull_policy: "sometimes" does not match ^(always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+)$`},
		{`app: {oom_score_adj: -1001}`, `3:9 services.app.oom_score_adj: expected at least -1000, found -1001`},
		{`app: {cpu_percent: 101}`, `3:9 services.app.cpu_percent: expected at most 100, found 101`},
		{`app: {extends: {file: b.yml}}`, `3:9 services.app.extends: "service" is missing`},
		{`app: {command: {a: b}}`, `3:9 services.app.command: expected nothing or text or a list, found a map`},
		{`app: [a]`, `3:3 services.app: expected a map, found a list`},
		{`"a b": {}`, `3:3 "a b" is not a key of services`},
		{`app: {image: 10.10, imagee: x, platform: [a]}`, `3:9 services.app.image: expected text, found a number; put it in quotes
3:23 "imagee" is not a key of services.app; did you mean "image"?
3:34 services.app.platform: expected text, found a list`},
		{`app: {image: a, ports: [!reset null, "80", true]}`, `3:46 services.app.ports[1]: expected a number or text or a map, found true or false`},
	} {
		workspaceOf(t, "-- compose.yml --\n\nservices:\n {"+test.services+"}\n")
		_, err := Load("compose.yml", nil)
		got := strings.NewReplacer("compose.yml:", "", ": error[invalid-compose]:", "").Replace(fmt.Sprint(err))
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.services, got, test.want)
		}
	}
}
