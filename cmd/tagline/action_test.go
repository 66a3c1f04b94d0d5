package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tagline/reconcile/report"
)

// What the sample workflows hand to the action are inputs that it has.
func TestSampleWorkflowsKnowTheAction(t *testing.T) {
	action, err := os.ReadFile("../../.github/actions/tagline/action.yml")
	if err != nil {
		t.Fatal(err)
	}
	inputs, _, _ := strings.Cut(string(action), "\nruns:")
	uses := regexp.MustCompile(`uses: OWNER/tagline/(\S+)@v1\n +with:\n((?: {10}[^\n]*\n)+)`)
	examples, err := filepath.Glob("../../.github/examples/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, example := range examples {
		data, err := os.ReadFile(example)
		if err != nil {
			t.Fatal(err)
		}
		steps := uses.FindAllStringSubmatch(string(data), -1)
		if found += len(steps); len(steps) != strings.Count(string(data), "uses: OWNER/") {
			t.Errorf("%s: %d steps with the action", example, len(steps))
		}
		for _, step := range steps {
			if step[1] != ".github/actions/tagline" {
				t.Errorf("%s uses %s", example, step[1])
			}
			for line := range strings.Lines(step[2]) {
				name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
				if !strings.Contains(inputs, "\n  "+name+":\n") {
					t.Errorf("%s: the action has no input %q", example, name)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no sample has the action")
	}
}

// What the action hands on are outputs that tagline has.
func TestActionKnowsTheOutputs(t *testing.T) {
	action, err := os.ReadFile("../../.github/actions/tagline/action.yml")
	if err != nil {
		t.Fatal(err)
	}
	written := string(report.StepOutputs(report.Run{}))
	named := regexp.MustCompile(`\n  (\S+):\n    description: [^\n]*\n    value: \$\{\{ steps\.tagline\.outputs\.(\S+) \}\}`).FindAllStringSubmatch(string(action), -1)
	if len(named) != strings.Count(written, "\n") {
		t.Errorf("the action has %d outputs, tagline writes:\n%s", len(named), written)
	}
	for _, name := range named {
		if name[1] != name[2] || !strings.Contains("\n"+written, "\n"+name[1]+"=") {
			t.Errorf("output %s of the action is %s, tagline writes:\n%s", name[1], name[2], written)
		}
	}
}

// The action keeps a binary under a digest of what it is built from: another one for
// each change of a source, and the same wherever the action is checked out to. No
// path of the cache has "..", which GitHub's glob library refuses.
func TestActionFindsTheSource(t *testing.T) {
	action, err := os.ReadFile(filepath.Join(root, ".github/actions/tagline/action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	script := regexp.MustCompile(`(?s)\n      id: source\n.*?\n      run: \|\n(.*?)\n    - `).FindStringSubmatch(string(action))
	path := regexp.MustCompile(`\n        path: (.*)\n`).FindStringSubmatch(string(action))
	if script == nil || path == nil || strings.Contains(path[1], "..") {
		t.Fatalf("script %q, path %q", script, path)
	}
	digest := func(changed string) string {
		t.Helper()
		dir := t.TempDir()
		for _, name := range []string{"go.mod", "go.sum", "cmd/main.go", "config/config.go", "policies/a b.go", "reconcile/run.go", "README.md", ".github/actions/tagline/action.yml"} {
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(map[bool]string{name == changed: "changed"}[true]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		output := filepath.Join(dir, "output")
		cmd := exec.Command("bash", "-e", "-c", script[1])
		cmd.Env = append(os.Environ(), "GITHUB_ACTION_PATH="+dir+"/.github/actions/tagline", "GITHUB_OUTPUT="+output)
		if printed, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		got, err := os.ReadFile(output)
		if err != nil || !regexp.MustCompile(`^digest=[0-9a-f]{64}\n$`).Match(got) {
			t.Fatalf("%q, %v", got, err)
		}
		return string(got)
	}
	first := digest("")
	for changed, same := range map[string]bool{"README.md": true, "go.sum": false, "policies/a b.go": false, "cmd/main.go": false} {
		if got := digest(changed); (got == first) != same {
			t.Errorf("after a change of %s: %s, was %s", changed, got, first)
		}
	}
}
