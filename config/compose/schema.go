package compose

import (
	"bytes"
	"cmp"
	_ "embed" // of the specification
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"

	"tagline/config"
)

// specification is the JSON Schema of compose files as compose-go has it, without
// its descriptions; a test holds the two together. That an item of a list must
// not stand there twice is left out, too: compose-go drops most of those before
// it looks. compose-go's own
// check would take a third of the start of every command, for the JSON Schema
// library that goes with it.
//
//go:embed compose-spec.json
var specification []byte

// schema is a part of the specification, in the keywords of JSON Schema 2020-12
// that it uses; [schema.UnmarshalJSON] refuses all others.
type schema struct {
	Ref                   string             `json:"$ref"`
	Type                  words              `json:"type"`
	Enum                  []any              `json:"enum"`
	Pattern               string             `json:"pattern"`
	Minimum               *float64           `json:"minimum"`
	Maximum               *float64           `json:"maximum"`
	Items                 *schema            `json:"items"`
	Required              []string           `json:"required"`
	Properties            map[string]*schema `json:"properties"`
	PatternProperties     map[string]*schema `json:"patternProperties"`
	AdditionalProperties  *schema            `json:"additionalProperties"`
	UnevaluatedProperties *schema            `json:"unevaluatedProperties"`
	AllOf                 []*schema          `json:"allOf"`
	AnyOf                 []*schema          `json:"anyOf"`
	OneOf                 []*schema          `json:"oneOf"`
	Defs                  map[string]*schema `json:"$defs"`

	never bool // the schema "false", which nothing fits
}

// UnmarshalJSON reads a schema, which may be a boolean.
func (s *schema) UnmarshalJSON(data []byte) error {
	if string(data) == "true" || string(data) == "false" {
		s.never = data[0] == 'f'
		return nil
	}
	type plain schema
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode((*plain)(s))
}

// words is a list, which JSON may have as a single word.
type words []string

// UnmarshalJSON reads either.
func (w *words) UnmarshalJSON(data []byte) error {
	if data[0] != '"' {
		return json.Unmarshal(data, (*[]string)(w))
	}
	*w = make(words, 1)
	return json.Unmarshal(data, &(*w)[0])
}

// problem is a place where a value is not as its schema has it.
type problem struct {
	path  []any // keys and indices, from the top
	text  string
	types words // that were expected, of a value of another type
}

// name is the path as people write it: "services.app.ports[0]".
func name(path []any) string {
	var b strings.Builder
	for i, part := range path {
		switch part := part.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", part)
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(part)
		}
	}
	return b.String()
}

// validate holds a compose file against the specification. Its values are nil,
// bool, float64, string, []any and map[string]any.
func validate(file map[string]any) []problem {
	whole := parseSpecification()
	c := checker{defs: whole.Defs, patterns: map[string]*regexp.Regexp{}}
	problems, _ := c.check(whole, file, nil)
	return problems
}

var parseSpecification = sync.OnceValue(func() *schema {
	s := &schema{}
	if err := json.Unmarshal(specification, s); err != nil {
		panic(fmt.Sprintf("compose-spec.json: %v", err)) // it is part of the program
	}
	return s
})

// checker is one check of one file.
type checker struct {
	defs     map[string]*schema
	patterns map[string]*regexp.Regexp
}

// check gives what is wrong with a value, and of a map the keys that the schema
// has something to say of ("evaluated", as JSON Schema has it).
func (c *checker) check(s *schema, v any, path []any) (problems []problem, known map[string]bool) {
	if len(s.Type) > 0 && !slices.ContainsFunc(s.Type, func(t string) bool { return isA(t, v) || becomes(t, v) }) {
		return []problem{mismatch(s.Type, v, path)}, nil
	}
	known = map[string]bool{}
	add := func(more []problem, keys map[string]bool) {
		problems = append(problems, more...)
		maps.Copy(known, keys)
	}
	switch v := v.(type) {
	case []any:
		add(c.list(s, v, path), nil)
	case map[string]any:
		add(c.object(s, v, path))
	default:
		add(c.scalar(s, v, path), nil)
	}
	for _, part := range s.parts(c.defs) {
		add(c.check(part, v, path))
	}
	for _, among := range [][]*schema{s.AnyOf, s.OneOf} {
		if len(among) > 0 {
			add(c.choose(among, v, path))
		}
	}
	if object, ok := v.(map[string]any); ok && s.UnevaluatedProperties != nil {
		add(c.rest(s, s.UnevaluatedProperties, object, path, known), nil)
	}
	return problems, known
}

// parts are the schemas that a value has to fit as well.
func (s *schema) parts(defs map[string]*schema) []*schema {
	if s.Ref == "" {
		return s.AllOf
	}
	return append([]*schema{defs[strings.TrimPrefix(s.Ref, "#/$defs/")]}, s.AllOf...)
}

// choose is for the schemas of which a value has to fit one. Where it fits none,
// the problems are those of the schema for its type, or of the one that got
// furthest. That it must not fit two ("oneOf") is not asked: nothing fits two
// of the specification's.
func (c *checker) choose(among []*schema, v any, path []any) (problems []problem, known map[string]bool) {
	fits, furthest := false, 0
	var types words
	known = map[string]bool{}
	for _, each := range among {
		p, keys := c.check(each, v, path)
		maps.Copy(known, keys)
		if len(p) == 0 {
			fits = true
			continue
		}
		types = append(types, p[0].types...)
		if got := reach(p, path); got > furthest {
			problems, furthest = p, got
		}
	}
	switch {
	case fits:
		return nil, known
	case furthest == 0: // it is of the wrong type for all of them
		return []problem{mismatch(types, v, path)}, known
	}
	return problems, known
}

// reach is how far into a value a schema got that does not fit it; nowhere if
// the value is of another type altogether.
func reach(problems []problem, path []any) int {
	furthest := 0
	for _, p := range problems {
		if p.types == nil || len(p.path) > len(path) {
			furthest = max(furthest, 1+len(p.path))
		}
	}
	return furthest
}

func (c *checker) scalar(s *schema, v any, path []any) []problem {
	number, isNumber := v.(float64)
	text, isText := v.(string)
	switch {
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, v):
		var values []string
		for _, each := range s.Enum {
			values = append(values, fmt.Sprintf("%q", each))
		}
		return []problem{problemf(path, "expected %s, found %s", strings.Join(values, " or "), quote(fmt.Sprint(v)))}
	case isNumber && s.Minimum != nil && number < *s.Minimum:
		return []problem{problemf(path, "expected at least %v, found %v", *s.Minimum, number)}
	case isNumber && s.Maximum != nil && number > *s.Maximum:
		return []problem{problemf(path, "expected at most %v, found %v", *s.Maximum, number)}
	case isText && s.Pattern != "" && !c.match(s.Pattern, text):
		return []problem{problemf(path, "%s does not match %s", quote(text), s.Pattern)}
	}
	return nil
}

func (c *checker) list(s *schema, list []any, path []any) (problems []problem) {
	if s.Items == nil {
		return nil
	}
	for i, item := range list {
		p, _ := c.check(s.Items, item, slices.Concat(path, []any{i}))
		problems = append(problems, p...)
	}
	return problems
}

func (c *checker) object(s *schema, object map[string]any, path []any) (problems []problem, known map[string]bool) {
	known = map[string]bool{}
	for _, key := range s.Required {
		if _, ok := object[key]; !ok {
			problems = append(problems, problemf(path, "%q is missing", key))
		}
	}
	for key, value := range object {
		at := slices.Concat(path, []any{key})
		check := func(s *schema) {
			known[key] = true
			p, _ := c.check(s, value, at)
			problems = append(problems, p...)
		}
		if of := s.Properties[key]; of != nil {
			check(of)
		}
		for pattern, of := range s.PatternProperties {
			if c.match(pattern, key) {
				check(of)
			}
		}
	}
	if s.AdditionalProperties != nil {
		problems = append(problems, c.rest(s, s.AdditionalProperties, object, path, known)...)
	}
	return problems, known
}

// rest checks the keys that are not known yet, and makes them known.
func (c *checker) rest(s, rest *schema, object map[string]any, path []any, known map[string]bool) (problems []problem) {
	for key, value := range object {
		if known[key] {
			continue
		}
		known[key] = true
		at := slices.Concat(path, []any{key})
		if !rest.never {
			p, _ := c.check(rest, value, at)
			problems = append(problems, p...)
			continue
		}
		hint := ""
		if near := config.Closest(key, c.keys(s)); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		of := "a compose file"
		if len(path) > 0 {
			of = name(path)
		}
		problems = append(problems, problem{path: at, text: fmt.Sprintf("%s is not a key of %s%s", quote(key), of, hint)})
	}
	return problems
}

// keys are those that a map may have by name.
func (c *checker) keys(s *schema) []string {
	keys := slices.Sorted(maps.Keys(s.Properties))
	for _, part := range s.parts(c.defs) {
		keys = append(keys, c.keys(part)...)
	}
	return keys
}

func (c *checker) match(pattern, text string) bool {
	if c.patterns[pattern] == nil {
		c.patterns[pattern] = regexp.MustCompile(pattern)
	}
	return c.patterns[pattern].MatchString(text)
}

func problemf(path []any, format string, args ...any) problem {
	return problem{path: path, text: cmp.Or(name(path), "file") + ": " + fmt.Sprintf(format, args...)}
}

// mismatch is a value of none of the types.
func mismatch(types words, v any, path []any) problem {
	var expected []string
	for _, each := range types {
		if word := typeWords[each]; !slices.Contains(expected, word) {
			expected = append(expected, word)
		}
	}
	hint := ""
	if _, number := v.(float64); number && slices.Equal(types, words{"string"}) {
		hint = "; put it in quotes"
	}
	p := problemf(path, "expected %s, found %s%s", strings.Join(expected, " or "), typeWords[kindOf(v)], hint)
	p.types = types
	return p
}

// typeWords are the types of JSON in the words of this program's messages.
var typeWords = map[string]string{
	"null": "nothing", "boolean": "true or false", "integer": "a whole number", "number": "a number",
	"string": "text", "array": "a list", "object": "a map",
}

// isA tells whether a value is of a type of JSON Schema.
func isA(kind string, v any) bool {
	number, isNumber := v.(float64)
	switch kind {
	case "integer":
		return isNumber && number == math.Trunc(number)
	case "number":
		return isNumber
	}
	return kind == kindOf(v)
}

// becomes tells whether a text may be of a type with its variables filled in.
func becomes(kind string, v any) bool {
	text, ok := v.(string)
	return ok && strings.Contains(text, "$") && (kind == "boolean" || kind == "integer" || kind == "number")
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}
