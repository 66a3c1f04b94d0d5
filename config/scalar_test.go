package config

import (
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// What Scalar writes is read as the same text, as a key, as a value, and in braces.
func TestScalar(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, text string) {
		written := Scalar(text)
		for _, test := range []struct {
			file string
			at   func(top *yaml.Node) *yaml.Node
		}{
			{"a: " + written + "  # note\n", func(top *yaml.Node) *yaml.Node { return top.Content[1] }},
			{written + ": a\n", func(top *yaml.Node) *yaml.Node { return top.Content[0] }},
			{"a: {b: " + written + ", c: d}\n", func(top *yaml.Node) *yaml.Node { return top.Content[1].Content[1] }},
			{"a: {" + written + ": b, c: d}\n", func(top *yaml.Node) *yaml.Node { return top.Content[1].Content[0] }},
		} {
			var document yaml.Node
			if err := yaml.Unmarshal([]byte(test.file), &document); err != nil {
				t.Fatalf("%q: %s: %v", text, test.file, err)
			}
			if n := test.at(document.Content[0]); n.Kind != yaml.ScalarNode || isNull(n) || n.Value != text {
				t.Fatalf("%q is written as %s, and read as %q", text, written, n.Value)
			}
		}
	}
	for _, text := range []string{"", "10.10", "1e3", "yes", "null", "NULL", "nUll", "~", "[::1]:5000/a:1", "a:", "a: b", "a#b", "a #b", "-", "- a", "a,b", "a}", "*a", "&a", "!a", "%a", "@a", "?", ".", "...", "---", "=", "<<", "windows(10.0.17763)/amd64", "sha256:00", "a\nb", "é", `a"b\c`} {
		t.Run(text, func(t *testing.T) { check(t, text) })
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.StringMatching(`[ -~é]{0,12}`).Draw(t, "text")) })
}
