package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/sirupsen/logrus"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) {
	logrus.SetLevel(logrus.PanicLevel) // compose-go's own words on unset variables
	os.Exit(m.Run())
}

// TestAgainstComposeGo holds Load against the loader of docker compose, on
// random projects of files that include, extend and override each other.
func TestAgainstComposeGo(t *testing.T) {
	files := []string{"compose.yml", "b.yml", "sub/c.yml", "sub/d.yml"}
	services := []string{"one", "two", "x-three"}
	// compose-go resolves the files of an include within an include against the
	// current folder, so the project is in it, as for docker compose.
	t.Chdir(t.TempDir())
	agreed := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		clean := os.RemoveAll("sub")
		if err := os.Mkdir("sub", 0o700); err != nil || clean != nil {
			t.Fatal(err, clean)
		}
		write := func(name, text string) {
			t.Logf("-- %s --\n%s", name, text)
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(".env", pick("env", "", "A=1", "A=1\nB=$A.2", "B='$A'\n\nexport A=x # y"))
		if rapid.Bool().Draw(t, "sub env") {
			write("sub/.env", "A=sub\nC=${B:-c}")
		}
		for i, name := range files {
			var b strings.Builder
			if i < 2 && rapid.Bool().Draw(t, "includes") {
				path := pick("path", "b.yml", "sub/c.yml", "./sub/d.yml")
				switch pick("form", "short", "long", "directory", "override") {
				case "short":
					fmt.Fprintf(&b, "include: [%s]\n", path)
				case "long":
					fmt.Fprintf(&b, "include: [{path: %s, env_file: .env}]\n", path)
				case "directory":
					fmt.Fprintf(&b, "include: [{path: %s, project_directory: .}]\n", path)
				case "override":
					fmt.Fprintf(&b, "include: [{path: [%s, sub/d.yml]}]\n", path)
				}
			}
			b.WriteString("x-base: &base {image: \"base:1\", platform: linux/s390x}\nservices:\n  all: {image: a}\n")
			for _, s := range services {
				if rapid.Bool().Draw(t, "there") {
					fmt.Fprintf(&b, "  %s:\n    labels: {file: %q}\n", s, name)
					b.WriteString(pick("merge", "", "", "    <<: *base\n"))
					b.WriteString(pick("image", "", "    image: app:1\n", "    image: \"app:${A}\"\n", "    image: app:${B:-${A}}${C}\n", "    image: app:$$A\n", "    image: !reset null\n"))
					b.WriteString(pick("platform", "", "    platform: linux/arm64\n", "    platform: linux/${A:+amd64}\n", "    platform: !reset null\n"))
					b.WriteString(pick("build", "", "", "    build: .\n", "    build: {context: .}\n", "    build: !reset null\n"))
					other := pick("other", services...)
					extends := []string{""}
					if i < 3 { // in an extended file, compose-go takes equal names for cycles
						d := map[bool]string{true: "sub/d.yml", false: "d.yml"}[i < 2]
						extends = append(extends, "", "    extends: "+other+"\n", "    extends: {service: "+other+"}\n",
							"    extends: {service: all, file: "+d+"}\n", "    extends: {service: "+other+", file: "+d+"}\n")
					}
					b.WriteString(pick("extends", extends...))
				}
			}
			write(name, b.String())
		}
		got, err := Load("compose.yml", nil)
		want, wantErr := oracle(t, "compose.yml")
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("got the error %v, compose-go has %v", err, wantErr)
		}
		agreed[err == nil]++
		if err != nil {
			return
		}
		described := map[string]string{}
		for _, s := range got {
			described[s.Name] = fmt.Sprintf("%s %s %v", s.Image.Value, s.Platform.Value, s.Build)
		}
		if fmt.Sprint(described) != fmt.Sprint(want) {
			t.Fatalf("got %v, compose-go has %v", described, want)
		}
	})
	if agreed[true] == 0 || agreed[false] == 0 {
		t.Errorf("agreed %v: projects of one kind alone prove little", agreed)
	}
}

func oracle(t *rapid.T, main string) (map[string]string, error) {
	options, err := cli.NewProjectOptions([]string{main}, cli.WithEnvFiles(), cli.WithDotEnv, cli.WithProfiles([]string{"*"}),
		cli.WithConsistency(false), cli.WithoutEnvironmentResolution, cli.WithoutLabelsResolution)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for name, s := range project.Services {
		all[name] = fmt.Sprintf("%s %s %v", s.Image, s.Platform, s.Build != nil)
	}
	return all, nil
}

// FuzzLoad: whatever a compose file and a .env file say, there is an answer,
// every finding is one line with a place, and nothing above is read.
func FuzzLoad(f *testing.F) {
	f.Add([]byte("services: {a: {image: \"app:${TAG:-10}\", platform: linux/arm64}}\n"), []byte("TAG=1\n"))
	f.Add([]byte("x: &a [1]\nservices:\n  a: {extends: b}\n  b: {<<: {image: x}, build: .}\n---\nservices: {a: !reset null}\n"), []byte("A='b\nc'\nB=\"$A\"\n"))
	f.Add([]byte("include: [{path: [../a.yml, /etc/passwd], env_file: x, project_directory: ..}]\n"), []byte("export A\nB: ${A:?no}\n"))
	f.Add([]byte("services: &s\n  <<: [*s, {a: {image: 1.10}}]\n"), []byte("A=${A:-${A:-${A}}}"))
	f.Add([]byte("include: [compose.yml, \"${X}\"]\nservices: {a: {extends: {file: ./compose.yml, service: a}}}"), []byte("X=./compose.yml"))
	f.Add([]byte("include: [\"../${HOME}\"]\nservices: {a: {image: \"localhost:5000/app:${B}${HOME:?${HOME}}\", platform: \"$C\"}}"), []byte("B=$HOME\nC=x${B}\nHOME"))
	f.Add([]byte("services: {a: {extends: \"$HOME\", image: \"localhost:5000/app:${NOPE:?${HOME}}\"}}"), []byte("A=${NOPE:?$HOME}"))
	dir := f.TempDir()
	cfg := parseConfig(f, images)
	f.Fuzz(func(t *testing.T, file, env []byte) {
		for name, data := range map[string][]byte{"compose.yml": file, ".env": env} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		services, err := Load(filepath.Join(dir, "compose.yml"), map[string]string{"HOME": "/nowhere"})
		lines := []string{}
		if err != nil {
			lines = strings.Split(err.Error(), "\n")
		}
		for _, f := range Check(cfg, services).Findings {
			lines = append(lines, f.Error())
		}
		for _, line := range lines {
			if !strings.HasPrefix(line, dir) || strings.ContainsAny(line, "\x00\x1b\r\n") || strings.Contains(line, "nowhere") {
				t.Errorf("%q", line)
			}
		}
	})
}
