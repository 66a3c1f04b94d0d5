package compose_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"pgregory.net/rapid"

	"tagline/config/compose"
)

// asComposeGo loads a project with compose-go alone, which follows include and
// extends by itself. It is a line for each service, as asLoaded has it.
func asComposeGo(files []string) (string, error) {
	options, err := cli.NewProjectOptions(files, cli.WithEnvFiles(), cli.WithDotEnv, cli.WithProfiles([]string{"*"}), cli.WithConsistency(false), cli.WithoutEnvironmentResolution, cli.WithName("x"))
	if err != nil {
		return "", err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return "", err
	}
	var services []compose.Service
	for name, s := range project.Services {
		services = append(services, compose.Service{Name: name, Image: compose.Text{Value: s.Image}, Platform: compose.Text{Value: s.Platform}, Build: s.Build != nil})
	}
	return asLoaded(services), nil
}

func asLoaded(services []compose.Service) string {
	var lines []string
	for _, s := range services {
		lines = append(lines, fmt.Sprintf("%s image=%s platform=%s build=%v", s.Name, s.Image.Value, s.Platform.Value, s.Build))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Services are merged here as compose-go merges them, over documents, files to
// override, include and extends.
func TestAsComposeGo(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	loaded := 0
	rapid.Check(t, func(t *rapid.T) {
		one := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "value") }
		n, last := 0, rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "files that name each other")
		service := func(file, index int) string {
			n++
			// compose-go looks for no tags within "!override".
			tag := one("", "", "", "", "!override")
			extends := []string{""}
			if index > 0 {
				extends = append(extends, "s0", "{service: s0}")
			}
			if file < last {
				extends = append(extends, fmt.Sprintf("{file: f%d.yml, service: s2}", file+1), fmt.Sprintf("{file: sub/f%d.yml, service: s1}", file+1))
			}
			lines := tag + "\n    labels: {a: b}\n"
			for _, key := range []struct {
				name   string
				values []string
			}{
				{"image", []string{"", fmt.Sprintf("i:%d", n), "\"i:${V}\"", "!reset null", fmt.Sprintf("!override i:%d", n)}},
				{"platform", []string{"", fmt.Sprintf("p%d", n), "!reset null", fmt.Sprintf("!override p%d", n)}},
				{"build", []string{"", ".", "!reset null", "!override {context: .}"}},
				{"extends", extends},
			} {
				if value := one(key.values...); value != "" && (tag == "" || !strings.Contains(value, "!")) {
					lines += fmt.Sprintf("    %s: %s\n", key.name, value)
				}
			}
			return lines
		}
		document := func(file int) string {
			var b strings.Builder
			if file < last && rapid.Bool().Draw(t, "include") {
				next := fmt.Sprintf("f%d.yml", file+1)
				b.WriteString("include:\n  - " + one(next, "sub/"+next, fmt.Sprintf("{path: [%s, sub/%s]}", next, next), fmt.Sprintf("{path: %s, env_file: vars, project_directory: sub}", next)) + "\n")
				if rapid.Bool().Draw(t, "second") {
					b.WriteString("  - {path: sub/" + next + ", project_directory: .}\n")
				}
			}
			b.WriteString("services:\n")
			for i := range 3 {
				fmt.Fprintf(&b, "  s%d: %s", i, service(file, i))
			}
			return b.String()
		}
		write := func(name, content string) {
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		archive := ""
		for i := range last + 1 {
			for _, folder := range []string{"", "sub/", "sub/sub/"} {
				content := document(i)
				if rapid.Bool().Draw(t, "second document") {
					content += "---\n" + document(last)
				}
				name := fmt.Sprintf("%sf%d.yml", folder, i)
				archive += "-- " + name + " --\n" + content
				write(name, content)
			}
		}
		write("vars", "V=vars\n")
		write(".env", "V=root\n")
		write("sub/.env", "V=sub\nW=${V}\n")
		files := []string{"f0.yml"}
		if rapid.Bool().Draw(t, "override") {
			files = append(files, "sub/f0.yml")
		}
		want, err := asComposeGo(files)
		if err != nil {
			return
		}
		loaded++
		services, err := compose.Load(strings.Join(files, string(os.PathListSeparator)), nil)
		if got := asLoaded(services); err != nil || got != want {
			t.Errorf("%s\ngot:  %v\n%s\nwant:\n%s", archive, err, got, want)
		}
	})
	if t.Logf("%d projects were compared", loaded); loaded == 0 {
		t.Error("none")
	}
}
