package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

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
