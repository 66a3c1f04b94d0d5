package config

import (
	"slices"
	"strings"
	"testing"
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
		"wasip1/wasm":      {OS: "wasip1", Architecture: "wasm"},
	} {
		got, err := ParsePlatform(text)
		if err != nil || got != want {
			t.Errorf("ParsePlatform(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParsePlatformRefuses(t *testing.T) {
	const expected = `expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64`
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
	} {
		have, err := ParsePlatform(test.have)
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := ParsePlatform(test.wanted)
		if err != nil {
			t.Fatal(err)
		}
		if have.Is(wanted) != test.is {
			t.Errorf("%s is %s: got %t", have, wanted, !test.is)
		}
	}

	server := Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348.2966"}
	if plain := (Platform{OS: "windows", Architecture: "amd64"}); !server.Is(plain) || plain.Is(server) {
		t.Errorf("%s has to serve %s, and not the other way round", server, plain)
	}
}

func TestPlatformString(t *testing.T) {
	for want, p := range map[string]Platform{
		"":                         {},
		"linux/arm64":              {OS: "linux", Architecture: "arm64"},
		"linux/arm/v7":             {OS: "linux", Architecture: "arm", Variant: "v7"},
		"windows/amd64 (10.0.1.2)": {OS: "windows", Architecture: "amd64", OSVersion: "10.0.1.2"},
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
