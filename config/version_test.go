package config

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The table of versions.md says of each tag what it is.
func TestTableOfTags(t *testing.T) {
	page, err := os.ReadFile("versions.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, row := range tableRows(string(page), "tag", "numbers") {
		tag, numbers, prerelease, revision, variant, is := row[0], row[1], row[2], row[3], row[4], row[5]
		count++
		v, err := ParseVersion(tag)
		if (numbers == "") != (err != nil) {
			t.Errorf("%s: %+v, %v", tag, v, err)
			continue
		}
		if err != nil {
			if !strings.HasPrefix(is, "not a version") {
				t.Errorf("%s is %q, and the page says %q", tag, err, is)
			}
			continue
		}
		var given []string
		for _, n := range v.numbers[:v.count] {
			given = append(given, strconv.FormatUint(n, 10))
		}
		if got := strings.Join(given, " "); got != numbers || v.Prerelease != prerelease || v.Revision != revision || v.Variant != variant {
			t.Errorf("%s has numbers %q, prerelease %q, revision %q, variant %q", tag, got, v.Prerelease, v.Revision, v.Variant)
		}
		float := ""
		if of := regexp.MustCompile(`float beside (\S+)`).FindStringSubmatch(is); of != nil {
			float = of[1]
			if !v.FloatOf(version(t, of[1])) {
				t.Errorf("%s is no float of %s", tag, of[1])
			}
		}
		want := "version"
		switch {
		case v.Calendar:
			want = "calendar version"
		case float != "":
			want = "version, and a float beside " + float
		case v.dated && strings.Contains(is, "or"):
			want = "version, or a calendar version"
		case v.Prerelease != "":
			want = "prerelease"
		}
		if is != want {
			t.Errorf("%s is %q, want %q", tag, is, want)
		}
	}
	if count < 50 {
		t.Errorf("the table has %d tags", count)
	}
	count = 0
	for _, row := range tableRows(string(page), "`tags`", "tag") {
		count++
		pattern, tag, of, platform := row[0], row[1], row[2], row[3]
		p, err := ParseTagPattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		v, err := p.version(tag)
		if of == "" {
			if err == nil {
				t.Errorf("%s takes %s for %+v", pattern, tag, v)
			}
			continue
		}
		if err != nil || v.Tag != tag || v.Compare(version(t, of)) != 0 || strings.TrimPrefix(v.Platform.String(), "linux/") != platform {
			t.Errorf("%s reads %s as %+v, %v", pattern, tag, v, err)
		}
	}
	if count < 8 {
		t.Errorf("the second table has %d tags", count)
	}
}

// tableRows returns the cells, without the marks of code, of the table of a page
// whose heading has these first columns.
func tableRows(page string, first, second string) (rows [][]string) {
	inside := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "| "+first+" | "+second+" |"):
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside && !strings.HasPrefix(line, "| ---"):
			var cells []string
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.ReplaceAll(strings.TrimSpace(cell), "`", ""))
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

func version(t *testing.T, tag string) Version {
	t.Helper()
	v, err := ParseVersion(tag)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVersionsInOrder(t *testing.T) {
	want := []string{
		"0.9", "1.2.3", "1.2.3-r3", "1.2.3-r4", "1.2.3-r10", "1.10", "3.12.0", "3.12.0-1", "3.12.0-2", "10.9",
		"10.10-alpha", "10.10-beta2", "10.10-rc.1", "10.10rc2", "10.10-rc10", "10.10", "10.10-debian-12-r3", "10.10.1", "v10.11",
		"12.5.5", "12.5.5.201", "12.5.6", "24.04", "24.10", "2024.1.5", "2024.10.1",
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b string) int { return version(t, a).Compare(version(t, b)) })
	if !slices.Equal(got, want) {
		t.Errorf("order is %q", got)
	}
	if version(t, "10.10").Compare(version(t, "v10.10.0-alpine")) != 0 {
		t.Error("10.10 and v10.10.0-alpine are different versions")
	}
}

func TestCovers(t *testing.T) {
	for of, covered := range map[string][]string{
		"1.21":   {"1.21.0", "1.21.3", "1.21.3-r4", "1.21-r4"},
		"1.2.3":  {"1.2.3-r4", "1.2.3.4"},
		"1.2-r4": {"1.2.3-r4"},
	} {
		for _, tag := range []string{"1.21", "1.21.0", "1.21.3", "1.21.3-r4", "1.21-r4", "1.2.3", "1.2.3-r4", "1.2.3.4", "1.2-r4", "1.22.0", "1.21.3-rc1", "1.210.0"} {
			if got := version(t, of).Covers(version(t, tag)); got != slices.Contains(covered, tag) {
				t.Errorf("%s covers %s: %v", of, tag, got)
			}
		}
	}
}

// anyTag draws tags of every scheme, few enough that many are alike.
func anyTag() *rapid.Generator[string] {
	return rapid.StringMatching(`v?(0|1|2|10|24|2024)\.(0|1|04|10|12)(\.(0|1|2|05)(\.(0|3|201))?)?(rc1|b2)?(-(rc\.?1|rc02|beta|alpha\.1))?(-(1|2|20240105))?(-(alpine|slim|debian-12))?(-(r1|ls101|p2))?`)
}

func anyVersion(t *rapid.T, name string) Version {
	return rapid.Custom(func(t *rapid.T) Version {
		v, _ := ParseVersion(anyTag().Draw(t, "tag"))
		return v
	}).Filter(func(v Version) bool { return v.Tag != "" }).Draw(t, name)
}

func TestOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyVersion(t, "a"), anyVersion(t, "b"), anyVersion(t, "c")
		if a.Compare(a) != 0 || a.Compare(b) != -b.Compare(a) {
			t.Fatalf("%s and %s: %d, %d", a.Tag, b.Tag, a.Compare(b), b.Compare(a))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("%s <= %s <= %s, and %s > %s", a.Tag, b.Tag, c.Tag, a.Tag, c.Tag)
		}
		if a.Compare(b) == 0 && a.Compare(c) != b.Compare(c) {
			t.Fatalf("%s = %s, but not beside %s", a.Tag, b.Tag, c.Tag)
		}
	})
}

// A bound of a range cuts the order of versions once.
func TestRangesFollowTheOrder(t *testing.T) {
	bound := rapid.StringMatching(`(0|1|2|10|24)(\.(0|1|4|10)(\.(0|1|2)(\.(0|3|201))?)?)?`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{">", ">=", "<", "<="}).Draw(t, "operator") + bound.Draw(t, "bound")
		r, err := ParseRange(text, false)
		if err != nil {
			t.Fatal(err)
		}
		a, b := anyVersion(t, "a"), anyVersion(t, "b")
		a.Prerelease, a.unstable, b.Prerelease, b.unstable = "", "", "", "" // a prerelease counts as its release
		if a.Compare(b) > 0 {
			a, b = b, a
		}
		if text[0] == '>' && r.Has(a) && !r.Has(b) || text[0] == '<' && r.Has(b) && !r.Has(a) {
			t.Fatalf("%s <= %s, and %s has %v, %v", a.Tag, b.Tag, text, r.Has(a), r.Has(b))
		}
		not, err := ParseRange(strings.NewReplacer(">=", "<", "<=", ">", ">", "<=", "<", ">=").Replace(text), false)
		if err != nil {
			t.Fatal(err)
		}
		if r.Has(a) == not.Has(a) {
			t.Fatalf("%s and %s agree on %s", text, not.Text, a.Tag)
		}
	})
}

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		text     string
		has, not []string
	}{
		{"10.x", []string{"10.0", "10.20", "v10.20.3", "10.21-rc.1", "10.0-rc.1", "10.1.2.3", "10.1-r3"}, []string{"9.9", "11.0", "11.0-rc.1"}},
		{"<11", []string{"10.20", "10.21-rc.1"}, []string{"11.0", "11.0-rc.1"}},
		{"1.2 - 1.4", []string{"1.2", "1.4.9"}, []string{"1.5"}},
		{">=1.2 <2", []string{"1.2", "1.99.1"}, []string{"1.1", "2.0"}},
		{"^1.4 || ~2.1", []string{"1.5", "2.1.9"}, []string{"1.3", "2.2"}},
		{"*", []string{"0.1", "99.0", "1.0-rc1"}, nil},
		{"10.20", []string{"10.20", "v10.20.0", "10.20.1"}, []string{"10.21"}},
		{"=10.20.0", []string{"10.20", "10.20.0.1", "10.20.0-2"}, []string{"10.20.1"}},
		{">=12.5.5.200 <13", []string{"12.5.5.200", "12.5.5.201", "12.6"}, []string{"12.5.5", "12.5.5.199", "13.0"}},
		{"12.x !=12.5.5.201", []string{"12.5.5.200", "12.5.5"}, []string{"12.5.5.201"}},
		{"<12.5.5.201, >=12 || =13.0.0.1", []string{"12.5.5.200", "13.0.0.1"}, []string{"12.5.5.201", "13.0"}},
	} {
		r, err := ParseRange(test.text, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range test.has {
			if !r.Has(version(t, tag)) {
				t.Errorf("%q has no %s", test.text, tag)
			}
		}
		for _, tag := range test.not {
			if r.Has(version(t, tag)) {
				t.Errorf("%q has %s", test.text, tag)
			}
		}
	}
	for _, text := range []string{
		"", "  ", "ten", "10.x.x.x.x", ">=", "1.2 ||", "10.x-alpine", "10.6-beta.1", "^10.1-0", "*-alpine", "010.x", "10.02", ">=1.2 <02",
		"^1.2.3.4", "~1.2.3.4", "1.2.3.4 - 1.3", "1.2.3.4.5", ">=1.2.3.99999999999999999999", ">><1.2.3.4",
	} {
		if r, err := ParseRange(text, false); err == nil {
			t.Errorf("%q is accepted as %+v", text, r)
		}
	}
	r, err := ParseRange(">=24.04 <2025.01", true)
	if err != nil || !r.Has(version(t, "24.04")) || !r.Has(version(t, "24.10")) || r.Has(version(t, "22.04")) || r.Has(version(t, "2025.1")) {
		t.Errorf("calendar range: %+v, %v", r, err)
	}
	if _, err := ParseRange(">=24.04", false); err == nil || !strings.Contains(err.Error(), "versioning: calendar") {
		t.Errorf("error %v", err)
	}
}

func TestExcludedVersions(t *testing.T) {
	for _, test := range []struct {
		text, tag string
		want      bool
	}{
		{">=2 <3 !=2.3.2", "2.3.2", true}, {">=2 <3 !=2.3.2", "2.3.2-r1", true}, {">=2, <3, != v2.3.2", "2.3.2", true},
		{">=2 <3 !=2.3.2", "2.3.1", false}, {">=2 <3 !=2.3.2", "3.0", false}, {">=2 <2.3", "2.3.2", false},
		{"2.x !=2.3", "2.3.2", true}, {"2.x !=2.3.x", "2.3.2", true}, {"2.x !=2.3.2.1", "2.3.2.1", true}, {"2.x !=2.3.2.1", "2.3.2", false},
		{"2.x !=2.3.2 || =2.3.2", "2.3.2", false},
	} {
		r, err := ParseRange(test.text, false)
		if err != nil {
			t.Fatal(test.text, err)
		}
		if got := r.Excludes(version(t, test.tag)); got != test.want {
			t.Errorf("%q excludes %s: %v", test.text, test.tag, got)
		}
	}
}

func TestPossibleRanges(t *testing.T) {
	for text, want := range map[string]bool{
		"10.x": true, "*": true, ">=1.2 <2": true, ">1.2.3 <1.2.5": true, "<1": true, "!=1.0.0": true, ">7": true,
		">2 <1": false, ">=2.0 <2.0": false, ">1.2.3 <1.2.4": false, "<0.0.0": false, ">2 <1 || >4 <3": false, "9.x 10.x": false,
		">2 <1 || 3.x": true, ">1.2.3.4 <1.2.3.6": true, ">1.2.3.4 <1.2.3.5": false, ">1.2.3.4 <1.2.4": true,
	} {
		r, err := ParseRange(text, false)
		if err != nil {
			t.Fatal(text, err)
		}
		if r.Possible() != want {
			t.Errorf("%q possible: %v", text, !want)
		}
	}
}

func TestTagPatterns(t *testing.T) {
	for _, text := range []string{
		"", "{arch}", "ubi", "{version}{arch}", "{version}-{version}", "{version}-{arch}-{arch}", "{version}-{os}", "{version", "{version}+x", "{version} x",
	} {
		if p, err := ParseTagPattern(text); err == nil {
			t.Errorf("%q is accepted as %+v", text, p)
		}
	}
	for tag, want := range map[string]string{
		"13.34.0-ubi-amd64": "{version}-ubi-{arch}", "amd64-1.2.3": "{arch}-{version}", "arm64v8-1.2.3-ls101": "{arch}-{version}",
		"release-1.2.3": "release-{version}", "app-v1.2.3-aarch64": "app-{version}-{arch}",
		"1.2.3": "", "1.2.3-alpine": "", "latest": "", "amd64-latest": "", "1a2b3c4": "", "sha-1a2b3c4": "",
	} {
		if got, v, ok := SuggestTags(tag); got != want || ok != (want != "") || ok && v.Tag != tag {
			t.Errorf("%s suggests %q of %+v", tag, got, v)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	page, err := os.ReadFile("versions.md")
	if err != nil {
		f.Fatal(err)
	}
	for _, row := range tableRows(string(page), "tag", "numbers") {
		f.Add(row[0])
	}
	pattern, err := ParseTagPattern("{version}-ubi-{arch}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		_, _, _ = SuggestTags(tag)
		if v, err := pattern.version(tag); err == nil && (v.Tag != tag || v.Platform == (Platform{})) {
			t.Errorf("%q is %+v", tag, v)
		}
		v, err := ParseVersion(tag)
		if err != nil {
			if v != (Version{}) || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q is %+v, %v", tag, v, err)
			}
			return
		}
		if v.Tag != tag || v.Compare(v) != 0 || v.FloatOf(v) {
			t.Errorf("%q is %+v", tag, v)
		}
		for _, part := range []string{v.Prerelease, v.Variant} {
			if !strings.Contains(tag, part) {
				t.Errorf("%q has no %q", tag, part)
			}
		}
	})
}
