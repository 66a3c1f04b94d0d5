package config

import (
	"fmt"
	"strings"
	"testing"
)

// flat returns what a file comes to, without the comments.
func flat(t *testing.T, c *Config) string {
	t.Helper()
	var b strings.Builder
	if err := c.WriteEffective(&b, testPolicies()); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		line, _, _ = strings.Cut(line, "# ")
		if line = strings.TrimRight(line, " \n"); line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

func TestProfiles(t *testing.T) {
	for _, test := range []struct{ name, input, want string }{
		{"of an image without a body", `
profiles: {service: {policies: {prune: true}, aliases: {1: 1.1, latest: 1}}}
images:
  app: {use: service}
  other: {use: [service]}
`, `
images:
  app:
    policies:
      prune: true
    aliases:
      1: 1.1
      latest: 1
  other:
    policies:
      prune: true
    aliases:
      1: 1.1
      latest: 1
`},
		{"of the file, but not of an image that says something else", `
profiles: {a: {aliases: {1: 1.1}}, b: {aliases: {2: 2.1}}}
use: a
images:
  app:
  b: {use: b}
  none: {use: [], aliases: {3: 3.1}}
  own: {aliases: {1: 1.2, 4: 4.1}}
`, `
images:
  app:
    aliases:
      1: 1.1
  b:
    aliases:
      2: 2.1
  none:
    aliases:
      3: 3.1
  own:
    aliases:
      1: 1.2
      4: 4.1
`},
		{"order of policies", `
policies: {provenance: drop, prune: true, grace: 1h, platforms: [amd64]}
profiles:
  low: {policies: {prune: false, grace: 2h, platforms: [arm64]}}
  high: {use: low, policies: {grace: 3h, platforms: [s390x]}}
  last: {policies: {grace: 4h}}
images:
  app: {use: [high, last], policies: {platforms: [arm/v7]}, aliases: {1: 1.1}}
`, `
images:
  app:
    policies:
      platforms: [arm/v7]
      provenance: drop
      prune: false
      grace: 4h
    aliases:
      1: 1.1
`},
		{"later profiles override earlier ones, alias by alias", `
profiles:
  a: {aliases: {1: 1.1, 2: 2.1, 3: 3.1}}
  b: {use: a, aliases: {2: 2.2}}
  c: {aliases: {3: absent}}
images:
  app: {use: [b, c]}
  back: {use: [c, b]}
`, `
images:
  app:
    aliases:
      1: 1.1
      2: 2.2
      3: absent
  back:
    aliases:
      1: 1.1
      2: 2.2
      3: 3.1
`},
		{"sources are of the image, and of its host", `
profiles:
  a:
    aliases:
      1: {amd64: 1.1, arm64: base:1}
      2: {newest: "2.x", prereleases: true}
      3: ghcr.io/base/app:3
      4: sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb
use: a
images:
  app:
  docker.io/app:
`, `
images:
  docker.io/app:
    aliases:
      1:
        amd64: 1.1
        arm64: base:1
      2: {newest: "2.x", prereleases: true}
      3: ghcr.io/base/app:3
      4: sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb
  app:
    aliases:
      1:
        amd64: 1.1
        arm64: base:1
      2: {newest: "2.x", prereleases: true}
      3: ghcr.io/base/app:3
      4: sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb
`},
		{"the same alias elsewhere", `
profiles:
  promoted:
    aliases:
      1: {from: staging.example.com}
      2: {from: ghcr.io/mirror, tag: 2.3}
      3: {amd64: {from: localhost:5001}, arm64: 3.1}
use: promoted
images:
  app:
  team/app: {aliases: {4: {from: docker.io}}}
  docker.io/app: {use: [], aliases: {5: {from: ghcr.io}}}
`, `
images:
  docker.io/app:
    aliases:
      5: ghcr.io/library/app:5
  app:
    aliases:
      1: staging.example.com/app:1
      2: ghcr.io/mirror/app:2.3
      3:
        amd64: localhost:5001/app:3
        arm64: 3.1
  team/app:
    aliases:
      1: staging.example.com/team/app:1
      2: ghcr.io/mirror/team/app:2.3
      3:
        amd64: localhost:5001/team/app:3
        arm64: 3.1
      4: docker.io/team/app:4
`},
		{"a cycle that an image breaks", `
profiles: {a: {aliases: {1: 2, 2: 1}}}
use: a
images: {app: {aliases: {1: 1.1}}}
`, `
images:
  app:
    aliases:
      1: 1.1
      2: 1
`},
		{"policies alone", `
policies: {prune: false}
profiles: {clean: {policies: {prune: true}}}
images: {app: {policies: {provenance: purge}}, other: {use: clean}}
`, `
images:
  app:
    policies:
      provenance: purge
      prune: false
  other:
    policies:
      prune: true
`},
		{"prune and policies alone", `
policies: {prune: true}
images: {app: {policies: {provenance: purge, prune: false}}}
`, `
images:
  app:
    policies:
      provenance: purge
      prune: false
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, err := parse("registry: localhost:5000" + test.input)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := flat(t, cfg), "registry: localhost:5000"+test.want; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if len(cfg.Warnings) > 0 {
				t.Errorf("it warns: %v", cfg.Warnings)
			}
			goodForSchema(t, "registry: localhost:5000"+test.input)
		})
	}
}

func TestSharedSourcesAreRead(t *testing.T) {
	cfg, err := parse(`registry: localhost:5000
profiles: {a: {aliases: {1: base:1, 2: 1, 3: {from: docker.io}}}}
use: a
images: {app: , docker.io/app: {aliases: {3: 3.1}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, image := range cfg.Images {
		for _, alias := range image.Aliases {
			for _, s := range alias.Sources {
				got = append(got, fmt.Sprintf("%s:%s %s:%s %v", image.Repository, alias.Tag, s.Repository, s.Tag, s.Alias))
			}
		}
	}
	want := `docker.io/library/app:1 docker.io/library/base:1 false
docker.io/library/app:2 docker.io/library/app:1 true
docker.io/library/app:3 docker.io/library/app:3.1 false
localhost:5000/app:1 localhost:5000/base:1 false
localhost:5000/app:2 localhost:5000/app:1 true
localhost:5000/app:3 docker.io/library/app:3 false`
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestProfilesRefused(t *testing.T) {
	for _, test := range []struct{ name, input, want string }{
		{"unknown", "profiles: {service: {aliases: {1: 1.1}}}\nimages: {app: {use: servce}}", `
images.yaml:3:21: error[unknown-profile]: profile "servce" does not exist; did you mean "service"?`},
		{"unknown, nothing close", "profiles: {service: {aliases: {1: 1.1}}, other: {aliases: {1: 1.1}}}\nimages: {app: {use: [service, xyz, other]}}", `
images.yaml:3:31: error[unknown-profile]: profile "xyz" does not exist; there are other, service`},
		{"unknown, and no profiles", "use: xyz\nimages: {app: {aliases: {1: 1.1}}}", `
images.yaml:2:6: error[unknown-profile]: profile "xyz" does not exist; the file has no "profiles"`},
		{"given twice", "profiles: {a: {aliases: {1: 1.1}}}\nimages: {app: {use: [a, a]}}", `
images.yaml:3:25: error[duplicate-key]: profile "a" is given twice in use; keep one`},
		{"cycle", "profiles:\n  a: {use: b, aliases: {1: 1.1}}\n  b: {use: [c]}\n  c: {use: a}\nuse: a\nimages: {app: }", `
images.yaml:5:12: error[profile-cycle]: profiles use each other in a cycle: a -> b -> c -> a`},
		{"uses itself", "profiles: {a: {use: a, aliases: {1: 1.1}}}\nuse: a\nimages: {app: }", `
images.yaml:2:21: error[profile-cycle]: profiles use each other in a cycle: a -> a`},
		{"use of a wrong type", "use: {a: b}\nimages: {app: {use: , aliases: {1: 1.1}}}", `
images.yaml:2:6: error[wrong-type]: use is a map; expected the name of a profile, or a list of names
images.yaml:3:16: error[empty-value]: use is empty; expected the name of a profile, or a list of names; [] is for none`},
		{"use of nothing", "profiles: {a: {use: [], aliases: {1: 1.1}}}\nuse: []\nimages: {app: {use: [[a]]}}", `
images.yaml:2:21: error[empty-value]: use is an empty list; expected the name of a profile, or a list of names
images.yaml:3:6: error[empty-value]: use is an empty list; expected the name of a profile, or a list of names
images.yaml:4:22: error[wrong-type]: use is a list; expected the name of a profile`},
		{"empty profile", "profiles:\n  a:\n  b: {}\n  c: {aliases: {}}\n  d: []\nimages: {app: {use: [a, b, c, d], aliases: {1: 1.1}}}", `
images.yaml:3:3: error[empty-value]: profile "a" is empty; expected a map of use, policies, aliases
images.yaml:4:6: error[empty-value]: profile "b" is empty; expected policies, aliases, or use
images.yaml:5:16: error[empty-value]: aliases of profile "c" is empty; expected at least one tag
images.yaml:6:6: error[wrong-type]: profile "d" is a list; expected a map of use, policies, aliases`},
		{"name", "profiles: {-a: {aliases: {1: 1.1}}, b c: {aliases: {1: 1.1}}}\nimages: {app: {use: [-a, b c]}}", `
images.yaml:2:12: error[invalid-value]: profile "-a" is not a valid name; expected 1 to 64 letters, digits, ".", "_" and "-", the first a letter or a digit
images.yaml:2:37: error[invalid-value]: profile "b c" is not a valid name; expected 1 to 64 letters, digits, ".", "_" and "-", the first a letter or a digit`},
		{"name twice", "profiles: {a: {aliases: {1: 1.1}}, a: {aliases: {2: 2.1}}}\nuse: a\nimages: {app: }", `
images.yaml:2:36: error[duplicate-key]: "a" is given twice in profiles, first in line 2; keep one`},
		{"problems within, once", "profiles: {a: {policies: {prune: ture}, aliases: {1: 1.1+1, -2: 2.1, 3: {amd46: 3.1}}, alias: {}}}\nuse: a\nimages: {app: , other: , third: }", `
images.yaml:2:34: error[invalid-value]: prune is "ture"; expected one of false, true; did you mean "true"?
images.yaml:2:54: error[invalid-source]: tag "1.1+1" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"
images.yaml:2:61: error[invalid-tag]: tag "-2" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"
images.yaml:2:74: error[invalid-platform]: platform "amd46" is unknown; did you mean "amd64"?
images.yaml:2:88: error[unknown-field]: "alias" is not a key of profile "a"; did you mean "aliases"?`},
		{"problems of what images make of it, once", "profiles: {a: {aliases: {1: 2, 2: 1, 3: {amd64: 4, arm64: 3}, 4: absent}}}\nuse: a\nimages: {app: , other: , third: {aliases: {1: 1.1}}}", `
images.yaml:2:35: error[alias-cycle]: aliases lead in a cycle: 1 -> 2 -> 1 (image "app" in images.yaml:4:10 and 1 more)
images.yaml:2:49: error[absent-source]: source "4" is an alias that should be absent; name a tag that stays (image "app" in images.yaml:4:10 and 2 more)
images.yaml:2:59: error[alias-cycle]: alias "3" names itself; expected another tag, or a digest (image "app" in images.yaml:4:10 and 2 more)`},
		{"from itself", "profiles: {a: {aliases: {1: {from: 127.0.0.1:5000}, 2: {from: localhost:5000, tag: 2.1}}}}\nuse: a\nimages: {app: , other: {use: [], aliases: {1: {from: localhost:5000}, 2: {from: localhost:5000/other}}}}", `
images.yaml:2:29: error[alias-cycle]: from 127.0.0.1:5000 leads back to the repository of the image; expected another registry, or a tag of the image without from (image "app" in images.yaml:4:10)
images.yaml:2:56: error[alias-cycle]: from localhost:5000 leads back to the repository of the image; expected another registry, or a tag of the image without from (image "app" in images.yaml:4:10)
images.yaml:4:47: error[alias-cycle]: from localhost:5000 leads back to the repository of the image; expected another registry, or a tag of the image without from`},
		{"from no registry", "images: {app: {aliases: {1: {from: staging}, 2: {from: https://ghcr.io}, 3: {from: ghcr.io/A}, 4: {from: ghcr.io/}, 5: {from: }, 6: {from: u:p@ghcr.io}, 7: {from: [ghcr.io]}}}}", `
images.yaml:2:36: error[invalid-registry]: registry "staging" is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"
images.yaml:2:56: error[invalid-registry]: registry "https://ghcr.io" has a scheme; write "ghcr.io"
images.yaml:2:84: error[invalid-registry]: from is "ghcr.io/A"; expected a registry, with a path before the names of its repositories if it has one, such as staging.example.com or ghcr.io/mirror
images.yaml:2:106: error[invalid-registry]: from is "ghcr.io/"; expected a registry, with a path before the names of its repositories if it has one, such as staging.example.com or ghcr.io/mirror
images.yaml:2:121: error[empty-value]: from is empty; expected a registry, with a path before the names of its repositories if it has one, such as staging.example.com or ghcr.io/mirror
images.yaml:2:140: error[invalid-registry]: registry has credentials in it; write "ghcr.io", and log in to it with docker login
images.yaml:2:164: error[wrong-type]: from is a list; expected a registry, with a path before the names of its repositories if it has one, such as staging.example.com or ghcr.io/mirror`},
		{"from, other keys", "images: {app: {aliases: {1: {from: ghcr.io, tags: 1}, 2: {from: ghcr.io, tag: sha256:1}, 3: {amd64: 1, form: ghcr.io}, 4: {newest: 1.x, from: ghcr.io}}}}", `
images.yaml:2:45: error[unknown-field]: "tags" is not a key of a source from elsewhere; did you mean "tag"?
images.yaml:2:79: error[invalid-tag]: tag is the digest "sha256:1"; write HOST/repository@sha256:… in place of from and tag
images.yaml:2:104: error[unknown-field]: "form" is neither a platform nor a key of a source; did you mean "from"?
images.yaml:2:137: error[unknown-field]: "from" is not a key of a newest source; expected one of newest, tags, variant, prereleases, versioning, downgrade, whole`},
		{"a tag without from", "images: {app: {aliases: {1: {tag: 10.1}, 2: {amd64: {tag: 10.1}}}}}", `
images.yaml:2:30: error[invalid-source]: alias "1" has tag without from; write {from: HOST, tag: TAG}, or the tag alone if it is one of the image itself
images.yaml:2:54: error[invalid-source]: platform "amd64" has tag without from; write {from: HOST, tag: TAG}, or the tag alone if it is one of the image itself`},
		{"aliases of nothing beside a profile", "profiles: {a: {aliases: {1: 1.1}}}\nuse: a\nimages: {app: {aliases: {}}}", `
images.yaml:4:25: error[empty-value]: aliases of image "app" is empty; name a tag, or remove it`},
		{"no aliases, and a policy of the file", "policies: {prune: true}\nimages: {app: , other: {policies: {provenance: drop}}}", `
images.yaml:3:10: error[missing-aliases]: image "app" has no aliases; expected "aliases:" with at least one tag
images.yaml:3:17: error[missing-aliases]: image "other" has no aliases; expected "aliases:" with at least one tag, or a policy of its own that deletes something (provenance: purge, prune: true)`},
		{"no aliases, and prune of the file", "policies: {prune: true}\nimages: {app: {policies: {provenance: purge}}}", `
images.yaml:3:10: error[missing-aliases]: image "app" has no aliases, so prune: true of images.yaml:2:19 would delete every alias that tagline made there; add "prune: false" to its policies, or "prune: true" if that is meant`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse("registry: localhost:5000\n" + test.input)
			if got, want := fmt.Sprint(err), strings.TrimSpace(test.want); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			badForSchema(t, "profiles: "+test.name, "registry: localhost:5000\n"+test.input)
		})
	}
}

func TestProfilesAreBounded(t *testing.T) {
	t.Run("depth", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("registry: localhost:5000\nprofiles:\n  p0: {aliases: {1: 1.1}}\n")
		for i := range maxProfileDepth - 1 {
			fmt.Fprintf(&b, "  p%d: {use: p%d}\n", i+1, i)
		}
		_, err := parse(fmt.Sprintf("%suse: p%d\nimages: {app: }\n", b.String(), maxProfileDepth-1))
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(&b, "  p%d: {use: p%d}\n", maxProfileDepth, maxProfileDepth-1)
		_, err = parse(fmt.Sprintf("%suse: p%d\nimages: {app: }\n", b.String(), maxProfileDepth))
		want := "images.yaml:19:14: error[too-deep]: profiles use each other more than 16 deep"
		if got, _, _ := strings.Cut(fmt.Sprint(err), "\n"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("number of aliases", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("registry: localhost:5000\nuse: p\nprofiles:\n  p:\n    aliases:\n")
		for i := range 2000 {
			fmt.Fprintf(&b, "      t%d: 1\n", i)
		}
		b.WriteString("images:\n")
		for i := range 130 {
			fmt.Fprintf(&b, "  app%d:\n", i)
		}
		_, err := parse(b.String())
		want := "images.yaml: error[too-large]: profiles give the images of the file more than 250000 aliases; divide the images among several files"
		if fmt.Sprint(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

func TestUnusedProfiles(t *testing.T) {
	cfg, err := parse(`registry: localhost:5000
profiles:
  a: {use: b}
  b: {aliases: {1: 1.1}}
  c: {use: d}
  d: {policies: {prune: true}}
images: {app: {use: a}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`images.yaml:5:3: warning[unused-profile]: no image uses profile "c"; use it, or remove it`,
		`images.yaml:6:3: warning[unused-profile]: no image uses profile "d"; use it, or remove it`,
	}
	if got := fmt.Sprint(cfg.Warnings); got != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestProfileAt(t *testing.T) {
	cfg, err := parse(`registry: localhost:5000
policies: {grace: 1h}
profiles:
  a: {policies: {prune: true}, aliases: {1: {amd64: 1.1}}}
use: a
images:
  app: {aliases: {2: 2.1}, policies: {provenance: drop}}
`)
	if err != nil {
		t.Fatal(err)
	}
	image := cfg.Images[0]
	got := map[string]string{}
	for _, alias := range image.Aliases {
		got[alias.Tag] = image.ProfileAt(alias.Pos)
		got[alias.Tag+" source"] = image.ProfileAt(alias.Sources[0].Pos)
	}
	for name, s := range image.Policies {
		got[name] = image.ProfileAt(s.Pos)
	}
	want := map[string]string{"1": "a", "1 source": "a", "2": "", "2 source": "", "prune": "a", "provenance": "", "grace": "", "platforms": ""}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]string{
		"7d": "168h0m0s", "1w": "168h0m0s", "1w2d12h30m": "228h30m0s", "24h": "24h0m0s", "0": "0s", "0d": "0s", "+1d": "24h0m0s", "1.5h": "1h30m0s", "106751d": "2562024h0m0s",
		"": "", "d": "", "1.5d": "", "-1d": "", "1d-1h": "", "1d+1h": "", "1h1d": "", "1d1w": "", "7": "", "1y": "", "106752d": "", "999999w": "", "1dh": "", "1d0": "", "9999999d": "",
	} {
		d, err := ParseDuration(text)
		got := d.String()
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
