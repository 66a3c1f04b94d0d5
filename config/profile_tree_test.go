package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// loadTree loads the files of a txtar archive as one folder. Messages name the
// files within it.
func loadTree(t *testing.T, archive string) (*Config, string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, f := range txtar.Parse([]byte(archive)).Files {
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load([]string{"."}, Options{Policies: testPolicies()})
	if err != nil {
		return nil, err.Error()
	}
	return cfg, ""
}

func TestProfilesOfTheRootFile(t *testing.T) {
	for _, test := range []struct{ name, tree, want, warnings, problems string }{
		{name: "are for all files", tree: `
-- images.yaml --
registry: localhost:5000
policies: {prune: true}
profiles: {service: {policies: {prune: false}, aliases: {1: 1.1}}}
-- a/team.yaml --
policies: {grace: 1d}
use: service
images: {app: }
-- b/team.yaml --
profiles: {own: {use: service, aliases: {2: 2.1}}}
images: {other: {use: own}}
-- c/team.yaml --
profiles: {own: {aliases: {3: 3.1}}}
images: {third: {use: own}}
`, want: `
registry: localhost:5000
images:
  app:
    policies:
      prune: false
      grace: 1d
    aliases:
      1: 1.1
  other:
    policies:
      prune: false
    aliases:
      1: 1.1
      2: 2.1
  third:
    policies:
      prune: true
    aliases:
      3: 3.1
`},
		{name: "are not of one name with a file's own", tree: `
-- images.yaml --
registry: localhost:5000
profiles: {service: {aliases: {1: 1.1}}}
-- team.yaml --
profiles: {service: {aliases: {2: 2.1}}}
images: {app: {use: service}}
`, problems: `team.yaml:1:12: error[duplicate-profile]: "service" is a profile of images.yaml:2:12 too; give it another name`},
		{name: "see none of other files", tree: `
-- images.yaml --
registry: localhost:5000
profiles: {service: {use: own, aliases: {1: 1.1}}}
-- a.yaml --
profiles: {own: {aliases: {2: 2.1}}}
images: {app: {use: [service, own]}}
-- b.yaml --
images: {other: {use: own}}
`, problems: `
images.yaml:2:27: error[unknown-profile]: profile "own" does not exist; there are service
b.yaml:1:23: error[unknown-profile]: profile "own" does not exist; there are service`},
		{name: "have their problems once", tree: `
-- images.yaml --
registry: localhost:5000
profiles: {service: {aliases: {1: 2, 2: 1, 3: {from: localhost:5000}, 4: x:1}}}
-- a.yaml --
use: service
images: {app: , b: }
-- b.yaml --
use: service
images: {other: , x: {use: [], aliases: {1: absent}}}
`, problems: `
images.yaml:2:41: error[alias-cycle]: aliases lead in a cycle: 1 -> 2 -> 1 (image "app" in a.yaml:2:10 and 2 more)
images.yaml:2:47: error[alias-cycle]: from localhost:5000 leads back to the repository of the image; expected another registry, or a tag of the image without from (image "app" in a.yaml:2:10 and 2 more)
images.yaml:2:74: error[absent-source]: source "x:1" is an alias of image "x" that should be absent; name a tag that stays (image "app" in a.yaml:2:10 and 2 more)`},
		{name: "can be unused", tree: `
-- images.yaml --
registry: localhost:5000
profiles: {a: {aliases: {1: 1.1}}, b: {aliases: {1: 1.1}}}
-- a.yaml --
profiles: {own: {aliases: {1: 1.1}}, unused: {use: b}}
images: {app: {use: [own, a]}}
`, want: `
registry: localhost:5000
images:
  app:
    aliases:
      1: 1.1
`, warnings: `
images.yaml:2:36: warning[unused-profile]: no image uses profile "b"; use it, or remove it
a.yaml:1:38: warning[unused-profile]: no image uses profile "unused"; use it, or remove it`},
		{name: "are not known while the root file is not YAML", tree: `
-- images.yaml --
registry: [
-- a.yaml --
use: service
images: {app: }
`, problems: `images.yaml:1:1: error[syntax]: file is not YAML: did not find expected node content`},
		{name: "are as deep as those of a file together", tree: `
-- images.yaml --
registry: localhost:5000
profiles:
  p1: {aliases: {1: 1.1}}
  p2: {use: p1}
  p3: {use: p2}
  p4: {use: p3}
  p5: {use: p4}
  p6: {use: p5}
  p7: {use: p6}
  p8: {use: p7}
  p9: {use: p8}
  p10: {use: p9}
  p11: {use: p10}
  p12: {use: p11}
  p13: {use: p12}
  p14: {use: p13}
  p15: {use: p14}
-- a.yaml --
profiles: {own: {use: p15}, over: {use: own}}
images: {app: {use: own}}
-- b.yaml --
profiles: {own: {use: p15}}
images: {other: {use: own}}
`, problems: `a.yaml:1:41: error[too-deep]: profiles use each other more than 16 deep`},
		{name: "are held to what is locked", tree: `
-- images.yaml --
registry: localhost:5000
policies: {platforms: [amd64, arm64]}
locked: [platforms]
profiles: {lax: {policies: {platforms: [amd64]}, aliases: {1: 1.1}}}
-- a.yaml --
use: lax
images: {app: , other: }
`, problems: `images.yaml:4:40: error[locked-policy]: platforms is [linux/amd64], and images.yaml:3:10 locks it at [linux/amd64, linux/arm64]; it may only be stricter: more platforms`},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, problems := loadTree(t, test.tree)
			if want := strings.TrimSpace(test.problems); problems != want {
				t.Fatalf("got\n%s\nwant\n%s", problems, want)
			}
			if cfg == nil {
				return
			}
			if got, want := flat(t, cfg), strings.TrimPrefix(test.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			var warnings []string
			for _, w := range cfg.Warnings {
				warnings = append(warnings, w.Error())
			}
			if got, want := strings.Join(warnings, "\n"), strings.TrimSpace(test.warnings); got != want {
				t.Errorf("it warns\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEffectiveOfATree(t *testing.T) {
	cfg, problems := loadTree(t, `
-- images.yaml --
registry: localhost:5000
policies: {platforms: [amd64]}
locked: [platforms, prune]
profiles:
  service:
    aliases:
      1: 1.1
-- teams/a.yaml --
use: service
images:
  app: {policies: {grace: 1w}}
`)
	if cfg == nil {
		t.Fatal(problems)
	}
	var b strings.Builder
	if err := cfg.WriteEffective(&b, testPolicies()); err != nil {
		t.Fatal(err)
	}
	want := `registry: localhost:5000  # images.yaml:1
images:
  app:                    # teams/a.yaml:3
    policies:
      platforms: [amd64]  # images.yaml:2, locked by images.yaml:3
      # provenance: keep  # default
      # prune: false      # default, locked by images.yaml:3
      grace: 1w           # teams/a.yaml:3
    aliases:
      1: 1.1              # images.yaml:7, profile service
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if fmt.Sprint(cfg.Images[0].ProfileAt(cfg.Images[0].Aliases[0].Pos)) != "service" {
		t.Error("the alias is not one of the profile")
	}
}

func BenchmarkProfiles(b *testing.B) {
	var file strings.Builder
	file.WriteString("registry: localhost:5000\npolicies: {platforms: [amd64, arm64]}\nuse: service\nprofiles:\n  service:\n    aliases:\n")
	for i := range 90 {
		fmt.Fprintf(&file, "      %d.%d: {amd64: %[1]d.%[2]d.1, arm64: %[1]d.%[2]d.2}\n", i/10, i%10)
	}
	for i := range 10 {
		fmt.Fprintf(&file, "      p%d: {from: staging.example.com}\n", i)
	}
	file.WriteString("images:\n")
	for i := range 100 {
		fmt.Fprintf(&file, "  team/app%d:\n", i)
	}
	for b.Loop() {
		_, err := Parse("images.yaml", []byte(file.String()), Options{Policies: testPolicies(), Keep: func(Image) bool { return false }})
		if err != nil {
			b.Fatal(err)
		}
	}
}
