package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"
)

// lockable are testPolicies, and one that a newest source can set.
func lockable() []PolicyKey {
	return append(testPolicies(), PolicyKey{Name: "downgrade", Values: []string{"deny", "allow"}, Default: "deny",
		Holds: func(least, value Setting) bool { return least.Value == value.Value }})
}

// unpack makes the files of an archive the current folder. In the comment of the
// archive each line "NAME -> TARGET" is a link.
func unpack(t testing.TB, archive string) {
	t.Helper()
	t.Chdir(t.TempDir())
	write := func(name string, make func() error) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), make()); err != nil {
			t.Fatal(err)
		}
	}
	files := txtar.Parse([]byte(archive))
	for _, f := range files.Files {
		write(f.Name, func() error { return os.WriteFile(f.Name, f.Data, 0o600) })
	}
	for line := range strings.Lines(string(files.Comment)) {
		if name, target, ok := strings.Cut(strings.TrimSpace(line), " -> "); ok {
			write(name, func() error { return os.Symlink(target, name) })
		}
	}
}

func once(name string) ([]byte, error) {
	if name == Stdin {
		return []byte("images: {localhost/piped: {aliases: {1: 1.1}}}\n"), nil
	}
	return os.ReadFile(name)
}

func load(names ...string) (*Config, error) {
	return Load(names, Options{Policies: lockable(), Once: once})
}

// names returns the images of a Config and the files that they are in.
func names(c *Config) []string {
	var all []string
	for _, l := range c.Listed {
		all = append(all, l.Repository.String()+" "+filepath.ToSlash(l.Pos.File))
	}
	return all
}

const app = "\nimages: {app: {aliases: {1: 1.1}}}\n"

func TestLoadFindsFiles(t *testing.T) {
	for _, test := range []struct {
		name, archive string
		files         []string
		want          []string
	}{
		{"one file", "-- images.yaml --\nregistry: localhost" + app, []string{"images.yaml"}, []string{"localhost/app images.yaml"}},
		{"a folder and what is below it", `
-- d/images.yaml --
registry: localhost
-- d/team/deep/er/a.yaml --
images: {a: {aliases: {1: 1.1}}}
-- d/team/b.yml --
images: {b: {aliases: {1: 1.1}}}
-- d/team/README.md --
# not read
-- d/.hidden.yaml --
not read
-- d/.github/workflow.yaml --
not read
`, []string{"d/"}, []string{"localhost/a d/team/deep/er/a.yaml", "localhost/b d/team/b.yml"}},
		{"a folder by the name of a file", "-- d.yaml/a.yaml --\nregistry: localhost\nimages: {localhost/a: {aliases: {1: 1.1}}}\n", []string{"d.yaml/a.yaml"}, []string{"localhost/a d.yaml/a.yaml"}},
		{"the current folder", "-- images.yaml --\nregistry: localhost" + app, []string{"."}, []string{"localhost/app images.yaml"}},
		{"a root file beside the folder", "-- images.yaml --\nregistry: localhost\n-- d/a.yaml --" + app, []string{"images.yaml", "d"}, []string{"localhost/app d/a.yaml"}},
		{"a root file in another folder than the first", "-- r/images.yaml --\nregistry: localhost\n-- d/images.yaml --" + app, []string{"r", "d"}, []string{"localhost/app d/images.yaml"}},
		{"no root file", "-- d/a.yaml --\nimages: {localhost/app: {aliases: {1: 1.1}}}\n-- d/e/images.yaml --\nimages: {localhost/b: {aliases: {1: 1.1}}}\n", []string{"d"}, []string{"localhost/app d/a.yaml", "localhost/b d/e/images.yaml"}},
		{"stdin", "", []string{"-"}, []string{"localhost/piped stdin"}},
		{"stdin after a root file", "-- images.yaml --\nregistry: localhost" + app, []string{"images.yaml", "-", "-"}, []string{"localhost/app images.yaml", "localhost/piped stdin"}},
		{"a file of the name that stdin has", "-- stdin --\nimages: {localhost/app: {aliases: {1: 1.1}}}\n", []string{"-", "stdin"}, []string{"localhost/app stdin", "localhost/piped stdin"}},
		{"a file twice is read once", "-- d/images.yaml --\nregistry: localhost" + app, []string{"d/images.yaml", "d", "./d/images.yaml"}, []string{"localhost/app d/images.yaml"}},
		{"a folder, and a file in it", "-- d/images.yaml --\nregistry: localhost" + app, []string{"d", "d/images.yaml"}, []string{"localhost/app d/images.yaml"}},
		{"a ConfigMap as Kubernetes mounts it", `
d/images.yaml -> ..data/images.yaml
d/..data -> ..2026_01_02
-- d/..2026_01_02/images.yaml --
registry: localhost
images: {app: {aliases: {1: 1.1}}}
`, []string{"d"}, []string{"localhost/app d/images.yaml"}},
		{"a link and its file are one", "d/a.yaml -> images.yaml\n-- d/images.yaml --\nregistry: localhost" + app, []string{"d"}, []string{"localhost/app d/images.yaml"}},
		{"a folder that is a link", "d -> e\n-- e/images.yaml --\nregistry: localhost" + app, []string{"d"}, []string{"localhost/app d/images.yaml"}},
		{"other links are not looked at", "d/a.txt -> /etc/passwd\nd/b -> nowhere\n-- d/images.yaml --\nregistry: localhost" + app, []string{"d"}, []string{"localhost/app d/images.yaml"}},
		{"the registry of the root file, by another name", "-- d/images.yaml --\nregistry: localhost:5000\n-- d/a.yaml --\nregistry: 127.0.0.1:5000" + app, []string{"d"}, []string{"localhost:5000/app d/a.yaml"}},
		{"the registry of the root file, said again", "-- d/images.yaml --\nregistry: LocalHost\n-- d/a.yaml --\nregistry: localhost" + app, []string{"d"}, []string{"localhost/app d/a.yaml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			unpack(t, test.archive)
			cfg, err := load(test.files...)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(cfg); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	const root = "-- d/images.yaml --\nregistry: localhost\n"
	for _, test := range []struct{ name, archive, want string }{
		{"a folder without files", "-- d/README.md --\n# d\n", `d: error[missing-images]: folder has no file that ends in .yaml or .yml; expected one with images, at any depth`},
		{"a folder without images", root, `d/images.yaml: error[missing-images]: file has no images; expected "images:" with at least one repository`},
		{"a team's file without images", root + "-- d/a.yaml --\npolicies: {prune: true}\n", `d/a.yaml: error[missing-images]: file has no images; expected "images:" with at least one repository`},
		{"a link out of the folder", "d/a.yaml -> ../other.yaml\n" + root + app + "-- other.yaml --" + app, `d/a.yaml: error[link-outside]: link leads out of the folder, to "../other.yaml"; remove the link and name that file with -f, or copy it into the folder`},
		{"a link to a folder", "d/a -> ../e\n" + root + app + "-- e/other.yaml --" + app, `d/a: error[link-outside]: it is a link to a folder, which is not followed; remove the link, and name that folder with -f if its files are meant`},
		{"a link that leads nowhere", "d/a.yaml -> b.yaml\n" + root + app, `d/a.yaml: error[unreadable-file]: link leads nowhere: no such file or directory`},
		{"names that differ in case", root + "-- d/Team/a.yaml --\nimages: {a: {aliases: {1: 1.1}}}\n-- d/team/A.yaml --\nimages: {b: {aliases: {1: 1.1}}}\n",
			`d/team/A.yaml: error[same-name]: name differs from d/Team/a.yaml in case alone, so that both are one file on some systems; rename one`},
		{"two root files", root + "-- d/images.yml --\nregistry: localhost" + app, `d/images.yml: error[same-name]: d/images.yaml is there as well, and either may be the root file; keep one`},
		{"one repository in two files", root + "-- d/a.yaml --" + app + "-- d/b.yaml --\n# b" + strings.ReplaceAll(app, "app", "127.0.0.1/app"),
			`d/b.yaml:2:10: error[duplicate-repository]: repository "127.0.0.1/app" is the same as "app" in d/a.yaml:1:10 (127.0.0.1/app); put their aliases together`},
		{"two registries", root + "-- d/a.yaml --\nregistry: ghcr.io" + app, `d/a.yaml:1:1: error[root-only]: registry is "ghcr.io", and d/images.yaml:1:11 sets "localhost" for all files; remove it, and write host/repository for images of another registry`},
		{"a registry that is not the root file's to give", "-- d/images.yaml --\npolicies: {prune: true}\n-- d/a.yaml --\nregistry: ghcr.io" + app, `d/a.yaml:1:1: error[root-only]: registry can only be set in the root file, d/images.yaml`},
		{"a registry without a root file", "-- d/a.yaml --\nregistry: ghcr.io" + app, `d/a.yaml:1:1: error[root-only]: registry can only be set in the root file, and there is none: name it with the first -f, or call it images.yaml`},
		{"a registry in a file that is the root of another folder", "-- d/e/images.yaml --\nregistry: ghcr.io\nlocked: [prune]" + app, `
d/e/images.yaml:1:1: error[root-only]: registry can only be set in the root file, and there is none: this file is it if the first -f names its folder, "d/e"
d/e/images.yaml:2:1: error[root-only]: locked can only be set in the root file, and there is none: this file is it if the first -f names its folder, "d/e"`},
		{"a profile of a root file that is not named", "-- d/a.yaml --\nuse: service\nimages: {localhost/app: }\n", `d/a.yaml:1:6: error[unknown-profile]: profile "service" does not exist; the file has no "profiles"; if it is a profile of the root file, name that with the first -f`},
		{"an unknown profile in two files without a root file", "-- d/a.yaml --\nuse: service\nimages: {localhost/app: }\n-- d/b.yaml --\nimages: {localhost/b: {aliases: {1: 1.1}}}\n", `d/a.yaml:1:6: error[unknown-profile]: profile "service" does not exist; the file has no "profiles"; if it is a profile of the root file, name that with the first -f`},
		{"no registry at all", "-- d/images.yaml --\npolicies: {prune: true}\n-- d/a.yaml --" + app, `d/a.yaml:1:10: error[missing-registry]: repository "app" has no registry; write it as host/repository, add "registry: host" to d/images.yaml, or give --registry (or TAGLINE_REGISTRY)`},
		{"registries and locks of a team", root + "-- d/a.yaml --\nregistries: {h.test: {kind: oci}}\nlocked: [prune]" + app, `
d/a.yaml:1:1: error[root-only]: registries can only be set in the root file, d/images.yaml
d/a.yaml:2:1: error[root-only]: locked can only be set in the root file, d/images.yaml`},
		{"one that is not YAML", root + "-- d/a.yaml --\n[\n-- d/b.yaml --\nimages: {b: {aliases: {1: '!'}}}\n", `
d/a.yaml:1:1: error[syntax]: file is not YAML: did not find expected node content
d/b.yaml:1:27: error[invalid-source]: tag "!" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`},
		{"a root file that is not YAML", "-- d/images.yaml --\nimages: [\n-- d/a.yaml --\nregistry: ghcr.io\nimages: {a: {aliases: {1: 1.1}}, b: {policies: {prune: x}, aliases: {1: {newest: 1.x, tags: '{version}-{arch}'}}}}\n", `
d/images.yaml:1:1: error[syntax]: file is not YAML: did not find expected node content
d/a.yaml:2:56: error[invalid-value]: prune is "x"; expected one of false, true`},
		{"a file that is too large", root + "-- d/a.yaml --\n" + strings.Repeat("#", MaxBytes) + "\n", `d/a.yaml: error[too-large]: file has more than 5242880 bytes (5 MiB)`},
		{"an alias that another file wants absent", root + "images: {a: {aliases: {1: absent}}}\n-- d/b.yaml --\nimages: {b: {aliases: {2: a:1}}}\n",
			`d/b.yaml:1:27: error[absent-source]: source "a:1" is an alias of image "a" that should be absent; name a tag that stays`},

		{"locked by default", root + "locked: [prune]\n-- d/a.yaml --\npolicies: {prune: true}" + app, `d/a.yaml:1:19: error[locked-policy]: prune is "true", and d/images.yaml:2:10 locks it at "false"; no other value is allowed`},
		{"locked, and an image of the root file", root + "locked: [prune]\nimages: {app: {policies: {prune: true}, aliases: {1: 1.1}}}\n", `d/images.yaml:3:34: error[locked-policy]: prune is "true", and d/images.yaml:2:10 locks it at "false"; no other value is allowed`},
		{"locked, and an image of a team", root + "policies: {platforms: [amd64, arm64]}\nlocked: [platforms]\n-- d/a.yaml --\npolicies: {platforms: [amd64, arm64, s390x]}\nimages: {app: {policies: {platforms: [amd64]}, aliases: {1: 1.1}}}\n",
			`d/a.yaml:2:38: error[locked-policy]: platforms is [linux/amd64], and d/images.yaml:3:10 locks it at [linux/amd64, linux/arm64]; it may only be stricter: more platforms`},
		{"locked, and a newest source", root + "locked: [downgrade]\n-- d/a.yaml --\nimages: {app: {aliases: {1: {newest: 1.x, downgrade: allow}}}}\n", `d/a.yaml:1:54: error[locked-policy]: downgrade is "allow", and d/images.yaml:2:10 locks it at "deny"; no other value is allowed`},
		{"an unknown lock", root + "locked: [plaforms]" + app, `d/images.yaml:2:10: error[unknown-field]: "plaforms" is not a policy; did you mean "platforms"?`},
		{"a lock twice", root + "locked: [prune, prune]" + app, `d/images.yaml:2:17: error[duplicate-key]: "prune" is locked twice, first in line 2; keep one`},
		{"no lock", root + "locked: []" + app, `d/images.yaml:2:9: error[empty-value]: locked is an empty list; expected a list of policies, such as [platforms]`},
		{"a lock that is no list", root + "locked: prune" + app, `d/images.yaml:2:9: error[wrong-type]: locked is the text "prune"; expected a list of policies, such as [platforms]`},
		{"a locked value that is none", root + "policies: {prune: x}\nlocked: [prune]\n-- d/a.yaml --\npolicies: {prune: true}" + app, `d/images.yaml:2:19: error[invalid-value]: prune is "x"; expected one of false, true`},
	} {
		t.Run(test.name, func(t *testing.T) {
			unpack(t, test.archive)
			_, err := load("d")
			leaves(t, err)
			if got, want := err.Error(), strings.TrimSpace(test.want); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestLoadOfMissingFiles(t *testing.T) {
	unpack(t, "-- images.yaml --\nregistry: localhost"+app)
	if _, err := load("no.yaml", "images.yaml", "none"); err == nil || err.Error() != "open no.yaml: no such file or directory\nopen none: no such file or directory" {
		t.Errorf("two missing files: %v", err)
	}
	for _, names := range [][]string{{"no.yaml"}, {"images.yaml", "no"}} {
		if _, err := load(names...); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", names, err)
		}
	}
	if _, err := Load([]string{"images.yaml"}, Options{Policies: lockable(), Registry: "https://ghcr.io", RegistryFrom: "--registry"}); err == nil || err.Error() != `--registry: error[invalid-registry]: registry "https://ghcr.io" has a scheme; write "ghcr.io"` {
		t.Error(err)
	}
}

// What the root file says holds for all files, and a file's own for its images.
func TestLoadMergesPolicies(t *testing.T) {
	unpack(t, `
-- d/images.yaml --
registry: localhost
policies: {provenance: drop, grace: 48h}
locked: [platforms]
-- d/a.yaml --
policies: {provenance: purge, platforms: [amd64]}
images:
  a: {aliases: {1: 1.1}}
  b: {policies: {provenance: keep}, aliases: {1: 1.1}}
-- d/b.yaml --
images: {c: {aliases: {1: 1.1}}}
`)
	cfg, err := load("d")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`a "purge" "48h" [linux/amd64]`, `b "keep" "48h" [linux/amd64]`, `c "drop" "48h" []`} {
		image := cfg.Images[i]
		if got := fmt.Sprint(image.Name, " ", image.Policies["provenance"], " ", image.Policies["grace"], " ", image.Policies["platforms"]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if at := cfg.Images[2].Policies["provenance"].Pos; at != (Pos{filepath.Join("d", "images.yaml"), 2, 24}) {
		t.Errorf("the root file's policy is at %s", at)
	}
}

// One file has the hash of its bytes. That of several depends on their names in
// the folder and their content, not on where the folder is.
func TestLoadSum(t *testing.T) {
	unpack(t, "-- d/images.yaml --\nregistry: localhost"+app+"-- d/a.yaml --\nimages: {a: {aliases: {1: 1.1}}}\n")
	sum := func(names ...string) string {
		t.Helper()
		cfg, err := load(names...)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.SHA256
	}
	data, _ := os.ReadFile("d/images.yaml")
	one, err := Parse("other.yaml", data, Options{Policies: lockable()})
	if err != nil || sum("d/images.yaml") != one.SHA256 {
		t.Errorf("Load and Parse of a file differ: %v", err)
	}
	whole, err := filepath.Abs("d")
	if err != nil {
		t.Fatal(err)
	}
	before := sum("d")
	if sum(whole) != before || sum("d/images.yaml", "d/a.yaml") != before {
		t.Error("it depends on where the folder is")
	}
	seen := map[string]string{before: "the first"}
	differs := func(what string, names ...string) {
		t.Helper()
		got := sum(names...)
		if seen[got] != "" {
			t.Errorf("%s has the sum of %s", what, seen[got])
		}
		seen[got] = what
	}
	differs("the root file alone", "d/images.yaml")
	differs("the root file and another", "d/images.yaml", "-")
	if err := os.Rename("d/a.yaml", "d/b.yaml"); err != nil {
		t.Fatal(err)
	}
	differs("another name", "d")
	if err := os.WriteFile("d/b.yaml", []byte("images: {a: {aliases: {1: 1.2}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	differs("other content", "d")
}

// Files of which no image is kept still say what their aliases take from others.
func TestLoadKeeps(t *testing.T) {
	unpack(t, `
-- d/images.yaml --
registry: localhost
-- d/a.yaml --
images: {a: {aliases: {1: base:1.1, 2: "base@sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb"}}}
-- d/b.yaml --
images: {base: {aliases: {1.1: absent}}, c: {aliases: {1: 1.1}}}
`)
	options := Options{Policies: lockable(), Keep: func(image Image) bool { return image.Name == "base" }}
	if _, err := Load([]string{"d"}, options); err == nil || !strings.HasPrefix(err.Error(), filepath.Join("d", "a.yaml")+":1:27: error[absent-source]") {
		t.Errorf("an alias that is not kept names one that should be absent: %v", err)
	}
	data, _ := os.ReadFile("d/b.yaml")
	if err := os.WriteFile("d/b.yaml", []byte(strings.ReplaceAll(string(data), "absent", "1.1.5")), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load([]string{"d"}, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Images) != 1 || len(cfg.Listed) != 3 || cfg.Files != 3 || cfg.Aliases() != 4 {
		t.Fatalf("%+v", cfg)
	}
	want := map[string]string{"1.1": `alias "1" of a`, "1.1.5": `alias "1.1" of base`}
	if base := cfg.Images[0]; !reflect.DeepEqual(base.Used, want) || !slices.Equal(base.Pinned, []string{digest}) {
		t.Errorf("got %v and %v", base.Used, base.Pinned)
	}
}

// A flat file says the same as one file for each of its images, and what is kept
// does not depend on what else is.
func TestTreeIsFlatFile(t *testing.T) {
	tag, dir := rapid.StringMatching(`[a-c]|absent`), t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		const head = "registry: localhost\npolicies: {prune: true}\n"
		flat := head + "images:\n"
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "images.yaml"), []byte(head), 0o600)); err != nil {
			t.Fatal(err)
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-d]`), 1, 4, rapid.ID).Draw(t, "images") {
			text := "  " + name + ":\n    aliases:\n"
			for _, alias := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-c]`), 1, 3, rapid.ID).Draw(t, "aliases") {
				source := tag.Draw(t, "source")
				if of := rapid.StringMatching(`[a-d]?`).Draw(t, "of"); of != "" {
					source = of + ":" + source
				}
				text += "      " + alias + ": " + source + "\n"
			}
			flat += text
			if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte("images:\n"+text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err1 := parse(flat)
		got, err2 := load(dir)
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("the file: %v\nthe tree: %v", err1, err2)
		}
		if err1 != nil {
			if a, b := leaves(t, err1), leaves(t, err2); len(a) != len(b) {
				t.Fatalf("%d problems of the file, %d of the tree:\n%v\n%v", len(a), len(b), err1, err2)
			}
			return
		}
		got, want = withoutPlaces(got), withoutPlaces(want)
		for _, image := range got.Images {
			delete(image.Policies, "downgrade") // of lockable
		}
		if !reflect.DeepEqual(got.Images, want.Images) {
			t.Fatalf("got  %+v\nwant %+v", got.Images, want.Images)
		}
		for i, image := range got.Images {
			one, err := Load([]string{dir}, Options{Policies: testPolicies(), Keep: func(o Image) bool { return o.Name == image.Name }})
			if err != nil || len(one.Images) != 1 || !reflect.DeepEqual(withoutPlaces(one).Images[0], got.Images[i]) {
				t.Fatalf("%s alone is %+v, %v", image.Name, one, err)
			}
		}
	})
}

// Of many problems the first hundred are told, whichever file is read first.
func TestManyProblems(t *testing.T) {
	var many strings.Builder
	many.WriteString("images:\n  a:\n    aliases:\n")
	for i := range 10_000 {
		fmt.Fprintf(&many, "      %d: '!'\n", i)
	}
	archive := "-- d/images.yaml --\nregistry: localhost\n-- d/a.yaml --\nimages: {b: {aliases: {1: '!'}}}\n"
	for i := range 10 {
		archive += fmt.Sprintf("-- d/b%d.yaml --\n%s", i, many.String())
	}
	unpack(t, archive)
	_, err := load("d")
	all := leaves(t, err)
	if len(all) != 101 {
		t.Fatalf("%d problems are told", len(all))
	}
	b := filepath.Join("d", "b0.yaml")
	if first := all[0].Pos; first.File != filepath.Join("d", "a.yaml") {
		t.Errorf("the first is at %s", first)
	}
	if last := all[99].Pos; last != (Pos{b, 102, 11}) {
		t.Errorf("the hundredth is at %s", last)
	}
	// The repository is in ten files, too.
	if got, want := all[100].Error(), b+":103:11: error[more-problems]: 99910 more problems, from here on, are not shown; correct those above first"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestManyWarnings(t *testing.T) {
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "\n      a%d: {newest: '<1 >2'}", i)
	}
	cfg, err := parse("registry: localhost\nimages:\n  a:\n    aliases:" + many.String() + "\n")
	if err != nil || len(cfg.Warnings) != 101 {
		t.Fatalf("%+v, %v", cfg, err)
	}
	if got, want := cfg.Warnings[100].Error(), `images.yaml:105:22: warning[more-problems]: 900 more warnings, from here on, are not shown; correct those above first`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
