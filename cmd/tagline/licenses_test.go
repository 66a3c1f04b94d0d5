package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Words by which a licence is known (https://spdx.org/licenses). A text that has
// several of them, such as one that names another, is of the first.
var licences = []struct{ words, id string }{
	{"GNU AFFERO GENERAL PUBLIC LICENSE", "AGPL"},
	{"GNU LESSER GENERAL PUBLIC LICENSE", "LGPL"},
	{"GNU GENERAL PUBLIC LICENSE", "GPL"},
	{"Mozilla Public License, version 2.0", "MPL-2.0"},
	{"Mozilla Public License Version 2.0", "MPL-2.0"},
	{"Apache License Version 2.0", "Apache-2.0"},
	{"Permission to use, copy, modify, and/or distribute this software", "ISC"},
	{"Permission is hereby granted, free of charge", "MIT"},
	{"This is free and unencumbered software released into the public domain", "Unlicense"},
	{"Neither the name of", "BSD-3-Clause"},
	{"Redistributions in binary form must reproduce", "BSD-2-Clause"},
}

// What goes into the command may be given away with it. testdata/licenses.txt
// is the list of it; a new module, or a new licence of one, wants a look at it
// and -update.
func TestLicences(t *testing.T) {
	var lines []string
	modules := golist(t, "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "-deps", "tagline/cmd/tagline")
	slices.Sort(modules)
	for _, line := range slices.Compact(modules) {
		module, dir, found := strings.Cut(line, " ")
		if !found {
			continue
		}
		id := "unknown"
		files, _ := filepath.Glob(filepath.Join(dir, "[LC][IO][CP][EY]*"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			if i := slices.IndexFunc(licences, func(l struct{ words, id string }) bool {
				return strings.Contains(strings.Join(strings.Fields(string(text)), " "), l.words)
			}); i >= 0 {
				id = licences[i].id
				break
			}
		}
		if id == "unknown" || strings.HasSuffix(id, "GPL") {
			t.Errorf("%s has the licence %s, see %q", module, id, files)
		}
		lines = append(lines, fmt.Sprintf("%-12s %s\n", id, module))
	}
	const list = "testdata/licenses.txt"
	got := strings.Join(lines, "")
	if *update {
		if err := os.WriteFile(list, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(list); err != nil || string(want) != got {
		t.Errorf("%s is not what it was (%v); look at it, and write it with -update:\n%s", list, err, got)
	}
}
