package config

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	got, err := parse(`# yaml-language-server: $schema=./config/images.schema.json
registry: localhost:5000

policies:
  platforms: [arm64, amd64]
  provenance: drop

images:
  my-image:
    policies: {grace: 48h}
    aliases:
      latest: 10
      10:
        arm64: 10.20
        amd64: 10.10
      9: absent
  ghcr.io/team/other:
    aliases:
      1: my-image@sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb
`)
	if err != nil {
		t.Fatal(err)
	}
	at := func(line, column int) Pos { return Pos{"images.yaml", line, column} }
	amd64, arm64 := Platform{OS: "linux", Architecture: "amd64"}, Platform{OS: "linux", Architecture: "arm64"}
	settings := func(grace Setting) Settings {
		return Settings{
			"platforms":  {Platforms: []Platform{amd64, arm64}, Pos: at(5, 14)},
			"provenance": {Value: "drop", Pos: at(6, 15)},
			"prune":      {Value: "false"},
			"grace":      grace,
		}
	}
	mine := Repository{"localhost:5000", "my-image"}
	want := &Config{
		SHA256:   got.SHA256,
		Registry: "localhost:5000", HostPos: at(2, 11),
		Files: 1,
		Listed: []Listed{
			{Name: "ghcr.io/team/other", Repository: Repository{"ghcr.io", "team/other"}, Aliases: 1, Pos: at(17, 3)},
			{Name: "my-image", Repository: mine, Aliases: 3, Pos: at(9, 3)},
		},
		Images: []Image{
			{
				Name: "ghcr.io/team/other", Repository: Repository{"ghcr.io", "team/other"}, Pos: at(17, 3),
				Policies: settings(Setting{Value: "24h", Duration: 24 * time.Hour}),
				Aliases: []Alias{{Tag: "1", Pos: at(19, 7), Sources: []Source{{
					Repository: Repository{"ghcr.io", "my-image"}, Digest: digest, Text: "my-image@" + digest, Pos: at(19, 10),
				}}}},
			},
			{
				Name: "my-image", Repository: mine, Pos: at(9, 3),
				Policies: settings(Setting{Value: "48h", Duration: 48 * time.Hour, Pos: at(10, 23)}),
				Used:     map[string]string{"10": `alias "latest" of my-image`, "10.10": `alias "10" of my-image`, "10.20": `alias "10" of my-image`},
				Aliases: []Alias{
					{Tag: "9", Absent: true, Pos: at(16, 7)},
					{Tag: "10", Pos: at(13, 7), Sources: []Source{
						{Platform: amd64, Repository: mine, Tag: "10.10", Text: "10.10", Pos: at(15, 16)},
						{Platform: arm64, Repository: mine, Tag: "10.20", Text: "10.20", Pos: at(14, 16)},
					}},
					{Tag: "latest", Pos: at(12, 7), Sources: []Source{
						{Repository: mine, Tag: "10", Alias: true, Text: "10", Pos: at(12, 15)},
					}},
				},
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// What any image takes from a repository is known to the image of that
// repository, under whatever name of its host.
func TestParseRelatesImages(t *testing.T) {
	const digest = "sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb"
	got, err := parse(`
registry: localhost:5000
images:
  base: {aliases: {1: 1.1}}
  app: {aliases: {a: "base:2", b: "127.0.0.1:5000/base@` + digest + `", c: {amd64: "[::1]:5000/base:3"}, d: "localhost:5001/base:4"}}
`)
	if err != nil {
		t.Fatal(err)
	}
	base := got.Images[1]
	want := map[string]string{"1.1": `alias "1" of base`, "2": `alias "a" of app`, "3": `alias "c" of app`}
	if base.Name != "base" || !maps.Equal(base.Used, want) || !slices.Equal(base.Pinned, []string{digest}) {
		t.Errorf("got %+v", base)
	}
}

func TestParseDigestsTheFile(t *testing.T) {
	got, err := parse("\ufeffimages: {localhost/app: {aliases: {1: 1.1}}}\r\n")
	if err != nil {
		t.Fatal(err)
	}
	// printf '\ufeffimages: {localhost/app: {aliases: {1: 1.1}}}\r\n' | sha256sum
	if want := "500f55181b96fc81c06b92a58d5d377f58bc5b9a77f0f699645a8ce2cda602f3"; got.SHA256 != want {
		t.Errorf("SHA256 = %s, want %s", got.SHA256, want)
	}
}

// summary has a line for each source: "host/path:alias [platform] <- source".
func summary(c *Config) string {
	var lines []string
	for _, image := range c.Images {
		for _, alias := range image.Aliases {
			name := image.Repository.String() + ":" + alias.Tag
			if alias.Absent {
				lines = append(lines, name+" absent")
			}
			for _, s := range alias.Sources {
				line := fmt.Sprintf("%s [%s] <- %s %s", name, s.Platform, s.Repository, cmp.Or(s.Reference(), s.Text))
				if s.Alias {
					line += " (alias)"
				}
				lines = append(lines, line)
			}
		}
	}
	return strings.Join(lines, "\n")
}

func TestParseAccepts(t *testing.T) {
	for _, test := range []struct{ name, input, want string }{
		{"host in the key", "images: {ghcr.io/team/app: {aliases: {1: 1.1}}}", `ghcr.io/team/app:1 [] <- ghcr.io/team/app 1.1`},
		{"host with a port", "images: {'registry.example:8443/app': {aliases: {1: 1.1}}}", `registry.example:8443/app:1 [] <- registry.example:8443/app 1.1`},
		{"IPv6 host", "images: {'[0:0::1]:5000/app': {aliases: {1: 1.1}}}", `[::1]:5000/app:1 [] <- [::1]:5000/app 1.1`},
		{"default registry", "registry: GHCR.io:443\nimages: {team/app: {aliases: {1: 1.1}}}", `ghcr.io/team/app:1 [] <- ghcr.io/team/app 1.1`},
		{"Docker Hub", "registry: registry-1.docker.io\nimages: {nginx: {aliases: {1: team/app:1.1}}}", `docker.io/library/nginx:1 [] <- docker.io/team/app 1.1`},
		{"forms of a source", aliases(
			"1: 1.1",
			"2: "+digest,
			"3: other:3.1",
			"4: other@"+digest,
			"5: localhost/team/other:5.1",
			"6: docker.io/nginx@"+digest,
			"7: localhost:5000",
		), `
localhost:5000/app:1 [] <- localhost:5000/app 1.1
localhost:5000/app:2 [] <- localhost:5000/app ` + digest + `
localhost:5000/app:3 [] <- localhost:5000/other 3.1
localhost:5000/app:4 [] <- localhost:5000/other ` + digest + `
localhost:5000/app:5 [] <- localhost/team/other 5.1
localhost:5000/app:6 [] <- docker.io/library/nginx ` + digest + `
localhost:5000/app:7 [] <- localhost:5000/localhost 5000`},
		{"a source is relative to its image's host", "registry: localhost:5000\nimages: {ghcr.io/team/app: {aliases: {1: other:1.1}}}", `ghcr.io/team/app:1 [] <- ghcr.io/other 1.1`},
		{"platforms", aliases(
			"1: {windows/amd64: 1.1, s390x: 1.2, arm64/v8: 1.3, linux/arm/v7: 1.4, amd64/v3: 1.5, amd64: 1.6, arm/v6: 1.7}",
		), `
localhost:5000/app:1 [linux/amd64] <- localhost:5000/app 1.6
localhost:5000/app:1 [linux/amd64/v3] <- localhost:5000/app 1.5
localhost:5000/app:1 [linux/arm64/v8] <- localhost:5000/app 1.3
localhost:5000/app:1 [linux/arm/v7] <- localhost:5000/app 1.4
localhost:5000/app:1 [linux/arm/v6] <- localhost:5000/app 1.7
localhost:5000/app:1 [linux/s390x] <- localhost:5000/app 1.2
localhost:5000/app:1 [windows/amd64] <- localhost:5000/app 1.1`},
		{"versions of Windows, and WASI", aliases(
			"1: {windows/amd64:10.0.20348: 1.2, windows(10.0.17763.5458)/amd64: 1.1, wasi/wasm: 1.3}",
		), `
localhost:5000/app:1 [wasi/wasm] <- localhost:5000/app 1.3
localhost:5000/app:1 [windows(10.0.17763.5458)/amd64] <- localhost:5000/app 1.1
localhost:5000/app:1 [windows(10.0.20348)/amd64] <- localhost:5000/app 1.2`},
		{"aliases of aliases", aliases(
			"latest: localhost:5000/app:11",
			"stable: {amd64: latest, arm64: app:10, s390x: other:10}",
			"11: 11.2",
			"10: 10.3",
		), `
localhost:5000/app:10 [] <- localhost:5000/app 10.3
localhost:5000/app:11 [] <- localhost:5000/app 11.2
localhost:5000/app:latest [] <- localhost:5000/app 11 (alias)
localhost:5000/app:stable [linux/amd64] <- localhost:5000/app latest (alias)
localhost:5000/app:stable [linux/arm64] <- localhost:5000/app 10 (alias)
localhost:5000/app:stable [linux/s390x] <- localhost:5000/other 10`},
		{"newest", aliases(
			`1: {newest: "1.x", variant: alpine3.20, prereleases: true}`,
			`2: {newest: ">=12.5.5.200 <13 !=12.6", versioning: semver}`,
			`3: {newest: ">=24.04 <25", versioning: calendar}`,
			`4: {newest: 4, tags: "release-{version}"}`,
			`5: {amd64: {newest: "5.x", tags: "{version}-ubi-{arch}"}, arm64: {newest: "5.x", tags: "{arch}-{version}"}}`,
		), `
localhost:5000/app:1 [] <- localhost:5000/app newest 1.x
localhost:5000/app:2 [] <- localhost:5000/app newest >=12.5.5.200 <13 !=12.6
localhost:5000/app:3 [] <- localhost:5000/app newest >=24.04 <25
localhost:5000/app:4 [] <- localhost:5000/app newest 4
localhost:5000/app:5 [linux/amd64] <- localhost:5000/app newest 5.x
localhost:5000/app:5 [linux/arm64] <- localhost:5000/app newest 5.x`},
		{"absent", aliases("9: absent", "8: 'absent'", "7: app:absent"), `
localhost:5000/app:7 [] <- localhost:5000/app absent
localhost:5000/app:8 absent
localhost:5000/app:9 absent`},
		{"order of aliases", aliases("1.10: a", "1.9: a", "2: a", "10: a", "v1: a", "1.9-alpine: a"), `
localhost:5000/app:1.9 [] <- localhost:5000/app a
localhost:5000/app:1.9-alpine [] <- localhost:5000/app a
localhost:5000/app:1.10 [] <- localhost:5000/app a
localhost:5000/app:2 [] <- localhost:5000/app a
localhost:5000/app:10 [] <- localhost:5000/app a
localhost:5000/app:v1 [] <- localhost:5000/app a`},
		{"block scalars without a line break", aliases("1: >-", "  1.1", "2: |-", "  2.1"), `
localhost:5000/app:1 [] <- localhost:5000/app 1.1
localhost:5000/app:2 [] <- localhost:5000/app 2.1`},
		{"quoted null", aliases(`1: "null"`, `"null": 'Null'`), `
localhost:5000/app:1 [] <- localhost:5000/app null (alias)
localhost:5000/app:null [] <- localhost:5000/app Null`},
		{"byte order mark and CRLF", "\ufeff" + strings.ReplaceAll(aliases("1: 1.1", "2: 2.1"), "\n", "\r\n"), `
localhost:5000/app:1 [] <- localhost:5000/app 1.1
localhost:5000/app:2 [] <- localhost:5000/app 2.1`},
		{"end of document", aliases("1: 1.1") + "...\n# nothing more\n", `localhost:5000/app:1 [] <- localhost:5000/app 1.1`},
		{"start of document", "%YAML 1.1\n---\n" + aliases("1: 1.1"), `localhost:5000/app:1 [] <- localhost:5000/app 1.1`},
		{"JSON", `{"registry": "localhost:5000", "images": {"app": {"aliases": {"1": "1.1"}}}}`, `localhost:5000/app:1 [] <- localhost:5000/app 1.1`},
		{"policies of nothing", "policies: {}\nimages: {localhost/app: {policies: {}, aliases: {1: 1.1}}}", `localhost/app:1 [] <- localhost/app 1.1`},
		{"longest tag", aliases("1: " + strings.Repeat("a", 128)), `localhost:5000/app:1 [] <- localhost:5000/app ` + strings.Repeat("a", 128)},
		{"the example in a message", example, `localhost:5000/my-image:latest [] <- localhost:5000/my-image 10.10`},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, err := parse(test.input)
			if err != nil {
				t.Fatalf("input:\n%s\n%v", test.input, err)
			}
			if got := summary(config); got != strings.TrimSpace(test.want) {
				t.Errorf("input:\n%s\ngot:\n%s\nwant:\n%s", test.input, got, test.want)
			}
			goodForSchema(t, test.input)
		})
	}
}

// Each of these is something else than text to YAML 1.1 or 1.2.
func TestScalarsAreText(t *testing.T) {
	for _, text := range []string{
		"10.10", "10.0", "1e3", "1E3", "010", "0o10", "0x1F", "0b11", "1_000", "100000000000000000000",
		"2026-01-02", "yes", "No", "on", "true", "FALSE", "y", "_", "0", "00", "1.", "NaN", "inf",
	} {
		for _, spelling := range []string{text, `"` + text + `"`, "'" + text + "'"} {
			goodForSchema(t, aliases(spelling+": other:"+text, "alias:", "  amd64: "+spelling))
			config, err := parse(aliases(spelling+": other:"+text, "alias:", "  amd64: "+spelling))
			if err != nil {
				t.Errorf("%s: %v", spelling, err)
				continue
			}
			for _, alias := range config.Images[0].Aliases {
				s := alias.Sources[0]
				if s.Tag != text || alias.Tag == "alias" && !s.Alias || alias.Tag != "alias" && alias.Tag != text {
					t.Errorf("%s: %+v", spelling, alias)
				}
			}
		}
	}
}

func TestImagePoliciesOverrideKeyByKey(t *testing.T) {
	config, err := parse(`
policies: {platforms: [amd64], provenance: drop, grace: 1h}
images:
  localhost/a: {aliases: {1: 1.1}}
  localhost/b: {aliases: {1: 1.1}, policies: {provenance: keep, platforms: [arm64]}}
`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]string{
		{"platforms": "[linux/amd64]", "provenance": "drop", "prune": "false", "grace": "1h"},
		{"platforms": "[linux/arm64]", "provenance": "keep", "prune": "false", "grace": "1h"},
	} {
		got := map[string]string{}
		for name, setting := range config.Images[i].Policies {
			if got[name] = setting.Value; name == "platforms" {
				got[name] = fmt.Sprint(setting.Platforms)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", config.Images[i].Name, got, want)
		}
	}
}

func TestRegistryOption(t *testing.T) {
	const both = "registry: ghcr.io\nimages: {app: {aliases: {1: 1.1}}, quay.io/app: {aliases: {1: 1.1}}}"
	for _, test := range []struct{ name, input, registry, want string }{
		{"overrides the file", both, "Localhost:5000", "localhost:5000: localhost:5000/app quay.io/app"},
		{"is not given", both, "", "ghcr.io: ghcr.io/app quay.io/app"},
		{"stands in for the file's", strings.TrimPrefix(both, "registry: ghcr.io\n"), "docker.io", "docker.io: docker.io/library/app quay.io/app"},
		{"does not hide a problem of the file's", strings.Replace(both, "ghcr.io", "ghcr", 1), "localhost:5000", `images.yaml:1:11: error[invalid-registry]: registry "ghcr" is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"`},
		{"is refused", both, "https://ghcr.io", `--registry: error[invalid-registry]: registry "https://ghcr.io" has a scheme; write "ghcr.io"`},
		{"is refused with the rest", "images: {}", "ghcr.io/team", `
--registry: error[invalid-registry]: registry "ghcr.io/team" has a path; write "ghcr.io", and the path in the names of the images
images.yaml:1:9: error[missing-images]: images is empty; expected "images:" with at least one repository`},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, err := Parse("images.yaml", []byte(test.input), Options{Registry: test.registry})
			got := fmt.Sprint(err)
			if err == nil {
				got = fmt.Sprint(config.Registry, ": ", config.Images[0].Repository, " ", config.Images[1].Repository)
			}
			if got != strings.TrimSpace(test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestParseReportsEverything(t *testing.T) {
	input, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/everything.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, got := parse(string(input))
	if got == nil || got.Error()+"\n" != string(want) {
		t.Errorf("got\n%v\nwant\n%s", got, want)
	}
	badForSchema(t, "everything", string(input))
}

func TestFindingsNameTheirAlias(t *testing.T) {
	_, err := parse(aliases("9: 9", "10: 9", "11: {x64: 11.1}", "a b: 12.1", "13: absent", "14: 13", "10: 10.1", "15: []") + "version: 3\n")
	var got []string
	for _, f := range leaves(t, err) {
		got = append(got, fmt.Sprintf("%s %q", f.ID, f.Alias))
	}
	want := []string{
		`alias-cycle "9"`, `invalid-platform "11"`, `invalid-tag ""`, `absent-source "14"`,
		`duplicate-key ""`, `wrong-type "15"`, `unknown-field ""`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
