package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Two packages have a page that says what is in which file. It names each file once.
func TestFilesAreListed(t *testing.T) {
	for _, test := range []struct{ folder, page, name string }{
		{"../../config", "../../config/doc.go", `(?m)^//\t(\w+\.go) `},
		{"../../reconcile/report", "../../reconcile/README.md", "(?m)(?:^\\| |, )`(\\w+\\.go)`"},
	} {
		page, err := os.ReadFile(test.page)
		if err != nil {
			t.Fatal(err)
		}
		listed := map[string]int{}
		for _, match := range regexp.MustCompile(test.name).FindAllStringSubmatch(string(page), -1) {
			listed[match[1]]++
		}
		files, err := filepath.Glob(path.Join(test.folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := filepath.Base(file)
			if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
				continue
			}
			if listed[name] != 1 {
				t.Errorf("%s names %s %d times, want once", test.page, file, listed[name])
			}
			delete(listed, name)
		}
		for name := range listed {
			t.Errorf("%s names %s, which does not exist", test.page, name)
		}
	}
}
