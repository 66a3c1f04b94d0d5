package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/go-multierror"
)

// testPolicies has one policy of each kind, and one with a planned value.
func testPolicies() []PolicyKey {
	same := func(least, value Setting) bool { return least.Value == value.Value }
	more := func(least, value Setting) bool { return len(value.Platforms) >= len(least.Platforms) }
	return []PolicyKey{
		{Name: "platforms", Kind: PlatformList, Holds: more, Stricter: "more platforms"},
		{Name: "provenance", Values: []string{"keep", "drop", "purge"}, Default: "keep", Deletes: "purge", Holds: same},
		{Name: "prune", Values: []string{"false", "true"}, Default: "false", Deletes: "true", Holds: same},
		{Name: "grace", Kind: Duration, Default: "24h", Holds: same},
	}
}

func parse(input string) (*Config, error) {
	return Parse("images.yaml", []byte(input), Options{Policies: testPolicies()})
}

// aliases is a file whose line 5 is the first of the given aliases, at column 7.
func aliases(lines ...string) string {
	return "registry: localhost:5000\nimages:\n  app:\n    aliases:\n      " + strings.Join(lines, "\n      ") + "\n"
}

// policies is a file whose line 2 is the first of the given policies, at column 3.
func policies(lines ...string) string {
	return "policies:\n  " + strings.Join(lines, "\n  ") + "\nimages: {localhost/app: {aliases: {1: 1.1}}}\n"
}

const digest = "sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb"

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, input, want string }{
		// The file as a whole.
		{"empty", "", `images.yaml: error[empty-file]: file is empty; the least it can say is {registry: localhost:5000, images: {my-image: {aliases: {latest: 10.10}}}}`},
		{"only comments", "# nothing\n\n# yet\n", `images.yaml: error[empty-file]: file is empty; the least it can say is {registry: localhost:5000, images: {my-image: {aliases: {latest: 10.10}}}}`},
		{"null document", "---\n~\n", `images.yaml: error[empty-file]: file is empty; the least it can say is {registry: localhost:5000, images: {my-image: {aliases: {latest: 10.10}}}}`},
		{"too large", strings.Repeat("#", MaxBytes+1), `images.yaml: error[too-large]: file has more than 5242880 bytes (5 MiB)`},
		{"NUL", "images: \x00\n", `images.yaml: error[encoding]: file has a NUL in it; save it as UTF-8 text`},
		{"UTF-16", "\xff\xfei\x00m\x00", `images.yaml: error[encoding]: file is UTF-16 or UTF-32; save it as UTF-8`},
		{"UTF-32", "\x00\x00\xfe\xff\x00\x00\x00i", `images.yaml: error[encoding]: file is UTF-16 or UTF-32; save it as UTF-8`},
		{"Latin-1", "images: # caf\xe9\n", `images.yaml: error[encoding]: file is not valid UTF-8; save it as UTF-8`},
		{"control character", "images:\n  # bell: \a\n", `images.yaml:2:11: error[encoding]: character U+0007 is not allowed; remove it`},
		{"line separator", "images:\n  é\u2028: 1\n", `images.yaml:2:4: error[encoding]: character U+2028 is not allowed; remove it`},
		{"carriage return alone", "images:\r  app:\r", `images.yaml:1:8: error[encoding]: character U+000D is not allowed; remove it`},
		{"not a map", "my-image:10\n", `images.yaml:1:1: error[wrong-type]: the file is the text "my-image:10"; expected a map of registry, registries, policies, locked, profiles, use, images`},
		{"a list", "- my-image\n", `images.yaml:1:1: error[wrong-type]: the file is a list; expected a map of registry, registries, policies, locked, profiles, use, images`},
		{"second document", aliases("1: 1.1") + "---\nimages: {}\n", `images.yaml:6:1: error[multiple-documents]: file has a second document; expected one, without a "---" after its start`},
		{"no images", "registry: localhost:5000\n", `images.yaml: error[missing-images]: file has no images; expected "images:" with at least one repository`},
		{"images empty", "registry: localhost:5000\nimages:\n", `images.yaml:2:1: error[missing-images]: images is empty; expected "images:" with at least one repository`},
		{"images an empty map", "images: {}\n", `images.yaml:1:9: error[missing-images]: images is empty; expected "images:" with at least one repository`},
		{"images a list", "images: [my-image]\n", `images.yaml:1:9: error[wrong-type]: images is a list; expected a map from repository to its aliases`},
		{"images a scalar", "images: my-image\n", `images.yaml:1:9: error[wrong-type]: images is the text "my-image"; expected a map from repository to its aliases`},

		// YAML.
		{"tab in the indentation", "images:\n\tapp:\n", `images.yaml:2:1: error[syntax]: indentation has a tab; indent with spaces`},
		{"tab in the first line", "\timages:\n", `images.yaml:1:1: error[syntax]: indentation has a tab; indent with spaces`},
		{"tab after spaces", "images:\n  app:\n    aliases:\n  \t  1: 1.1\n", `images.yaml:4:3: error[syntax]: indentation has a tab; indent with spaces`},
		{"tab before a continued scalar", "images:\n  app:\n    aliases:\n      1: 1.1\n\t  2: 2.1\n", `images.yaml:5:1: error[syntax]: indentation has a tab; indent with spaces`},
		{"key out of line", `images:
  localhost/app:
    aliases:
      10: 10.1
     11: 11.1
      12: 12.1
`, `images.yaml:5:6: error[syntax]: file is not YAML: did not find expected key; compare the indentation with the lines above, and look for text after a closing quote or bracket`},
		{"key out of line after comments", `images:
    localhost/app:

  # of the team

  localhost/other:
`, `images.yaml:6:3: error[syntax]: file is not YAML: did not find expected key; compare the indentation with the lines above, and look for text after a closing quote or bracket`},
		{"text after a quoted scalar", `images:
  localhost/app:
    aliases:
      10: '10.1' # fine
      11: "11.1".2
      12: 12.1
`, `images.yaml:5:7: error[syntax]: file is not YAML: did not find expected key; compare the indentation with the lines above, and look for text after a closing quote or bracket`},
		{"list item out of line", "policies:\n  platforms:\n    - amd64\n    arm64: x\n", `images.yaml:4:5: error[syntax]: file is not YAML: did not find expected '-' indicator; compare the indentation with the lines above, and look for text after a closing quote or bracket`},
		{"bracket not closed", "images: {\n  localhost/app: {aliases: {1: 1.1}\n", `images.yaml:2:3: error[syntax]: file is not YAML: did not find expected ',' or '}'; a bracket is not closed, or a comma is missing`},
		{"stray bracket", "images:\n  localhost/app: ]\n", `images.yaml:2:3: error[syntax]: file is not YAML: did not find expected node content`},
		{"quote not closed", aliases(`1: "1.1`, "2: 2.1"), `images.yaml:5:7: error[syntax]: file is not YAML: found unexpected end of stream; a quote is not closed`},
		{"two colons", aliases("1: 1.1: 1.2"), `images.yaml:5:7: error[syntax]: file is not YAML: mapping values are not allowed in this context; quote a value that has ": " in it, or compare the indentation with the lines above`},
		{"two colons in the first line", "images: app: aliases\n", `images.yaml:1:1: error[syntax]: file is not YAML: mapping values are not allowed in this context; quote a value that has ": " in it, or compare the indentation with the lines above`},
		{"text without colon", "images:\n  app\nregistry: localhost\n", `images.yaml:2:3: error[wrong-type]: images is the text "app"; expected a map from repository to its aliases`},
		{"key without colon among others", "images:\n  localhost/app: {}\n  app\nregistry: localhost\n", `images.yaml:3:3: error[syntax]: file is not YAML: could not find expected ':'`},
		{"reserved character", aliases("1: @latest"), `images.yaml:5:7: error[syntax]: file is not YAML: found character that cannot start any token; quote a value that begins with @, % or a backtick`},
		{"unknown escape", aliases(`1: "1\.1"`), `images.yaml:5:7: error[syntax]: file is not YAML: found unknown escape character`},
		{"text after the document", aliases("1: 1.1") + "...\nimages\n", `images.yaml:7:1: error[syntax]: file is not YAML: did not find expected <document start>`},
		{"nested too deep", "images: " + strings.Repeat("[", 101) + strings.Repeat("]", 101) + "\n", `
images.yaml:1:9: error[wrong-type]: images is a list; expected a map from repository to its aliases
images.yaml:1:108: error[too-deep]: maps and lists are nested more than 100 deep
`},
		{"nested far too deep", strings.Repeat("{a: ", 20000), `images.yaml:1:1: error[too-deep]: maps and lists are nested more than 100 deep`},
		{"anchor", aliases("1: &stable 1.1"), `images.yaml:5:10: error[yaml-feature]: YAML anchor "&stable" is not supported; remove it, and put what images share into a profile`},
		{"anchor and YAML alias", aliases("1: &stable {amd64: 1.1}", "2: *stable"), `
images.yaml:5:10: error[yaml-feature]: YAML anchor "&stable" is not supported; remove it, and put what images share into a profile
images.yaml:6:10: error[yaml-feature]: YAML alias "*stable" is not supported; write its value out, or put what images share into a profile
`},
		{"YAML alias of nothing", aliases("1: 1.1", "2: *stable", "3: 1.1"), `images.yaml:6:7: error[syntax]: file is not YAML: unknown anchor 'stable' referenced`},
		{"merge key", aliases("1: {<<: {amd64: 1.1}, arm64: 1.2}"), `
images.yaml:5:11: error[yaml-feature]: YAML merge key "<<" is not supported; write its values out, or put what images share into a profile
images.yaml:5:15: error[wrong-type]: platform "<<" is a map; expected a source, such as 10.2
`},
		{"YAML tag", aliases("1: !!binary MS4x"), `images.yaml:5:10: error[yaml-feature]: YAML tag "!!binary" is not supported; remove it`},
		{"YAML tag of the application", aliases("1: !version 1.1"), `images.yaml:5:10: error[yaml-feature]: YAML tag "!version" is not supported; remove it`},
		{"YAML tag on a map", aliases("1: !!map {amd64: 1.1}"), `images.yaml:5:10: error[yaml-feature]: YAML tag "!!map" is not supported; remove it`},

		// Keys and kinds.
		{"unknown key of the file", "image:\n  app: {}\n", `
images.yaml: error[missing-images]: file has no images; expected "images:" with at least one repository
images.yaml:1:1: error[unknown-field]: "image" is not a key of the file; did you mean "images"?
`},
		{"unknown key of the file, nothing close", aliases("1: 1.1") + "version: 3\n", `images.yaml:6:1: error[unknown-field]: "version" is not a key of the file; expected one of registry, registries, policies, locked, profiles, use, images`},
		{"policy outside of policies", aliases("1: 1.1") + "platforms: [amd64]\n", `images.yaml:6:1: error[unknown-field]: "platforms" is not a key of the file; put it under "policies"`},
		{"unknown key of an image", "images:\n  localhost/app:\n    alias: {1: 1.1}\n", `
images.yaml:2:3: error[missing-aliases]: image "localhost/app" has no aliases; expected "aliases:" with at least one tag
images.yaml:3:5: error[unknown-field]: "alias" is not a key of image "localhost/app"; did you mean "aliases"?
`},
		{"unknown policy", policies("plaforms: [amd64]"), `images.yaml:2:3: error[unknown-field]: "plaforms" is not a policy; did you mean "platforms"?`},
		{"unknown policy, nothing close", policies("retention: 30"), `images.yaml:2:3: error[unknown-field]: "retention" is not a policy; expected one of platforms, provenance, prune, grace`},
		{"key twice", aliases("10: 10.1", "11: 11.1", `"10": 10.2`), `images.yaml:7:7: error[duplicate-key]: "10" is given twice in aliases, first in line 5; keep one`},
		{"key of the file twice", "images: {localhost/a: {aliases: {1: 1.1}}}\nimages: {localhost/b: {aliases: {1: 1.1}}}\n", `images.yaml:2:1: error[duplicate-key]: "images" is given twice in the file, first in line 1; keep one`},
		{"key that is a map", aliases("? {a: b}", ": 1.1"), `images.yaml:5:9: error[wrong-type]: key of aliases is a map; expected text`},
		{"key that is a list", aliases("? [1]", ": 1.1"), `images.yaml:5:9: error[wrong-type]: key of aliases is a list; expected text`},
		{"key that is null", aliases("~: 1.1"), `images.yaml:5:7: error[empty-value]: key of aliases is "~", which is no text unless quoted; expected text`},
		{"control characters and long values in a message", aliases(`1: "\e]0;owned\a` + strings.Repeat("x", 100) + `"`), `images.yaml:5:10: error[invalid-source]: tag "\x1b]0;owned\axxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`},

		// Images.
		{"image without aliases", "images:\n  localhost/app:\n", `images.yaml:2:3: error[missing-aliases]: image "localhost/app" has no aliases; expected "aliases:" with at least one tag`},
		{"image with policies alone", "images:\n  localhost/app:\n    policies: {provenance: drop}\n", `images.yaml:2:3: error[missing-aliases]: image "localhost/app" has no aliases; expected "aliases:" with at least one tag, or a policy of its own that deletes something (provenance: purge, prune: true)`},
		{"aliases empty", "images:\n  localhost/app:\n    aliases:\n", `images.yaml:3:5: error[missing-aliases]: image "localhost/app" has no aliases; expected "aliases:" with at least one tag`},
		{"aliases a list", "images:\n  localhost/app:\n    aliases: [10, 11]\n", `images.yaml:3:14: error[wrong-type]: aliases is a list; expected a map from alias tag to source`},
		{"image a scalar", "images:\n  localhost/app: 10.1\n", `images.yaml:2:18: error[wrong-type]: image "localhost/app" is the text "10.1"; expected a map of use, aliases, policies`},
		{"no registry", "images:\n  app: {aliases: {1: 1.1}}\n  localhost/app: {aliases: {1: 1.1}}\n", `images.yaml:2:3: error[missing-registry]: repository "app" has no registry; write it as host/repository, add "registry: host" to the file, or give --registry (or TAGLINE_REGISTRY)`},
		{"no registry and no valid name", "images:\n  App: {aliases: {1: other:1.1}}\n", `
images.yaml:2:3: error[missing-registry]: repository "App" has no registry; write it as host/repository, add "registry: host" to the file, or give --registry (or TAGLINE_REGISTRY)
images.yaml:2:3: error[invalid-repository]: repository "App" has upper-case letters; write "app"
`},
		{"upper-case repository", "images:\n  ghcr.io/Team/App: {aliases: {1: 1.1}}\n", `images.yaml:2:3: error[invalid-repository]: repository "Team/App" has upper-case letters; write "team/app"`},
		{"repository with a tag", "registry: ghcr.io\nimages:\n  my-image:10: {aliases: {1: 1.1}}\n", `images.yaml:3:3: error[invalid-repository]: repository "my-image:10" has a tag; write "my-image"`},
		{"registry alone", "images:\n  localhost:5000: {aliases: {1: 1.1}}\n", `images.yaml:2:3: error[missing-registry]: "localhost:5000" is a registry; name a repository, such as "localhost:5000/team/image"`},
		{"quoted newest", aliases(`1: '{newest: 1.x}'`, `2: {amd64: "{newest: 2.x}"}`), `images.yaml:5:10: error[invalid-source]: "{newest: 1.x}" is quoted; remove the quotes
images.yaml:6:18: error[invalid-source]: "{newest: 2.x}" is quoted; remove the quotes`},
		{"unquoted star", aliases("1: 1.1", "*: 3"), `images.yaml:6:7: error[syntax]: "*" starts a YAML alias; put it in quotes`},
		{"unquoted star in a map", aliases("1: {amd64: 1.1, *: 3}"), `images.yaml:5:23: error[syntax]: "*" starts a YAML alias; put it in quotes`},
		{"unquoted ampersand", aliases("1: & 3"), `images.yaml:5:10: error[syntax]: "&" starts a YAML anchor; put it in quotes`},
		{"unquoted star in the first line", "* : 3\n", `images.yaml:1:1: error[syntax]: "*" starts a YAML alias; put it in quotes`},
		{"bad repository", "images:\n  ghcr.io/team//app: {aliases: {1: 1.1}}\n", `images.yaml:2:3: error[invalid-repository]: repository "team//app" is not a valid name; expected lower-case letters and digits, joined by ".", "_", "__" or "-", in parts divided by "/"`},
		{"URL as repository", "images:\n  https://ghcr.io/team/app: {aliases: {1: 1.1}}\n", `images.yaml:2:3: error[invalid-repository]: repository "https://ghcr.io/team/app" is a URL; write "ghcr.io/team/app"`},
		{"password in a repository", "images:\n  https://me:secret@ghcr.io/app: {aliases: {1: 1.1}}\n  me:secret@ghcr.io/app: {aliases: {1: 1.1}}\n", `
images.yaml:2:3: error[invalid-repository]: repository has "@" in it; expected repository or host/repository, without credentials or a digest
images.yaml:3:3: error[invalid-repository]: repository has "@" in it; expected repository or host/repository, without credentials or a digest
`},
		{"repository too long", "images:\n  localhost/" + strings.Repeat("a", 246) + ": {aliases: {1: 1.1}}\n", `images.yaml:2:3: error[invalid-repository]: repository "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…" has 256 characters with its host; at most 255 are allowed`},
		{"repository twice", `registry: docker.io
images:
  nginx: {aliases: {1: "1.1"}}
  index.docker.io/library/nginx: {aliases: {2: "2.1"}}
  GHCR.io/app: {aliases: {1: "1.1"}}
  ghcr.io:443/app: {aliases: {1: "1.1"}}
`, `
images.yaml:4:3: error[duplicate-repository]: repository "index.docker.io/library/nginx" is the same as "nginx" in line 3 (docker.io/library/nginx); put their aliases together
images.yaml:6:3: error[duplicate-repository]: repository "ghcr.io:443/app" is the same as "GHCR.io/app" in line 5 (ghcr.io/app); put their aliases together
`},

		// The registry.
		{"registry: scheme", "registry: https://ghcr.io\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "https://ghcr.io" has a scheme; write "ghcr.io"`},
		{"registry: scheme and path", "registry: https://ghcr.io/team/\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "https://ghcr.io/team/" has a scheme; write "ghcr.io"`},
		{"registry: path", "registry: ghcr.io/team\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "ghcr.io/team" has a path; write "ghcr.io", and the path in the names of the images`},
		{"registry: password", "registry: https://me:secret@ghcr.io\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry has credentials in it; write "ghcr.io", and log in to it with docker login`},
		{"registry: name without dot or port", "registry: ghcr\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "ghcr" is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"`},
		{"registry: underscore", "registry: my_registry:5000\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "my_registry:5000" is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"`},
		{"registry: port out of range", "registry: localhost:65536\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "localhost:65536" has the port "65536"; expected 1 to 65535`},
		{"registry: no port", "registry: \"localhost:\"\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "localhost:" has the port ""; expected 1 to 65535`},
		{"registry: port of letters", "registry: localhost:http\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "localhost:http" has the port "http"; expected 1 to 65535`},
		{"registry: address", "registry: 127.0.0.256\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "127.0.0.256" is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"`},
		{"registry: address without brackets", "registry: \"::1\"\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "::1" is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"`},
		{"registry: address with a zone", "registry: \"[fe80::1%eth0]:5000\"\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[invalid-registry]: registry "[fe80::1%eth0]:5000" is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"`},
		{"registry empty", "registry:\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:1: error[empty-value]: registry is empty; expected a host, such as ghcr.io or localhost:5000`},
		{"registry a map", "registry: {host: ghcr.io}\nimages: {app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[wrong-type]: registry is a map; expected a host, such as ghcr.io or localhost:5000`},

		// Aliases and sources.
		{"bad alias", aliases("-1: 1.1", "a/b: 1.1", `"": 1.1`), `
images.yaml:5:7: error[invalid-tag]: tag "-1" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"
images.yaml:6:7: error[invalid-tag]: tag "a/b" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"
images.yaml:7:7: error[invalid-tag]: tag "" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"
`},
		{"alias too long", aliases(strings.Repeat("a", 129) + ": 1.1"), `images.yaml:5:7: error[invalid-tag]: tag "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`},
		{"alias empty", aliases("10:", "11: 11.1"), `images.yaml:5:7: error[empty-value]: alias "10" is empty; expected a source, such as 10.2, or a map from platform to source, or absent`},
		{"alias null", aliases("10: null", "11: ~"), `
images.yaml:5:11: error[empty-value]: alias "10" is "null", which is no text unless quoted; expected a source, such as 10.2, or a map from platform to source, or absent
images.yaml:6:11: error[empty-value]: alias "11" is "~", which is no text unless quoted; expected a source, such as 10.2, or a map from platform to source, or absent
`},
		{"alias a list", aliases("10: [10.1, 10.2]"), `images.yaml:5:11: error[wrong-type]: alias "10" is a list; expected a source, such as 10.2, or a map from platform to source, or absent`},
		{"alias an empty map", aliases("10: {}"), `images.yaml:5:11: error[empty-value]: alias "10" is an empty map; expected at least one platform and its source`},
		{"alias empty text", aliases(`10: ''`), `images.yaml:5:11: error[invalid-source]: source is empty text; expected a tag, a digest or repository:tag`},
		{"block scalar with a line break", aliases("10: |", "  10.1"), `images.yaml:5:11: error[invalid-source]: tag "10.1\n" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`},
		{"scalar over two lines", aliases("10: 10.1", "  10.2"), `images.yaml:5:11: error[invalid-source]: tag "10.1 10.2" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`},
		{"source a map", aliases("10: {amd64: {tag: 10.1}}"), `images.yaml:5:20: error[invalid-source]: platform "amd64" has tag without from; write {from: HOST, tag: TAG}, or the tag alone if it is one of the image itself`},
		{"source empty", aliases("10:", "  amd64:", "  arm64: ~"), `
images.yaml:6:9: error[empty-value]: platform "amd64" is empty; expected a source, such as 10.2
images.yaml:7:16: error[empty-value]: platform "arm64" is "~", which is no text unless quoted; expected a source, such as 10.2
`},
		{"source absent", aliases("10: {amd64: 10.1, arm64: absent}"), `images.yaml:5:32: error[invalid-source]: "absent" stands for a whole alias; leave the platform "arm64" out`},
		{"newest, of the wrong kind", aliases(`10: {newest: [10], variant: [alpine], prereleases: maybe}`, `11: {amd64: {newest: ""}, arm64: {newest: ten}}`), `
images.yaml:5:20: error[wrong-type]: newest is a list; expected a range of versions, such as "10.x"
images.yaml:5:35: error[wrong-type]: variant is a list; expected what follows the dash of the tags, such as alpine
images.yaml:5:58: error[invalid-value]: prereleases is "maybe"; expected true or false
images.yaml:6:28: error[invalid-range]: range is empty; expected one such as "10.x" or ">=1.2 <2"
images.yaml:6:49: error[invalid-range]: range "ten" is not valid; expected one such as "10.x", "^1.4" or ">=1.2 <2"`},
		{"newest beside something else", aliases(`10: {newest: "10.x", tag: 10.1}`, `11: {newest: "11.x", amd64: 11.1}`, `12: {newest: "12.x", variant: -alpine}`), `
images.yaml:5:28: error[unknown-field]: "tag" is not a key of a newest source; did you mean "tags"?
images.yaml:6:28: error[unknown-field]: "amd64" is not a key of a newest source; expected one of newest, tags, variant, prereleases, versioning, downgrade, whole
images.yaml:7:37: error[invalid-value]: variant is "-alpine"; expected what follows the dash of the tags, such as alpine`},
		{"newest of tags that can't be", aliases(`10: {newest: "10.x", tags: "{arch}"}`, `11: {newest: "11.x", tags: "{version}-x", variant: x}`, `12: {newest: "12.x", variant: r3}`), `
images.yaml:5:34: error[invalid-value]: tags is "{arch}"; expected text around {version}, and {arch} where the tags name a platform, such as "{version}-ubi-{arch}"
images.yaml:6:58: error[unknown-field]: "variant" is of no use beside "tags"; write it into tags
images.yaml:7:37: error[invalid-value]: variant is "r3"; "r3" is the number of a build; leave variant out`},
		{"a variant that is none", aliases(`10: {newest: "10.x", variant: snapshot}`, `11: {newest: "11.x", variant: rc1}`, `12: {newest: "12.x", variant: 3.19}`, `13: {newest: "13.x", variant: alpine*}`), `
images.yaml:5:37: error[invalid-value]: variant is "snapshot"; "snapshot" marks a prerelease; leave variant out, and write prereleases: true beside newest
images.yaml:6:37: error[invalid-value]: variant is "rc1"; "rc1" marks a prerelease; leave variant out, and write prereleases: true beside newest
images.yaml:7:37: error[invalid-value]: variant is "3.19"; "3.19" is the number of a build; leave variant out
images.yaml:8:37: error[invalid-value]: variant is "alpine*"; expected what follows the dash of the tags, such as alpine`},
		{"x in the place of a fourth number", aliases(`10: {newest: 1.2.3.x}`, `11: {newest: ~2.0.1.0}`), `
images.yaml:5:20: error[invalid-range]: range "1.2.3.x" is not valid: "x", "~" and "^" take up to three numbers; a bound of four needs a comparison, as in ">=1.2.3.4 <1.2.4"
images.yaml:6:20: error[invalid-range]: range "~2.0.1.0" is not valid: "x", "~" and "^" take up to three numbers; a bound of four needs a comparison, as in ">=1.2.3.4 <1.2.4"`},
		{"newest of builds, and no platforms", aliases(`10: {newest: "10.x", tags: "{version}-{arch}"}`, `11: {amd64: {newest: "11.x", tags: "{version}-{arch}"}}`), `
images.yaml:5:11: error[invalid-value]: tags has {arch}, and nothing says which platforms the alias should have; add the policy "platforms", or name the platforms of this alias`},
		{"newest, whole, of the wrong kind", aliases(`10: {newest: "10.x", whole: maybe, prereleases: no}`), `
images.yaml:5:35: error[invalid-value]: whole is "maybe"; expected true or false
images.yaml:5:55: error[invalid-value]: prereleases is "no"; expected true or false`},
		{"whole without newest", aliases(`10: {whole: true}`, `11: {amd64: 11.0, variant: alpine}`), `
images.yaml:5:12: error[unknown-field]: "whole" stands beside newest, as in {newest: "10.x", whole: …}; add newest with its range
images.yaml:6:25: error[unknown-field]: "variant" stands beside newest, as in {newest: "10.x", variant: …}; add newest with its range`},
		{"newest, whole, of one platform", aliases(`10: {amd64: {newest: "10.x", whole: true}, arm64: {newest: "10.x", whole: false}}`), `
images.yaml:5:36: error[invalid-value]: whole: true is of a whole alias, not of one platform; leave it out, or write {newest: …, whole: true} in the place of the platforms`},
		{"newest, whole, of builds", `registry: localhost:5000
images:
  app: {policies: {platforms: [amd64, arm64]}, aliases: {1: {newest: "1.x", whole: true, tags: "{version}-{arch}"}}}
  two: {policies: {platforms: [amd64, windows/amd64]}, aliases: {1: {newest: "1.x", whole: true, tags: "{version}-{arch}"}}}
`, `
images.yaml:3:61: error[invalid-value]: whole: true takes one tag, and tags has {arch}, so that no tag has both linux/amd64 and linux/arm64, which the platforms policy requires; leave whole out`},
		{"newest of another versioning", aliases(`10: {newest: "10.x", versioning: calver}`, `11: {newest: ">=24.04"}`), `
images.yaml:5:40: error[invalid-value]: versioning is "calver"; expected one of semver, calendar
images.yaml:6:20: error[invalid-range]: range ">=24.04" has a number with a zero before it; write "versioning: calendar" beside "newest" for versions such as 24.04`},
		{"bad tag", aliases("10: 10.1+build"), `images.yaml:5:11: error[invalid-source]: tag "10.1+build" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`},
		{"repository without a tag", aliases("10: other/app", "11: localhost:5000/app"), `
images.yaml:5:11: error[invalid-source]: repository "other/app" has no tag or digest, and none is implied; write "other/app:TAG"
images.yaml:6:11: error[invalid-source]: repository "localhost:5000/app" has no tag or digest, and none is implied; write "localhost:5000/app:TAG"
`},
		{"tag and digest", aliases("10: app:10.1@" + digest), `images.yaml:5:11: error[invalid-source]: reference "app:10.1@sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2…" has a tag and a digest; write one of them`},
		{"digest too short", aliases("10: sha256:4e388ab3"), `images.yaml:5:11: error[invalid-source]: digest "sha256:4e388ab3" is not valid; expected "sha256:" and 64 hex digits in lower case`},
		{"digest in upper case", aliases("10: app@" + strings.ToUpper(digest)), `images.yaml:5:11: error[invalid-source]: digest "SHA256:4E388AB32B10DC8DBC7E28144F552830ADC74787C1E2C08240320…" is not valid; expected "sha256:" and 64 hex digits in lower case`},
		{"digest of another algorithm", aliases("10: sha512:4e388ab3", "11: app@sha512:4e388ab3"), `
images.yaml:5:11: error[invalid-source]: digest "sha512:4e388ab3" is of sha512; only sha256 digests can be used
images.yaml:6:11: error[invalid-source]: digest "sha512:4e388ab3" is of sha512; only sha256 digests can be used
`},
		{"digest of nothing", aliases("10: app@"), `images.yaml:5:11: error[invalid-source]: digest "" is not valid; expected "sha256:" and 64 hex digits in lower case`},
		{"no repository before the tag", aliases("10: ':10.1'", "11: '@"+digest+"'"), `
images.yaml:5:11: error[invalid-source]: reference ":10.1" has no repository; expected "repository:tag" or "repository@sha256:…"
images.yaml:6:11: error[invalid-source]: reference "@sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032…" has no repository; expected "repository:tag" or "repository@sha256:…"
`},
		{"bad repository of a source", aliases("10: Other:10.1", "11: gh_cr.io/other:10.1"), `
images.yaml:5:11: error[invalid-source]: repository "Other" has upper-case letters; write "other"
images.yaml:6:11: error[invalid-source]: registry "gh_cr.io" is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"
`},
		{"alias of itself", aliases("10: 10", "11: {amd64: app:11}", "12: localhost:5000/app:12"), `
images.yaml:5:11: error[alias-cycle]: alias "10" names itself; expected another tag, or a digest
images.yaml:6:19: error[alias-cycle]: alias "11" names itself; expected another tag, or a digest
images.yaml:7:11: error[alias-cycle]: alias "12" names itself; expected another tag, or a digest
`},
		{"cycle", aliases("10: latest", "latest: 10"), `images.yaml:6:15: error[alias-cycle]: aliases lead in a cycle: 10 -> latest -> 10`},
		{"cycles", aliases("1: {amd64: 2, arm64: 2}", "2: 3", "3: {amd64: 1, arm64: 1, s390x: 4}", "4: 5", "5: app:4", "6: 1"), `
images.yaml:7:18: error[alias-cycle]: aliases lead in a cycle: 1 -> 2 -> 3 -> 1
images.yaml:9:10: error[alias-cycle]: aliases lead in a cycle: 4 -> 5 -> 4
`},
		{"absent in another case", aliases("9: Absent"), `images.yaml:5:10: error[invalid-source]: alias "9" is "Absent"; did you mean "absent"? A tag of that name can be written with its repository`},
		{"newest misspelled", aliases("9: {newst: 9.x}"), `images.yaml:5:11: error[unknown-field]: "newst" is neither a platform nor a key of a source; did you mean "newest"?`},
		{"source that another image wants absent", `registry: localhost:5000
images:
  app: {aliases: {9: absent, 10: 10.1}}
  two: {aliases: {a: "app:9", b: {amd64: "127.0.0.1:5000/app:9", arm64: "app:10"}}}
`, `
images.yaml:4:22: error[absent-source]: source "app:9" is an alias of image "app" that should be absent; name a tag that stays
images.yaml:4:42: error[absent-source]: source "127.0.0.1:5000/app:9" is an alias of image "app" that should be absent; name a tag that stays
`},
		{"one repository under two names of its host", `images:
  123456789012.dkr.ecr.eu-west-1.amazonaws.com/app: {aliases: {1: "1.1"}}
  123456789012.dkr-ecr.eu-west-1.on.aws/app: {aliases: {1: "1.1"}}
`, `
images.yaml:3:3: error[duplicate-repository]: repository "123456789012.dkr-ecr.eu-west-1.on.aws/app" is the same as "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app" in line 2 (123456789012.dkr-ecr.eu-west-1.on.aws/app); put their aliases together
`},
		{"long cycle", aliases("a: b", "b: c", "c: d", "d: e", "e: f", "f: g", "g: h", "h: i", "i: j", "j: k", "k: l", "l: m", "m: a"), `images.yaml:17:10: error[alias-cycle]: aliases lead in a cycle: a -> b -> c -> d -> e -> f -> (4 more) -> k -> l -> m -> a`},
		{"alias of an absent alias", aliases("9: absent", "10: 9", "11: {amd64: app:9, arm64: 11.1}"), `
images.yaml:6:11: error[absent-source]: source "9" is an alias that should be absent; name a tag that stays
images.yaml:7:19: error[absent-source]: source "9" is an alias that should be absent; name a tag that stays
`},

		// Platforms.
		{"other names of platforms", policies("platforms: [x86_64, linux/aarch64, armhf, i386, arm64v8, arm/7, macos/arm64]"), `
images.yaml:2:15: error[invalid-platform]: platform "x86_64" is unknown; did you mean "amd64"?
images.yaml:2:23: error[invalid-platform]: platform "linux/aarch64" is unknown; did you mean "linux/arm64"?
images.yaml:2:38: error[invalid-platform]: platform "armhf" is unknown; did you mean "arm/v7"?
images.yaml:2:45: error[invalid-platform]: platform "i386" is unknown; did you mean "386"?
images.yaml:2:51: error[invalid-platform]: platform "arm64v8" is unknown; did you mean "arm64"?
images.yaml:2:60: error[invalid-platform]: platform "arm/7" is unknown; did you mean "arm/v7"?
images.yaml:2:67: error[invalid-platform]: platform "macos/arm64" is unknown; did you mean "darwin/arm64"?
`},
		{"misspelt platforms", policies("platforms: [amd46, Linux/ARM64, lunix/s390x, riscv]"), `
images.yaml:2:15: error[invalid-platform]: platform "amd46" is unknown; did you mean "amd64"?
images.yaml:2:22: error[invalid-platform]: platform "Linux/ARM64" is unknown; did you mean "linux/arm64"?
images.yaml:2:35: error[invalid-platform]: platform "lunix/s390x" is unknown; did you mean "linux/s390x"?
images.yaml:2:48: error[invalid-platform]: platform "riscv" is unknown; did you mean "riscv64"?
`},
		{"unknown platforms", policies("platforms: [linux, toaster, linux/amd64/v9/x, arm64/v7, '']"), `
images.yaml:2:15: error[invalid-platform]: platform "linux" is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64
images.yaml:2:22: error[invalid-platform]: platform "toaster" is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64
images.yaml:2:31: error[invalid-platform]: platform "linux/amd64/v9/x" is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64
images.yaml:2:49: error[invalid-platform]: platform "arm64/v7" is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64
images.yaml:2:59: error[invalid-platform]: platform "" is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64
`},
		{"platform of an alias", aliases("10: {x64: 10.1, toaster: 10.2}"), `
images.yaml:5:12: error[invalid-platform]: platform "x64" is unknown; did you mean "amd64"?
images.yaml:5:23: error[invalid-platform]: platform "toaster" is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64
`},
		{"platform twice", policies("platforms: [arm64, amd64, linux/arm64/v8, amd64]"), `
images.yaml:2:29: error[duplicate-platform]: platform "linux/arm64/v8" is the same as "arm64" in line 2; keep one
images.yaml:2:45: error[duplicate-platform]: platform "amd64" is the same as "amd64" in line 2; keep one
`},
		{"platform of an alias twice", aliases("10:", "  arm: 10.1", "  linux/arm/v7: 10.2", "  amd64: 10.3", "  amd64: 10.4"), `
images.yaml:7:9: error[duplicate-platform]: platform "linux/arm/v7" is the same as "arm" in line 6; keep one
images.yaml:9:9: error[duplicate-key]: "amd64" is given twice in alias "10", first in line 8; keep one
`},
		{"version of Windows twice", aliases("10:", "  windows(10.0.17763)/amd64: 10.1", "  windows/amd64:10.0.20348: 10.2", "  windows/amd64:10.0.17763: 10.3"), `
images.yaml:8:9: error[duplicate-platform]: platform "windows/amd64:10.0.17763" is the same as "windows(10.0.17763)/amd64" in line 6; keep one
`},
		{"versions of Windows that overlap", aliases("10:", "  windows(10.0.17763.1)/amd64: 10.1", "  windows(10.0.17763.2)/amd64: 10.2", "  windows/amd64:10.0.17763: 10.3", "  windows/amd64: 10.4", "  windows/arm64: 10.5"), `
images.yaml:8:9: error[duplicate-platform]: platform "windows/amd64:10.0.17763" overlaps with "windows(10.0.17763.1)/amd64" in line 6; keep one, or give each an OS version of its own
images.yaml:9:9: error[duplicate-platform]: platform "windows/amd64" overlaps with "windows(10.0.17763.1)/amd64" in line 6; keep one, or give each an OS version of its own
`},
		{"version of Windows within another", policies("platforms: [windows/amd64, windows(10.0.17763)/amd64]"), `
images.yaml:2:30: error[duplicate-platform]: platform "windows(10.0.17763)/amd64" overlaps with "windows/amd64" in line 2; keep one, or give each an OS version of its own
`},
		{"versions of platforms", aliases("10: {windows(10)/amd64: 10.1, linux(5.15)/amd64: 10.2, win(10.0.17763)/x64: 10.3, 'amd64:10.4': 10.4}"), `
images.yaml:5:12: error[invalid-platform]: platform "windows(10)/amd64" is unknown; expected os(version)/architecture, such as windows(10.0.17763)/amd64; linux has no version
images.yaml:5:37: error[invalid-platform]: platform "linux(5.15)/amd64" is unknown; expected os(version)/architecture, such as windows(10.0.17763)/amd64; linux has no version
images.yaml:5:62: error[invalid-platform]: platform "win(10.0.17763)/x64" is unknown; did you mean "windows(10.0.17763)/amd64"?
images.yaml:5:89: error[invalid-platform]: platform "amd64:10.4" is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64
`},

		// Policies.
		{"policies empty", "policies:\nimages: {localhost/app: {aliases: {1: 1.1}}}\n", `images.yaml:1:1: error[empty-value]: policies is empty; expected a map from policy to value`},
		{"policies a list", "policies: [prune]\nimages: {localhost/app: {aliases: {1: 1.1}}}\n", `images.yaml:1:11: error[wrong-type]: policies is a list; expected a map from policy to value`},
		{"policy of an image", "images:\n  localhost/app:\n    aliases: {1: 1.1}\n    policies: {prune: yes}\n", `images.yaml:4:23: error[invalid-value]: prune is "yes"; expected one of false, true`},
		{"bad value", policies("provenance: drops", "prune: maybe"), `
images.yaml:2:15: error[invalid-value]: provenance is "drops"; expected one of keep, drop, purge; did you mean "drop"?
images.yaml:3:10: error[invalid-value]: prune is "maybe"; expected one of false, true
`},
		{"value a list", policies("provenance: [drop]"), `images.yaml:2:15: error[wrong-type]: provenance is a list; expected one of keep, drop, purge`},
		{"value empty", policies("provenance:", "prune: ~"), `
images.yaml:2:3: error[empty-value]: provenance is empty; expected one of keep, drop, purge
images.yaml:3:10: error[empty-value]: prune is "~", which is no text unless quoted; expected one of false, true
`},
		{"platforms a scalar", policies("platforms: amd64"), `images.yaml:2:14: error[wrong-type]: platforms is the text "amd64"; expected a list of platforms, such as [amd64, arm64]`},
		{"platforms an empty list", policies("platforms: []"), `images.yaml:2:14: error[empty-value]: platforms is an empty list; expected a list of platforms, such as [amd64, arm64]`},
		{"platforms with maps", policies("platforms: [{linux: amd64}, ~, [arm64]]"), `
images.yaml:2:15: error[wrong-type]: platform is a map; expected text, such as amd64
images.yaml:2:31: error[empty-value]: platform is "~", which is no text unless quoted; expected text, such as amd64
images.yaml:2:34: error[wrong-type]: platform is a list; expected text, such as amd64
`},
		{"bad duration", policies("grace: 7y"), `images.yaml:2:10: error[invalid-value]: grace is "7y"; expected a duration of weeks, days, hours, minutes or seconds, such as 7d, 24h or 90m`},
		{"negative duration", policies("grace: -1h"), `images.yaml:2:10: error[invalid-value]: grace is "-1h"; expected a duration of weeks, days, hours, minutes or seconds, such as 7d, 24h or 90m`},
		{"duration a map", policies("grace: {hours: 1}"), `images.yaml:2:10: error[wrong-type]: grace is a map; expected a duration, such as 24h or 7d`},
	} {
		t.Run(test.name, func(t *testing.T) {
			config, err := parse(test.input)
			if config != nil || err == nil {
				t.Fatalf("Parse accepted\n%s", test.input)
			}
			if got := err.Error(); got != strings.TrimSpace(test.want) {
				t.Errorf("input:\n%s\ngot:\n%s\nwant:\n%s", test.input, got, test.want)
			}
			leaves(t, err)
			badForSchema(t, test.name, test.input)
		})
	}
}

// leaves are the findings that an error of Parse is made of.
func leaves(t interface{ Fatalf(string, ...any) }, err error) []*Finding {
	var all *multierror.Error
	if !errors.As(err, &all) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	findings := make([]*Finding, len(all.Errors))
	for i, leaf := range all.Errors {
		f, ok := any(leaf).(*Finding) // itself, not wrapped
		if !ok {
			t.Fatalf("leaf is a %T: %v", leaf, leaf)
		}
		findings[i] = f
	}
	return findings
}
