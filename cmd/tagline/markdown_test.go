package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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

// prose returns a page without its fenced blocks, with wrapped lines joined.
func prose(text string) string {
	return strings.Join(strings.Fields(fenced.ReplaceAllString(text, "")), " ")
}
