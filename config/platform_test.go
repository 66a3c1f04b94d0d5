package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"pgregory.net/rapid"
)

func TestParsePlatform(t *testing.T) {
	for text, want := range map[string]Platform{
		"amd64":            {OS: "linux", Architecture: "amd64"},
		"linux/amd64":      {OS: "linux", Architecture: "amd64"},
		"arm64/v8":         {OS: "linux", Architecture: "arm64", Variant: "v8"},
		"arm/v7":           {OS: "linux", Architecture: "arm", Variant: "v7"},
		"linux/arm64/v9.2": {OS: "linux", Architecture: "arm64", Variant: "v9.2"},
		"386":              {OS: "linux", Architecture: "386"},
		"windows/amd64":    {OS: "windows", Architecture: "amd64"},
		"riscv64/rva23u64": {OS: "linux", Architecture: "riscv64", Variant: "rva23u64"},
		"wasi/wasm":        {OS: "wasi", Architecture: "wasm"},
		"wasip1/wasm":      {OS: "wasip1", Architecture: "wasm"},
		"wasip2/wasm":      {OS: "wasip2", Architecture: "wasm"},

		"windows(10.0.17763)/amd64":      {OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763"},
		"windows(10.0.17763.5458)/amd64": {OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.5458"},
		"windows/amd64:10.0.17763":       {OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763"},
		"windows/arm/v7:10.0.17763":      {OS: "windows", Architecture: "arm", Variant: "v7", OSVersion: "10.0.17763"},
		"freebsd(14.1-RELEASE)/arm64/v8": {OS: "freebsd", Architecture: "arm64", Variant: "v8", OSVersion: "14.1-RELEASE"},
	} {
		got, err := ParsePlatform(text)
		if err != nil || got != want {
			t.Errorf("ParsePlatform(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParsePlatformRefuses(t *testing.T) {
	const (
		expected = `expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64`
		version  = `expected os(version)/architecture, such as windows(10.0.17763)/amd64; linux has no version`
	)
	for text, want := range map[string]string{
		"":                            expected,
		"/":                           expected,
		"linux":                       expected,
		"linux/":                      expected,
		"amd64/":                      expected,
		"amd64/linux":                 expected,
		"amd64/v5":                    expected,
		"linux/amd64/v1/x":            expected,
		"linux amd64":                 expected,
		"all":                         expected,
		strings.Repeat("amd46/", 999): expected,
		"X64":                         `did you mean "amd64"?`,
		"linux/x86-64":                `did you mean "linux/amd64"?`,
		"i686":                        `did you mean "386"?`,
		"linux/armhf":                 `did you mean "linux/arm/v7"?`,
		"armel":                       `did you mean "arm/v5"?`,
		"armv6l":                      `did you mean "arm/v6"?`,
		"arm64/8":                     `did you mean "arm64/v8"?`,
		"win/amd64":                   `did you mean "windows/amd64"?`,
		"ppc64el":                     `did you mean "ppc64le"?`,
		"mips64el":                    `did you mean "mips64le"?`,
		"mipsel":                      `did you mean "mipsle"?`,
		"loongarch64":                 `did you mean "loong64"?`,
		"s309x":                       `did you mean "s390x"?`,

		"amd64:10.20":                          expected, // a space is missing
		"windows(10.0.17763)":                  expected,
		"linux/amd64:10.20":                    version,
		"linux(5.15)/amd64":                    version,
		"windows()/amd64":                      version,
		"windows/amd64:":                       version,
		"windows(10)/amd64":                    version,
		"windows(10.0.17763+win32k)/amd64":     version,
		"windows(10.0.17763/amd64":             version,
		"windows(10.0.17763)amd64/x":           version,
		"windows(10.0.17763)/amd64:10.0.17763": version,
		"windows/amd64(10.0.17763)":            version,
		"windows/amd64:10.0.17763:10.0.17763":  version,
		"windows(ltsc2022)/amd64":              version,
		"freebsd(.)/amd64":                     version,
		"Windows(10.0.17763)/x64":              `did you mean "windows(10.0.17763)/amd64"?`,
		"win/amd64:10.0.17763":                 `did you mean "windows(10.0.17763)/amd64"?`,
		"windows(10.0.17763.5458)/x86_64":      `did you mean "windows(10.0.17763.5458)/amd64"?`,
	} {
		_, err := ParsePlatform(text)
		if err == nil || !strings.HasSuffix(err.Error(), want) || !strings.HasPrefix(err.Error(), "platform "+quote(text)+" is unknown; ") {
			t.Errorf("ParsePlatform(%q): %v; want … %s", text, err, want)
		}
	}
}

func TestPlatformIs(t *testing.T) {
	for _, test := range []struct {
		have, wanted string
		is           bool
	}{
		{"arm64", "arm64/v8", true},
		{"linux/arm64/v8", "arm64", true},
		{"arm/v7", "arm", true},
		{"arm/v6", "arm", false},
		{"amd64/v3", "amd64", false},
		{"amd64/v1", "amd64", true},
		{"windows/amd64", "amd64", false},
		{"windows(10.0.17763.5458)/amd64", "windows/amd64", true},
		{"windows(10.0.17763.5458)/amd64", "windows(10.0.17763)/amd64", true},
		{"windows(10.0.17763.5458)/amd64", "windows(10.0.1776)/amd64", false},
		{"windows(10.0.17763.5458)/amd64", "windows(10.0.17763.545)/amd64", false},
		{"windows(10.0.20348)/amd64", "windows(10.0.17763)/amd64", false},
		{"windows/amd64", "windows(10.0.17763)/amd64", false},
	} {
		have, wanted := mustParse(t, test.have), mustParse(t, test.wanted)
		if have.Is(wanted) != test.is {
			t.Errorf("%s is %s: got %t", have, wanted, !test.is)
		}
	}

}

func mustParse(t testing.TB, text string) Platform {
	t.Helper()
	p, err := ParsePlatform(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An image may say less than an author, and nothing else.
func TestPlatformAdmits(t *testing.T) {
	for _, test := range []struct {
		says, author string
		admits       bool
	}{
		{"arm", "arm/v6", true},
		{"arm", "arm/v7", true},
		{"arm/v7", "arm/v6", false},
		{"arm/v6", "arm", false},
		{"arm/v6", "arm/v6", true},
		{"amd64", "amd64/v3", true},
		{"amd64/v1", "amd64/v3", false},
		{"amd64", "arm64", false},
		{"amd64", "windows/amd64", false},
		{"windows/amd64", "windows(10.0.17763)/amd64", true},
		{"windows(10.0.17763)/amd64", "windows(10.0.17763.5458)/amd64", true},
		{"windows(10.0.20348)/amd64", "windows(10.0.17763)/amd64", false},
	} {
		if got := mustParse(t, test.says).Admits(mustParse(t, test.author)); got != test.admits {
			t.Errorf("%s admits %s: got %t", test.says, test.author, got)
		}
	}
}

// An odd spelling serves nothing but itself, and is recognised.
func TestPlatformMisspelled(t *testing.T) {
	for _, test := range []struct {
		says Platform
		want string // "" if it is right, or not to be told
	}{
		{Platform{OS: "linux", Architecture: "amd64"}, ""},
		{Platform{OS: "linux", Architecture: "arm64", Variant: "8"}, ""},
		{Platform{OS: "linux", Architecture: "arm", Variant: "6"}, ""},
		{Platform{OS: "linux", Architecture: "amd64", Variant: "v8"}, "linux/amd64"},
		{Platform{OS: "linux", Architecture: "amd64/v8"}, "linux/amd64"},
		{Platform{OS: "linux", Architecture: "amd64/v3"}, "linux/amd64/v3"},
		{Platform{OS: "linux", Architecture: "x86_64"}, "linux/amd64"},
		{Platform{OS: "linux", Architecture: "x86_64", Variant: "v3"}, "linux/amd64/v3"},
		{Platform{OS: "Linux", Architecture: "amd64"}, "linux/amd64"},
		{Platform{OS: "linux", Architecture: "aarch64"}, "linux/arm64"},
		{Platform{OS: "linux", Architecture: "armhf"}, "linux/arm/v7"},
		{Platform{OS: "linux", Architecture: "i386"}, "linux/386"},
		{Platform{OS: "macOS", Architecture: "arm64"}, "darwin/arm64"},
		{Platform{OS: "Windows", Architecture: "amd64", OSVersion: "10.0.17763.1"}, "windows(10.0.17763.1)/amd64"},
		{Platform{OS: "linux", Architecture: "arm", Variant: "v9"}, ""},
		{Platform{OS: "linux", Architecture: "amd46"}, ""},
		{Platform{OS: "haiku", Architecture: "amd64"}, ""},
		{Platform{OS: "linux", Architecture: "./amd64"}, ""},
		{Platform{OS: "linux", Architecture: "../arm64"}, ""},
		{Platform{OS: "li(nux", Architecture: "a/b:c", Variant: "\x00"}, ""},
	} {
		meant, is := test.says.Misspelled()
		if is != (test.want != "") || meant.String() != test.want {
			t.Errorf("%+v: got %q, %t; want %q", test.says, meant, is, test.want)
		}
		if is && (test.says.Is(meant) || meant.Is(test.says)) {
			t.Errorf("%s and %s are the same", test.says, meant)
		}
		if !test.says.Is(test.says) {
			t.Errorf("%s is not itself", test.says)
		}
	}
}

func TestPlatformRunsOn(t *testing.T) {
	for _, test := range []struct {
		image, machine string
		runs           bool
	}{
		{"amd64", "amd64", true},
		{"amd64/v2", "amd64/v3", true},
		{"amd64/v3", "amd64", false},
		{"386", "amd64", false},
		{"arm", "arm64", false},
		{"arm/v6", "arm/v7", true},
		{"arm/v6", "arm", true},
		{"arm", "arm/v6", false},
		{"arm64/v8.5", "arm64/v9", true},
		{"arm64/v8.9", "arm64/v9", false}, // as v9.0 is made of v8.5
		{"arm64/v9.9", "arm64/v9.9", true},
		{"windows(10.0.20348)/amd64", "windows(10.0.26100)/amd64", true},
		{"windows(10.0.17763)/amd64", "windows(10.0.20348)/amd64", false},
		{"windows/amd64", "windows(10.0.20348)/amd64", true},
		{"linux/amd64", "windows/amd64", false},
	} {
		if got := mustParse(t, test.image).RunsOn(mustParse(t, test.machine)); got != test.runs {
			t.Errorf("%s runs on %s: got %t", test.image, test.machine, got)
		}
	}
}

// What tagline writes, containerd understands, and what containerd understands
// a compose file may say.
func TestPlatformsAreContainerds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Platform{OS: rapid.SampledFrom(systems).Draw(t, "os"), Architecture: rapid.SampledFrom(architectures).Draw(t, "architecture")}
		if p.OS != "linux" && rapid.Bool().Draw(t, "with a version") {
			p.OSVersion = rapid.StringMatching(`[0-9]{1,2}\.[0-9]\.[0-9]{5}(\.[0-9]{1,4})?`).Draw(t, "version")
		}
		if levels := map[string][]string{"arm": {"v5", "v6", "v7", "v8"}, "arm64": {"v8", "v9", "v9.2"}, "amd64": {"v1", "v4"}}[p.Architecture]; levels != nil {
			p.Variant = rapid.SampledFrom(append(levels, "")).Draw(t, "variant")
		}
		ours, err := ParsePlatform(p.String())
		if err != nil || ours != p {
			t.Fatalf("%+v is written as %s and read as %+v, %v", p, p, ours, err)
		}
		theirs, err := platforms.Parse(p.String())
		if err != nil || platforms.FormatAll(platforms.Normalize(theirs)) != platforms.FormatAll(platforms.Normalize(p.spec())) {
			t.Fatalf("containerd reads %s as %+v, %v", p, theirs, err)
		}
		if crane := p.OS + "/" + p.Architecture + "/" + cmp.Or(p.Variant, "-") + ":" + p.OSVersion; p.OSVersion != "" {
			if got, err := ParsePlatform(strings.Replace(crane, "/-", "", 1)); err != nil || got != p {
				t.Fatalf("%s is read as %+v, %v", crane, got, err)
			}
		}
	})
	for _, text := range []string{"linux/../amd64", "./amd64", "linux/amd64/.", "linux", "*", "windows(10.0.17763+win32k)/amd64"} {
		if got, err := ParseLoosePlatform(text); err == nil {
			t.Errorf("%s is read as %s", text, got)
		}
	}
	for text, meant := range map[string]string{
		"linux/amd46": "linux/amd64", "linux/arm46": "linux/arm64", "lin/amd64": "linux/amd64", "linux/amd64x": "linux/amd64",
		"linux/mips128": "linux/mips", "amd46": "amd64", "Linx/x86_64": "linux/amd64", "windws(10.0.17763)/amd64": "windows(10.0.17763)/amd64",
	} {
		_, err := ParseLoosePlatform(text)
		if want := fmt.Sprintf("platform %q is unknown; did you mean %q?", text, meant); err == nil || err.Error() != want {
			t.Errorf("%s: got error %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"x86_64": "linux/amd64", "linux/aarch64": "linux/arm64", "armel": "linux/arm/v6", "linux/armhf": "linux/arm/v7",
		"Linux/AMD64": "linux/amd64", "linux/arm64/8": "linux/arm64", "macos/arm64": "darwin/arm64",
		"windows(10.0.17763)/x86_64": "windows(10.0.17763)/amd64", "linux/x64": "linux/amd64",
	} {
		if got, err := ParseLoosePlatform(text); err != nil || got.String() != want {
			t.Errorf("%s is read as %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestPlatformString(t *testing.T) {
	for want, p := range map[string]Platform{
		"":             {},
		"linux/arm64":  {OS: "linux", Architecture: "arm64"},
		"linux/arm/v7": {OS: "linux", Architecture: "arm", Variant: "v7"},

		"windows(10.0.1.2)/amd64":  {OS: "windows", Architecture: "amd64", OSVersion: "10.0.1.2"},
		"darwin(macOS 14.3)/arm64": {OS: "darwin", Architecture: "arm64", OSVersion: "macOS 14.3"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPlatformCompare(t *testing.T) {
	ordered := []Platform{
		{},
		{OS: "linux", Architecture: "amd64"},
		{OS: "linux", Architecture: "amd64", Variant: "v3"},
		{OS: "linux", Architecture: "arm64", Variant: "v8"},
		{OS: "linux", Architecture: "386"},
		{OS: "linux", Architecture: "arm", Variant: "v7"},
		{OS: "linux", Architecture: "arm", Variant: "v6"},
		{OS: "darwin", Architecture: "arm64"},
		{OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.1"},
		{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348.1"},
	}
	shuffled := slices.Clone(ordered[1:])
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, Platform.Compare)
	if !slices.Equal(shuffled, ordered[1:]) {
		t.Errorf("got %v", shuffled)
	}
}
