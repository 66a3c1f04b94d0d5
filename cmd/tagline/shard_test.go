package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

func TestParseShard(t *testing.T) {
	for _, test := range []struct {
		text, index string
		want        shard
		err         string
	}{
		{text: "0/4", want: shard{0, 4}},
		{text: "3/4", index: "1", want: shard{3, 4}},
		{text: "4", index: "3", want: shard{3, 4}},
		{text: "0/1", want: shard{0, 1}},
		{text: "4", err: "JOB_COMPLETION_INDEX is not set; say which part, as in 0/4"},
		{text: "4/4", err: "part 4 is not one of 0 to 3"},
		{text: "4", index: "4", err: "JOB_COMPLETION_INDEX, which is 4 and not one of 0 to 3"},
		{text: "-1/4", err: "part -1 is not one of 0 to 3"},
		{text: "0/0", err: "there are no 0 parts"},
		{text: "0/-2", err: "there are no -2 parts"},
		{text: "a/4", err: "expected I/N"},
		{text: "1/2/3", err: "expected I/N"},
		{text: "", err: "expected I/N"},
		{text: "", index: "1", err: "expected I/N"},
		{text: "x", err: "expected I/N"},
		{text: "x", index: "1", err: "expected I/N"},
		{text: "0", err: "there are no 0 parts"},
		{text: "4", index: "x", err: `JOB_COMPLETION_INDEX, which is "x" and not a whole number`},
	} {
		t.Run(test.text+" "+test.index, func(t *testing.T) {
			t.Setenv("JOB_COMPLETION_INDEX", test.index)
			got, err := parseShard(test.text)
			switch {
			case test.err == "" && (err != nil || got != test.want):
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got %v, %v, want an error with %q", got, err, test.err)
			}
		})
	}
}

// Every repository is in one part, in the same one for ever, and the parts are
// of about the same size.
func TestShards(t *testing.T) {
	var images []config.Image
	for i := range 1000 {
		images = append(images, config.Image{Repository: config.Repository{Host: "registry.example.com", Path: fmt.Sprintf("team/app-%d", i)}})
	}
	for _, count := range []int{1, 2, 4, 7} {
		seen := map[config.Repository]int{}
		for index := range count {
			part := 0
			for _, image := range images {
				if (shard{index, count}).has(image.Repository) {
					seen[image.Repository]++
					part++
				}
			}
			if n, share := float64(part), 1000/float64(count); n > 1.3*share || n < share/1.3 {
				t.Errorf("part %d of %d has %v of 1000 repositories", index, count, n)
			}
		}
		for _, image := range images {
			if seen[image.Repository] != 1 {
				t.Errorf("%s is in %d of %d parts", image.Repository, seen[image.Repository], count)
			}
		}
	}
	for path, want := range map[string]int{"my-image": 2, "base/image": 1, "team/app": 0} { // by sha256sum
		image := config.Image{Repository: config.Repository{Host: "localhost:5000", Path: path}}
		for index := range 4 {
			if got := (shard{index, 4}).has(image.Repository); got != (index == want) {
				t.Errorf("%s is in part %d: %v", path, index, got)
			}
		}
	}
}

// The examples of the page do the whole, each part by itself. What Kubernetes
// and GitHub put into them is put in here.
func TestShardExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) string {
		t.Helper()
		match := regexp.MustCompile(pattern).FindSubmatch(readme)
		if match == nil {
			t.Fatalf("README.md has no %s", pattern)
		}
		return string(match[1])
	}
	var job []string
	if err := json.Unmarshal([]byte(find(`args: (\[.*\])`)), &job); err != nil {
		t.Fatal(err)
	}
	pods, err := strconv.Atoi(find(`completions: (\d+)`))
	if err != nil {
		t.Fatal(err)
	}
	jobs := strings.Count(find(`matrix: \{part: \[(.*)\]\}`), ",") + 1
	step := find(`args: "(apply --shard [^"]*)"`)

	for _, test := range []struct {
		name  string
		parts int
		args  func(t *testing.T, index int) []string
	}{
		{"Indexed Job", pods, func(t *testing.T, index int) []string {
			t.Setenv("JOB_COMPLETION_INDEX", strconv.Itoa(index))
			args := slices.Clone(job)
			for i := range args {
				args[i] = strings.NewReplacer("$(JOB_COMPLETION_INDEX)", strconv.Itoa(index), "/reports/", "").Replace(args[i])
			}
			return args
		}},
		{"matrix", jobs, func(_ *testing.T, index int) []string {
			return strings.Fields(strings.NewReplacer(
				"${{ strategy.job-index }}", strconv.Itoa(index), "${{ strategy.job-total }}", strconv.Itoa(jobs),
			).Replace(step))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			const repositories = 20
			t.Setenv("TAGLINE_REGISTRY", ocitest.Olareg(t))
			t.Setenv("HOME", t.TempDir())
			t.Setenv("XDG_CACHE_HOME", "")
			t.Chdir(t.TempDir())
			file := "images:\n"
			for i := range repositories {
				name := fmt.Sprint("app-", i)
				file += fmt.Sprintf("  %s: {aliases: {latest: 1}}\n", name)
				if _, err := demo.Push(t.Context(), os.Getenv("TAGLINE_REGISTRY"), name, []demo.Image{{Tag: "1", Platforms: []string{"linux/amd64"}}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile("images.yaml", []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			pushed := 0
			apply := func(args ...string) string {
				var stdout, stderr bytes.Buffer
				if code := run(t.Context(), args, &stdout, &stderr); code != exitDone {
					t.Fatalf("%v: exit code %d\n%s", args, code, stderr.Bytes())
				}
				return stdout.String()
			}
			for i := range test.parts {
				pushed += strings.Count(apply(test.args(t, i)...), "(new)")
			}
			if pushed != repositories {
				t.Errorf("%d parts pushed %d aliases, want %d", test.parts, pushed, repositories)
			}
			files, err := filepath.Glob("part-*.json")
			if err != nil || len(files) != test.parts {
				t.Fatalf("%d parts wrote %q, %v", test.parts, files, err)
			}
			if joined := apply(append([]string{"report", "join"}, files...)...); !strings.HasSuffix(joined, fmt.Sprintf("\nApplied: %d pushed, 0 tags and 0 manifests deleted, 0 blocked.\n", repositories)) {
				t.Errorf("joined:\n%s", joined)
			}
			if whole := apply("apply"); whole != fmt.Sprintf("Nothing to do: %d aliases in sync.\n", repositories) {
				t.Errorf("they left this to be done:\n%s", whole)
			}
		})
	}
}
