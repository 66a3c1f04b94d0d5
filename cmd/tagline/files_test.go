package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The package doc of config says what is in which file. It names each file once.
func TestFilesAreListed(t *testing.T) {
	const doc = "../../config/doc.go"
	page, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for _, match := range regexp.MustCompile(`(?m)^//\t(\w+\.go) `).FindAllStringSubmatch(string(page), -1) {
		listed[match[1]]++
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(doc), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		if listed[name] != 1 {
			t.Errorf("%s names %s %d times, want once", doc, file, listed[name])
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s names %s, which does not exist", doc, name)
	}
}
