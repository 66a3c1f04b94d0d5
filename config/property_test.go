package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// checkFindings fails unless every problem that Parse reports of the file says
// where it is, and is one line.
func checkFindings(t interface{ Fatalf(string, ...any) }, input string, err error) {
	if err == nil {
		return
	}
	lines := strings.Split(strings.ReplaceAll(input, "\r\n", "\n"), "\n")
	last := Pos{}
	findings := leaves(t, err)
	for _, f := range findings {
		if f.ID == "" || f.Message == "" || f.Pos.File != "images.yaml" {
			t.Fatalf("%+v is incomplete", f)
		}
		if strings.ContainsFunc(f.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q has a control character", f.Error())
		}
		if f.Pos.Line < last.Line || f.Pos.Line == last.Line && f.Pos.Column < last.Column {
			t.Fatalf("%v is out of order", f)
		}
		last = f.Pos
		if f.Pos.Line == 0 && f.Pos.Column == 0 {
			continue
		}
		if f.Pos.Line < 1 || f.Pos.Line > len(lines) {
			t.Fatalf("%v: the file has %d lines", f, len(lines))
		}
		if length := len([]rune(lines[f.Pos.Line-1])); f.Pos.Column < 1 || f.Pos.Column > length+1 {
			t.Fatalf("%v: the line has %d characters", f, length)
		}
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != len(findings) {
		t.Fatalf("%d findings are %d lines:\n%v", len(findings), got, err)
	}
}

// entry is a key of a YAML map in flow style.
type entry struct{ key, value string }

func flowMap(t *rapid.T, label string, entries []entry) string {
	var b strings.Builder
	b.WriteString("{")
	for _, e := range rapid.Permutation(entries).Draw(t, label) {
		fmt.Fprintf(&b, "%q: %s, ", e.key, e.value)
	}
	return b.String() + "}"
}

func TestOrderOfKeysDoesNotMatter(t *testing.T) {
	tag := rapid.StringMatching(`[a-z0-9][a-z0-9.]{0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		render := func(label string, images map[string]map[string][]entry) string {
			var all []entry
			for name, aliases := range images {
				var tags []entry
				for tag, sources := range aliases {
					tags = append(tags, entry{tag, flowMap(t, label+name+tag, sources)})
				}
				all = append(all, entry{name, flowMap(t, label+name, []entry{
					{"aliases", flowMap(t, label+name+"aliases", tags)},
					{"policies", flowMap(t, label+name+"policies", []entry{{"prune", "true"}, {"grace", "1h"}})},
				})})
			}
			return flowMap(t, label, []entry{
				{"registry", "localhost:5000"},
				{"policies", flowMap(t, label+"policies", []entry{{"provenance", "drop"}, {"platforms", "[amd64]"}})},
				{"images", flowMap(t, label+"images", all)},
			})
		}
		images := map[string]map[string][]entry{}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}`), 1, 3, rapid.ID).Draw(t, "images") {
			images[name] = map[string][]entry{}
			for _, alias := range rapid.SliceOfNDistinct(tag, 1, 4, rapid.ID).Draw(t, "aliases") {
				images[name][alias] = []entry{
					{"amd64", "other:" + tag.Draw(t, "source")},
					{"arm64", "other:" + tag.Draw(t, "source")},
				}
			}
		}
		one, err := parse(render("one", images))
		if err != nil {
			t.Fatal(err)
		}
		two, err := parse(render("two", images))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := withoutPlaces(one), withoutPlaces(two); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

// withoutPlaces drops what the order of a file's keys does change.
func withoutPlaces(c *Config) *Config {
	c.SHA256, c.HostPos = "", Pos{}
	for i := range c.Listed {
		c.Listed[i].Pos = Pos{}
	}
	for i := range c.Images {
		image := &c.Images[i]
		image.Pos = Pos{}
		for name, setting := range image.Policies {
			setting.Pos = Pos{}
			image.Policies[name] = setting
		}
		for j := range image.Aliases {
			image.Aliases[j].Pos = Pos{}
			for k := range image.Aliases[j].Sources {
				image.Aliases[j].Sources[k].Pos = Pos{}
			}
		}
	}
	return c
}

func TestMutatedFilesHaveFindingsWithPlaces(t *testing.T) {
	seed := aliases("10: {amd64: 10.10, arm64: 10.20}", "latest: 10", "9: absent", "# and", `8: "8.1"`) +
		"  b: {use: [p, q]}\nuse: p\nprofiles:\n  p: {aliases: {10: {from: ghcr.io/x, tag: 1}, 11: 10}}\n  q: {use: p, policies: {grace: 1w2d}, aliases: {8: absent}}\n" +
		"policies:\n  platforms: [amd64, arm64]\n  grace: 24h\n"
	pieces := []string{
		"\t", " ", "\n", "\r\n", "\r", "- ", "? ", "[", "]", "{", "}", "'", `"`, ":", ": ", ",", "#", "&a ", "*a", "!!str ", "!x!y ",
		"|", ">-\n", "@", "%", "...\n", "---\n", "<<", "~", "null", "é", "\u2028", "\ufeff", "\x00", "\xff", "10", "absent", "newest", "from", "use: q", "p", "[]", "localhost:5000", "@sha256:", "//",
	}
	rapid.Check(t, func(t *rapid.T) {
		input := seed
		for range rapid.IntRange(1, 6).Draw(t, "mutations") {
			at := rapid.IntRange(0, len(input)).Draw(t, "at")
			end := min(len(input), at+rapid.IntRange(0, 9).Draw(t, "cut"))
			input = input[:at] + rapid.SampledFrom(pieces).Draw(t, "piece") + input[end:]
		}
		_, err := parse(input)
		checkFindings(t, input, err)
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"",
		example,
		aliases("10: {amd64: 10.10, arm64: 10.20}", "latest: 10", "9: absent"),
		aliases("1: app@"+digest, `2: {newest: "2.x"}`, "3: &a 3.1", "4: *a", "5: !!str 5.1", "<<: {6: 6.1}"),
		policies("platforms: [amd64, linux/arm/v7]", "provenance: drop", "grace: 24h"),
		"locked: [prune, platforms]\nimages: {localhost/app: {policies: {prune: true, platforms: [amd64]}, aliases: {1: 1.1}}}\n",
		"registry: localhost:5000\nprofiles: {a: {aliases: {1: {from: ghcr.io}, 2: x:1}}, b: {use: [a], policies: {prune: true}}}\nuse: b\nimages: {app: , c: {use: []}}\n",
		"images:\n\tapp:\n",
		"? [a, {b: c}]\n: - |2-\n  d\n  - >+\n\n...\n---\n",
		"\ufeff%YAML 1.1\r\n---\r\nimages: {'a': \"\\x41\\u2028\"} # é\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		config, err := parse(input)
		if (config == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", config, err)
		}
		checkFindings(t, input, err)
	})
}

func BenchmarkParse(b *testing.B) {
	for _, count := range []int{100, 10_000} {
		var file strings.Builder
		file.WriteString("registry: localhost:5000\npolicies: {platforms: [amd64, arm64]}\nimages:\n  my-image:\n    aliases:\n")
		for i := range count {
			fmt.Fprintf(&file, "      %d.%d:\n        amd64: %[1]d.%[2]d.10\n        arm64: %[1]d.%[2]d.20\n", i/100, i%100)
		}
		b.Run(fmt.Sprintf("aliases=%d", count), func(b *testing.B) {
			b.SetBytes(int64(file.Len()))
			for b.Loop() {
				if _, err := parse(file.String()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
