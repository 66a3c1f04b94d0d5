package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// allPolicies are those of other tests, and the one that a source can have.
func allPolicies() []PolicyKey {
	return append(testPolicies(), PolicyKey{Name: "downgrade", Values: []string{"deny", "allow"}, Default: "deny"})
}

func parseAll(input string) (*Config, error) {
	return Parse("images.yaml", []byte(input), Options{Policies: allPolicies()})
}

func TestWriteEffective(t *testing.T) {
	cfg, err := parseAll(`# images.yaml
registry: localhost:5000
registries: {Harbor.example.com: {kind: harbor}}
policies: {platforms: [amd64, windows(10.0.17763)/amd64], grace: 7d}
profiles:
  service:
    policies: {prune: true}
    aliases:
      1: {newest: "1.x", variant: alpine, downgrade: deny, whole: true}
      latest: 1
      "null":
        amd64: {newest: "~2.1 || >=4", tags: "{version}-{arch}", prereleases: true}
        arm64: {from: staging.example.com, tag: 2.1}
  old: {use: service, aliases: {0: absent}}
images:
  billing: {use: old}
  "[::1]:5000/checkout":
    aliases: {1: "sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb", 24.04: {newest: "24.04", versioning: calendar}}
    use: service
`)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := cfg.WriteEffective(&b, allPolicies()); err != nil {
		t.Fatal(err)
	}
	want := `registry: localhost:5000              # images.yaml:2
registries:
  harbor.example.com: {kind: harbor}  # images.yaml:3
images:
  "[::1]:5000/checkout":                         # images.yaml:17
    policies:
      platforms: [amd64, windows(10.0.17763)/amd64]  # images.yaml:4
      # provenance: keep                         # default
      prune: true                                # images.yaml:7, profile service
      grace: 7d                                  # images.yaml:4
      # downgrade: deny                          # default
    aliases:
      1: sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb  # images.yaml:18
      24.04: {newest: "24.04", versioning: calendar}  # images.yaml:18
      latest: 1                                  # images.yaml:10, profile service
      "null":                                    # images.yaml:11, profile service
        amd64: {newest: "~2.1 || >=4", tags: "{version}-{arch}", prereleases: true}  # images.yaml:12, profile service
        arm64: staging.example.com/checkout:2.1  # images.yaml:13, profile service
  billing:                                      # images.yaml:16
    policies:
      platforms: [amd64, windows(10.0.17763)/amd64]  # images.yaml:4
      # provenance: keep                        # default
      prune: true                               # images.yaml:7, profile service
      grace: 7d                                 # images.yaml:4
      # downgrade: deny                         # default
    aliases:
      0: absent                                 # images.yaml:14, profile old
      1: {newest: "1.x", variant: alpine, downgrade: deny, whole: true}  # images.yaml:9, profile service
      latest: 1                                 # images.yaml:10, profile service
      "null":                                   # images.yaml:11, profile service
        amd64: {newest: "~2.1 || >=4", tags: "{version}-{arch}", prereleases: true}  # images.yaml:12, profile service
        arm64: staging.example.com/billing:2.1  # images.yaml:13, profile service
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Defaults can be made policies of their own: what stands in comments is YAML too.
func TestEffectiveUncommented(t *testing.T) {
	for name, input := range map[string]string{
		"no policy": "images: {localhost/app: {aliases: {1: 1.1}}}\n",
		"a policy":  "policies: {grace: 7d}\nimages: {localhost/app: {aliases: {1: 1.1}}}\n",
	} {
		cfg, err := parseAll(input)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := cfg.WriteEffective(&b, allPolicies()); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(b.String(), "      # platforms: none", "      ## platforms: none") // no list is the default
		var all []string
		for line := range strings.Lines(text) {
			bare := strings.TrimLeft(line, " ")
			if rest, ok := strings.CutPrefix(bare, "# "); ok {
				line = line[:len(line)-len(bare)] + rest
			}
			all = append(all, line)
		}
		again, err := parseAll(strings.Join(all, ""))
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, strings.Join(all, ""))
		} else if s := again.Images[0].Policies["prune"]; s.Value != "false" || s.Pos.Line == 0 {
			t.Errorf("%s: prune is %+v", name, s)
		}
	}
}

// What images.yaml can say of a registry is written as well.
func TestEffectiveRegistries(t *testing.T) {
	if n := reflect.TypeFor[Registry]().NumField(); n != 6 {
		t.Errorf("Registry has %d fields; write the new ones in Registry.yaml, and add them here", n)
	}
	const file = `registries:
  a.example.com: {kind: harbor, concurrency: 2}
  b.example.com: {concurrency: 3}
  123456789012.dkr.ecr.eu-central-1.amazonaws.com: {role-arn: "arn:aws:iam::123456789012:role/tagline", external-id: "a=b", aws-profile: "the prod", region: eu-west-1, concurrency: 4}
images: {a.example.com/app: {aliases: {1: 1.1}}}
`
	cfg, err := parse(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(flat(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Registries, cfg.Registries) {
		t.Errorf("got %+v, want %+v", again.Registries, cfg.Registries)
	}
}

// A file, and what it comes to, are the same images.
func TestEffectiveIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		input := drawFile(t)
		cfg, err := parseAll(input)
		if err != nil {
			t.Fatalf("%v\n%s", err, input)
		}
		var b strings.Builder
		if err := cfg.WriteEffective(&b, allPolicies()); err != nil {
			t.Fatal(err)
		}
		again, err := parseAll(b.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		var c strings.Builder
		if err := again.WriteEffective(&c, allPolicies()); err != nil {
			t.Fatal(err)
		}
		got, want := withoutOrigins(again), withoutOrigins(cfg)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v\n%s\n%s", got, want, input, b.String())
		}
		bare := func(text string) string {
			var all []string
			for line := range strings.Lines(text) {
				line, _, _ = strings.Cut(line, "  # images.yaml")
				all = append(all, strings.TrimSpace(line))
			}
			return strings.Join(all, "\n")
		}
		if bare(b.String()) != bare(c.String()) {
			t.Fatalf("it comes to\n%s\nand that to\n%s", b.String(), c.String())
		}
	})
}

// withoutOrigins drops what the way to a configuration does change.
func withoutOrigins(c *Config) *Config {
	written := func(s Setting) Setting {
		s.Profile = ""
		if s.Pos.Line > 0 { // which counts
			s.Pos = Pos{"", 1, 1}
		}
		return s
	}
	c.SHA256, c.HostPos, c.Warnings = "", Pos{}, nil
	for i := range c.Listed {
		c.Listed[i].Pos = Pos{}
	}
	for i := range c.Images {
		image := &c.Images[i]
		image.Pos = Pos{}
		for used := range image.Used { // by whom first depends on the order of the file
			image.Used[used] = ""
		}
		for name, setting := range image.Policies {
			image.Policies[name] = written(setting)
		}
		for j := range image.Aliases {
			alias := &image.Aliases[j]
			alias.Pos, alias.Profile = Pos{}, ""
			for k := range alias.Sources {
				s := &alias.Sources[k]
				s.Pos = Pos{}
				if s.Newest != nil {
					n := *s.Newest
					n.Downgrade, n.Tags.pattern = written(n.Downgrade), nil
					s.Newest = &n
				}
			}
		}
	}
	return c
}

// drawFile draws a valid images.yaml with profiles.
func drawFile(t *rapid.T) string {
	sources := rapid.SampledFrom([]string{
		"1.1", "10.10", `"null"`, "2e3", "sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb", "base/image:1",
		"base@sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb", `"[::1]:5000/base:absent"`, "docker.io/base:1",
		`{newest: "1.x"}`, `{newest: ">=1.2 <2 !=1.5.3", variant: alpine, downgrade: allow}`, `{newest: 24.04, versioning: calendar}`,
		`{newest: "*", prereleases: true}`, `{newest: "*", tags: "v-{version}"}`,
		"{from: staging.example.com}", "{from: ghcr.io/mirror}", "{from: localhost:5002, tag: 3.1}",
	})
	alias := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			return "absent"
		case 1:
			all := "{"
			for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"amd64", "arm64/v8", "windows(10.0.17763)/amd64", "386"}), 1, 3, rapid.ID).Draw(t, "platforms") {
				all += p + ": " + sources.Draw(t, "source") + ", "
			}
			return all + "}"
		}
		return rapid.OneOf(sources, rapid.Just(`{newest: "3.x", whole: true}`)).Draw(t, "source")
	})
	tags := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1", "1e3", "latest", `"NULL"`, "2026-01-02", "yes", "a_b"}), 1, 3, rapid.ID)
	aliases := func(label string) string {
		all := "aliases: {"
		for _, tag := range tags.Draw(t, label) {
			all += tag + ": " + alias.Draw(t, label+tag) + ", "
		}
		return all + "}, "
	}
	policies := func(label string) string {
		all := "policies: {"
		for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"platforms: [amd64, arm/v7]", "provenance: purge", "provenance: keep", "prune: true", "grace: 1w2d", "grace: 24h"}), 0, 3,
			func(p string) string { name, _, _ := strings.Cut(p, ":"); return name }).Draw(t, label) {
			all += p + ", "
		}
		return all + "}, "
	}
	use := func(label string, of []string, least int) string {
		if len(of) < least {
			return ""
		}
		return "use: [" + strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(of), least, 3, rapid.ID).Draw(t, label), ", ") + "], "
	}
	file := "{registry: localhost:5000, " + policies("file") + "profiles: {"
	names := []string{"none"}
	file += "none: {policies: {}}, "
	for i := range rapid.IntRange(0, 3).Draw(t, "profiles") {
		name := fmt.Sprintf("p%d", i)
		file += name + ": {" + use(name+" use", names, 1) + policies(name) + aliases(name) + "}, "
		names = append(names, name)
	}
	file += "}, images: {"
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"app", "team/app", "docker.io/app", `"[::1]:5001/app"`, "ghcr.io/x/y"}), 1, 3, rapid.ID).Draw(t, "images") {
		file += name + ": {" + use(name+" use", names, 0) + policies(name) + aliases(name) + "}, "
	}
	return file + "}}\n"
}
