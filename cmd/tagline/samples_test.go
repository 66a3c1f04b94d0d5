package main

import (
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
