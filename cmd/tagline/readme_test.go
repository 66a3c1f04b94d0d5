package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// TestReadme runs the README. In its ```console blocks a line that begins with
// "$ " is a command, and what follows is all that it prints; a ```yaml block
// whose first line is "# NAME" is the file of that name from there on, but for
// its registry. The
// blocks run in order, in one folder, on a registry with the demo's samples
// that stands in for localhost:5000.
//
// `make demo` runs for real; `make test` is what runs this test. With -update
// the README gets what the commands print.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	host := ocitest.Olareg(t)
	if _, err := demo.Seed(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	env := append(os.Environ(), "PATH="+filepath.Dir(self(t))+":"+os.Getenv("PATH"), "TAGLINE_REGISTRY=", "GITHUB_ACTIONS=",
		"GORACE=atexit_sleep_ms=0", "HOME="+dir, "XDG_CACHE_HOME=")
	port := regexp.MustCompile(`127\.0\.0\.1:\d+`)

	commands := 0
	run := func(line string) (out string, ran bool) {
		commands++
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir, cmd.Env = dir, env
		switch {
		case line == "make test":
			return "", false
		case strings.HasPrefix(line, "make "):
			cmd.Dir, cmd.Env = root, append(os.Environ(), "MAKELEVEL=", "MAKEFLAGS=") // as if typed in a shell
		}
		printed, _ := cmd.CombinedOutput() // exit codes are shown by `echo`
		return port.ReplaceAllString(string(printed), "localhost:5000"), true
	}
	block := regexp.MustCompile("(?s)```(console|yaml)\n(.*?)```")
	updated := block.ReplaceAllStringFunc(string(readme), func(found string) string {
		match := block.FindStringSubmatch(found)
		if match[1] == "yaml" {
			first, _, _ := strings.Cut(match[2], "\n")
			if name, ok := strings.CutPrefix(first, "# "); ok && strings.HasSuffix(name, ".yaml") {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(match[2], "localhost:5000", host)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			return found
		}
		text := ""
		for _, step := range strings.Split("\n"+match[2], "\n$ ")[1:] {
			line, want, _ := strings.Cut(step, "\n")
			got, ran := run(line)
			if ran && !*update && strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("$ %s\nprints\n%s\nbut the README has\n%s", line, got, want)
			}
			text += "$ " + line + "\n" + got
		}
		return "```console\n" + text + "```"
	})
	if commands < 8 {
		t.Errorf("only %d commands found", commands)
	}
	if *update {
		if err := os.WriteFile("../../README.md", []byte(updated), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
