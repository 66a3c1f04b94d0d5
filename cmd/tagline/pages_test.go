package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// root is the repository, seen from this package.
const root = "../.."

// pages returns the Markdown files that git tracks, by path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--", "*.md").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	all := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	if all["README.md"] == "" {
		t.Fatalf("git tracks no README.md, but %d other pages", len(all))
	}
	return all
}

// fenced is a fenced block of a page: its language and its content.
var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

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

// Commands in the text of a page, or in a block that is not run, are commands of
// tagline with arguments and flags that it accepts. The bare name of a command is
// enough in a sentence.
func TestCommandsInText(t *testing.T) {
	expression := regexp.MustCompile(`\$\{\{[^}]*\}\}`) // of a workflow
	inText := regexp.MustCompile("`tagline ([^`]+)`")
	inBlock := regexp.MustCompile(`(?m)^ *(?:- )?(?:run: )?tagline ([^\n#|>;&]+)`)
	found := 0
	for name, text := range pages(t) {
		var lines []string
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			if block[1] == "console" || block[1] == "text" {
				continue
			}
			for _, match := range inBlock.FindAllStringSubmatch(block[2], -1) {
				lines = append(lines, match[1])
			}
		}
		for _, match := range inText.FindAllStringSubmatch(prose(text), -1) {
			lines = append(lines, match[1])
		}
		found += len(lines)
		for _, line := range lines {
			args := strings.Fields(expression.ReplaceAllString(line, "0"))
			if c, rest, err := newRoot(io.Discard, io.Discard, nil).Find(args); err == nil && c.HasParent() && len(rest) == 0 {
				continue
			}
			if err := accepts(args); err != nil {
				t.Errorf("%s: tagline %s: %v", name, line, err)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands found", found)
	}
}

// prose returns a page without its fenced blocks, with wrapped lines joined.
func prose(text string) string {
	return strings.Join(strings.Fields(fenced.ReplaceAllString(text, "")), " ")
}

// Links between pages lead to files and headings that exist, and a reader who
// begins at README.md reaches every page.
func TestLinks(t *testing.T) {
	all := pages(t)
	links := map[string][]string{} // the pages that each page links to
	for name, text := range all {
		problems, targets := checkLinks(name, all)
		for _, problem := range problems {
			t.Errorf("%s: %s", name, problem)
		}
		links[name] = targets
		if n := strings.Count(text, "\n```"); n%2 != 0 {
			t.Errorf("%s: a fenced block has no end", name)
		}
	}
	reached := []string{"README.md"}
	for i := 0; i < len(reached); i++ {
		for _, target := range links[reached[i]] {
			if !slices.Contains(reached, target) {
				reached = append(reached, target)
			}
		}
	}
	for name := range all {
		if !slices.Contains(reached, name) {
			t.Errorf("no page leads from README.md to %s", name)
		}
	}
}

// checkLinks returns what is wrong with the links of a page, and the pages that
// they lead to. A link to a folder leads to the README.md in it.
func checkLinks(name string, all map[string]string) (problems, targets []string) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code := regexp.MustCompile("`[^`]*`")
	for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(prose(all[name]), "code"), -1) {
		address := match[1]
		if strings.HasPrefix(address, "https://") {
			continue
		}
		file, anchor, hasAnchor := strings.Cut(address, "#")
		target := name
		if file != "" {
			target = path.Join(path.Dir(name), file)
			info, err := os.Stat(filepath.Join(root, target))
			switch {
			case path.IsAbs(file) || strings.HasPrefix(target, "../"):
				problems = append(problems, fmt.Sprintf("link %s leaves the repository", address))
				continue
			case err != nil:
				problems = append(problems, fmt.Sprintf("link %s leads to no file", address))
				continue
			case info.IsDir():
				target = path.Join(target, "README.md")
			}
		}
		text, isPage := all[target]
		if isPage {
			targets = append(targets, target)
		}
		if hasAnchor && !slices.Contains(anchors(text), anchor) {
			problems = append(problems, fmt.Sprintf("link %s leads to no heading of %s", address, target))
		}
	}
	return problems, targets
}

// anchors returns the anchors that GitHub gives to the headings of a page.
func anchors(text string) []string {
	var all []string
	count := map[string]int{}
	for line := range strings.Lines(fenced.ReplaceAllString(text, "")) {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		if n := count[anchor]; n > 0 {
			all = append(all, fmt.Sprintf("%s-%d", anchor, n))
		} else {
			all = append(all, anchor)
		}
		count[anchor]++
	}
	return all
}

// What TestLinks finds, on pages that are wrong.
func TestCheckLinks(t *testing.T) {
	for _, test := range []struct {
		name, page, text, problem, target string
	}{
		{"dead link", "README.md", "[x](config/NONE.md)", "leads to no file", ""},
		{"dead anchor", "README.md", "# Here\n[x](#there)", "leads to no heading", "README.md"},
		{"dead anchor of another page", "README.md", "[x](config/README.md#there)", "leads to no heading", "config/README.md"},
		{"out of the repository", "README.md", "[x](../../README.md)", "leaves the repository", ""},
		{"from the file system's root", "README.md", "[x](/config)", "leaves the repository", ""},
		{"anchor", "README.md", "# It's `code`, a-b\n[x](#its-code-a-b)", "", "README.md"},
		{"second heading of a name", "README.md", "# A\n# A\n[x](#a-1)", "", "README.md"},
		{"heading in a block", "README.md", "```yaml\n# A\n```\n[x](#a)", "leads to no heading", "README.md"},
		{"folder", "policies/README.md", "[x](../config/)", "", "config/README.md"},
		{"file that is no page", "config/README.md", "[x](images.schema.json)", "", ""},
		{"link in code", "README.md", "`[x](NONE.md)`\n```text\n[x](NONE.md)\n```", "", ""},
		{"link over two lines", "README.md", "[x\ny](NONE.md)", "leads to no file", ""},
		{"address", "README.md", "[x](https://example.com/NONE.md)", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := map[string]string{"README.md": "", "config/README.md": "", "policies/README.md": ""}
			all[test.page] = test.text
			problems, targets := checkLinks(test.page, all)
			if got := strings.Join(problems, "; "); (got == "") != (test.problem == "") || !strings.Contains(got, test.problem) {
				t.Errorf("problems %q, want %q", got, test.problem)
			}
			if got := strings.Join(targets, " "); got != test.target {
				t.Errorf("leads to %q, want %q", got, test.target)
			}
		})
	}
}
