package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// TestPages runs the commands of every page. In a ```console block a line that
// begins with "$ " is a command, and the lines after it are all that it prints.
// No other block has such lines. A ```yaml block whose first line is
// "# NAME.yaml" (or .yml) is that file from there on.
//
// Each page has a folder and a registry of its own. The registry holds the
// demo's samples and stands in for localhost:5000. The blocks of a page run in
// order. `make demo` runs for real in `make test`; without [everyProcess] this test
// binary stands for what go would link. `make test` does not run, since it runs this
// test. localhost:5001 to localhost:5008 are further registries, which are empty;
// localhost:5009 has six repositories of thirty tags, see pushShop.
// With -update each page gets what its commands print.
func TestPages(t *testing.T) {
	commands := 0
	for name, text := range pages(t) {
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			switch language, body := block[1], block[2]; {
			case language == "console":
				commands += strings.Count("\n"+body, "\n$ ")
			case !slices.Contains([]string{"yaml", "json", "text"}, language):
				t.Errorf("%s: a block is of the language %q; commands that are run are in console, what is not run is in text", name, language)
			case strings.Contains("\n"+body, "\n$ "):
				t.Errorf("%s: a %s block has commands; only those of console are run", name, language)
			}
		}
		if !strings.Contains(text, "```console\n") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			updated := runPage(t, text, ocitest.Olareg)
			if *update && updated != text {
				if err := os.WriteFile(filepath.Join(root, name), []byte(updated), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if commands < 15 {
		t.Errorf("the pages have only %d commands", commands)
	}
}

// The first hour goes the same way on CNCF distribution.
func TestFirstHour(t *testing.T) {
	t.Parallel()
	if !ocitest.HasDistribution(t) {
		t.Skip("bin/registry is missing: `make tools` installs it")
	}
	text, err := os.ReadFile("first-hour.md")
	if err != nil {
		t.Fatal(err)
	}
	runPage(t, string(text), func(t testing.TB) string { return ocitest.Distribution(t) })
}

// noLink returns a program for make to call in the place of go: `go run ./cmd/tagline`
// runs this test binary.
func noLink(t *testing.T) string {
	program := filepath.Join(t.TempDir(), "go")
	text := "#!/bin/sh\ntest \"$1\" = run && shift 2 && exec " + self(t) + " \"$@\"\n"
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

// pushShop pushes what a team has before it hears of tagline: six repositories of
// thirty tags, each with a habit of its own.
func pushShop(t *testing.T, host string) {
	const amd64, arm64 = "linux/amd64", "linux/arm64"
	both := []string{amd64, arm64}
	push := func(repository string, images []demo.Image) {
		if len(images) != 30 {
			t.Fatalf("%s has %d tags", repository, len(images))
		}
		if _, err := demo.Push(t.Context(), host, repository, images); err != nil {
			t.Fatal(err)
		}
	}
	var api, cron, db, tools, web, worker []demo.Image
	for i := 1; i <= 30; i++ {
		one := []string{both[(i+1)%2]} // each machine builds a release of its own
		api = append(api, demo.Image{Tag: fmt.Sprint("10.", i), Platforms: one})
		worker = append(worker, demo.Image{Tag: fmt.Sprintf("9.%d-%s", (i+1)/2, strings.TrimPrefix(one[0], "linux/")), Platforms: one})
		cron = append(cron, demo.Image{Tag: fmt.Sprint("1.0.", i), Platforms: []string{amd64}})
		tools = append(tools, demo.Image{Tag: fmt.Sprint("build-", i), Platforms: []string{amd64}})
	}
	for i := 1; i <= 28; i++ {
		web = append(web, demo.Image{Tag: fmt.Sprint("2.", i), Platforms: both, Provenance: true})
		db = append(db, demo.Image{Tag: fmt.Sprint("v3.", i), Platforms: both})
	}
	again := func(tag, version string, provenance bool) demo.Image {
		return demo.Image{Tag: tag, Version: version, Platforms: both, Provenance: provenance}
	}
	push("shop/api", api)
	push("shop/cron", cron)
	push("shop/db", append(db, again("stable", "v3.27", false), again("latest", "v3.28", false)))
	push("shop/tools", tools)
	push("shop/web", append(web, again("2", "2.28", true), again("latest", "2.28", true)))
	push("shop/worker", worker)
}

// runPage returns the page with what its commands print today. start starts a registry.
func runPage(t *testing.T, text string, start func(testing.TB) string) string {
	host := start(t)
	if _, err := demo.Seed(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	hosts := map[string]string{"localhost:5000": host}
	for _, other := range regexp.MustCompile(`localhost:500[1-9]`).FindAllString(text, -1) {
		if hosts[other] == "" {
			hosts[other] = start(t)
		}
	}
	if shop := hosts["localhost:5009"]; shop != "" {
		pushShop(t, shop)
	}
	stands := regexp.MustCompile(`localhost:500[0-9]`)
	real := func(text string) string { // the hosts that the page's stand for
		return stands.ReplaceAllStringFunc(text, func(name string) string { return cmp.Or(hosts[name], name) })
	}
	dir, bin := t.TempDir(), filepath.Dir(self(t))
	named := regexp.MustCompile(`^(?:[a-z0-9.-]+/)*[a-z0-9.-]+\.ya?ml$`)
	local := regexp.MustCompile(`(127\.0\.0\.1|localhost):\d{4,}`) // the demo's port may be in use
	run := func(line string) string {
		cmd := exec.Command("sh", "-c", real(line))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TAGLINE_REGISTRY=", "GITHUB_ACTIONS=",
			"GORACE=atexit_sleep_ms=0", "GOGC=400", "HOME="+dir, "XDG_CACHE_HOME=")
		if strings.HasPrefix(line, "make ") {
			cmd.Dir, cmd.Env = root, append(os.Environ(), "MAKELEVEL=", "MAKEFLAGS=") // as if typed in a shell
			if !everyProcess() {
				cmd.Env = append(cmd.Env, "GO="+noLink(t))
			}
		}
		printed, _ := cmd.CombinedOutput() // exit codes are shown by `echo`
		return local.ReplaceAllStringFunc(string(printed), func(name string) string {
			for page, host := range hosts {
				if name == host {
					return page
				}
			}
			return "localhost:5000"
		})
	}
	return fenced.ReplaceAllStringFunc(text, func(block string) string {
		match := fenced.FindStringSubmatch(block)
		language, body := match[1], match[2]
		switch language {
		case "yaml":
			first, _, _ := strings.Cut(body, "\n")
			if file, ok := strings.CutPrefix(first, "# "); ok && named.MatchString(file) {
				if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(real(body)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			return block
		case "console":
		default:
			return block
		}
		updated := ""
		for i, step := range strings.Split("\n"+body, "\n$ ") {
			if i == 0 {
				if step != "" {
					t.Errorf("a console block begins with %q, not with a command", step)
				}
				continue
			}
			line, want, _ := strings.Cut(step, "\n")
			got := want
			if line != "make test" {
				got = run(line)
			}
			if !*update && strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("$ %s\nprints\n%s\nbut the page has\n%s", line, got, want)
			}
			updated += "$ " + line + "\n" + got
		}
		return "```console\n" + updated + "```"
	})
}
