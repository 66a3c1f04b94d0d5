package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/report"
)

// The files that run tagline somewhere else: each command in them must be one
// that this tagline has, or they break where no test of ours is.
func TestSamples(t *testing.T) {
	files := map[string]int{ // how many commands each has
		".github/actions/tagline/action.yml": 1,
		".github/examples/pull-request.yml":  2,
		".github/examples/schedule.yml":      1,
		".github/examples/ghcr-cleanup.yml":  1,
		".github/examples/shards.yml":        2,
		".github/examples/catalogue.yml":     2,
		".ci/gitlab.yml":                     6,
		".ci/kubernetes.yaml":                1,
		".ci/kubernetes-shards.yaml":         2,
		".pre-commit-hooks.yaml":             2,
	}
	expression := regexp.MustCompile(`\$\{\{[^}]*\}\}`)
	called := regexp.MustCompile(`(?m)^ +(?:- |- run: |entry: )?tagline ((?:apply|check|report|page)[^\n|>#]*)|^\s*(?:args|default): ((?:apply|check)[^\n#]*)|^\s*args: \[([^\]]*)\]`)
	for name, want := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("../..", name))
			if err != nil {
				t.Fatal(err)
			}
			text := expression.ReplaceAllString(string(data), "0")
			found := called.FindAllStringSubmatch(text, -1)
			if len(found) != want {
				t.Errorf("%d commands, want %d: %q", len(found), want, found)
			}
			for _, match := range found {
				args := strings.Fields(match[1] + match[2] + strings.ReplaceAll(match[3], ",", " "))
				if err := accepts(args); err != nil {
					t.Errorf("tagline %s: %v", strings.Join(args, " "), err)
				}
			}
		})
	}
}

// What the comment of the workflow has as images.yaml is valid.
func TestCleanupSample(t *testing.T) {
	data, err := os.ReadFile("../../.github/examples/ghcr-cleanup.yml")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.Lines(string(data)) {
		if inner, ok := strings.CutPrefix(line, "#     "); ok {
			text.WriteString(strings.ReplaceAll(inner, "OWNER/NAME", "owner/name"))
		}
	}
	cfg, err := config.Parse("images.yaml", []byte(text.String()), config.Options{Policies: policies.Keys()})
	if err != nil || len(cfg.Images) != 1 || !reconcile.Deletes(cfg.Images[0]) || config.KindOf(cfg.Images[0].Repository.Host, cfg.Registries) != config.GitHub {
		t.Errorf("%+v, %v; of\n%s", cfg, err, &text)
	}
}

// accepts parses a command line, and runs nothing.
func accepts(args []string) error {
	command, rest, err := newRoot(io.Discard, io.Discard, nil).Find(args)
	if err != nil {
		return err
	}
	if err := command.ParseFlags(rest); err != nil {
		return err
	}
	return command.ValidateArgs(command.Flags().Args())
}

// What the sample workflows hand to the action are inputs that it has.
func TestSampleWorkflowsKnowTheAction(t *testing.T) {
	action, err := os.ReadFile("../../.github/actions/tagline/action.yml")
	if err != nil {
		t.Fatal(err)
	}
	inputs, _, _ := strings.Cut(string(action), "\nruns:")
	uses := regexp.MustCompile(`uses: OWNER/tagline/(\S+)@v1\n +with:\n((?: {10}[^\n]*\n)+)`)
	examples, err := filepath.Glob("../../.github/examples/*.yml")
	if err != nil || len(examples) == 0 {
		t.Fatal(examples, err)
	}
	for _, example := range examples {
		data, err := os.ReadFile(example)
		if err != nil {
			t.Fatal(err)
		}
		steps := uses.FindAllStringSubmatch(string(data), -1)
		if len(steps) == 0 || len(steps) != strings.Count(string(data), "uses: OWNER/") {
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

// The sample jobs find their comment by the line that a report begins with.
func TestSamplesKnowTheMarker(t *testing.T) {
	marker, _, _ := strings.Cut(string(report.Markdown(report.Run{})), "\n")
	for _, name := range []string{".github/examples/pull-request.yml", ".ci/gitlab.yml"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), `startswith("`+marker+`")`) {
			t.Errorf("%s looks for another marker than %s", name, marker)
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

// The step that keeps the journal on a branch loses no line, also if another job has
// pushed to it meanwhile.
func TestJournalBranch(t *testing.T) {
	data, err := os.ReadFile("../../.github/examples/catalogue.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, step, _ := strings.Cut(string(data), "- name: Keep the journal\n")
	_, step, _ = strings.Cut(step, "run: |\n")
	var script strings.Builder
	for line := range strings.Lines(step) {
		inner, ok := strings.CutPrefix(line, "          ")
		if !ok {
			break
		}
		script.WriteString(inner)
	}
	dir := t.TempDir()
	run := func(in, script string) string {
		t.Helper()
		cmd := exec.Command("bash", "-ec", script) // as GitHub runs a step
		cmd.Dir = filepath.Join(dir, in)
		cmd.Env = append(os.Environ(), "HOME="+dir, "GITHUB_RUN_ID=7", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	// As the comment of the workflow says.
	run(".", `git init -q --bare remote.git && git clone -q remote.git first && cd first
git switch -q --orphan tagline-journal
echo '*.jsonl merge=union' > .gitattributes
git add .gitattributes
git -c user.name=me -c user.email=me@example.com commit -qm 'Begin the journal of tagline'
git push -q origin tagline-journal`)
	for _, job := range []string{"a", "b", "c"} {
		run(".", "git clone -q --branch tagline-journal remote.git "+job)
	}
	run("a", script.String()) // nothing has moved: an empty file
	for _, job := range []string{"b", "c", "a"} {
		run(job, "echo "+job+" >> journal.jsonl\n"+script.String())
	}
	if got := strings.Fields(run(".", "git --git-dir remote.git show tagline-journal:journal.jsonl | sort")); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("the branch has %q", got)
	}
}
