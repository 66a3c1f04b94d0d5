package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"tagline/config"
	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/github/githubtest"
	"tagline/reconcile/google/googletest"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/oci/ocitest"
)

// TestShapes runs tagline twice on each shape of testdata/shapes, on each kind of
// registry. A shape is a file: what it is about, what the registry holds (see
// [shape]), images.yaml, and what must come out:
//
//	run        what the first run prints, and its exit code
//	tags       what the tags are then, and that all they list is there
//	again      what the second run prints
//	requests   how many the second run sends at most, on each registry
//
// A section "registries" names those that accept the shape, if not all do. Each
// shape runs on one of them, chosen by [ocitest.Rand], and on all with
// TAGLINE_TEST_ALL.
//
// Digests have the names of the shape. What differs on one registry stands in a
// section of its own, such as "run.ecr". With -update the sections are written.
func TestShapes(t *testing.T) {
	files, err := filepath.Glob("testdata/shapes/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no shapes: %v", err)
	}
	var all []*shapeFile
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &shapeFile{file: file, archive: archive, got: map[string]map[string]string{}})
	}
	backends := map[string]func(*testing.T, *shape) shapeRegistry{
		"olareg":       func(t *testing.T, s *shape) shapeRegistry { return overHTTP(t, s, ocitest.Olareg(t)) },
		"distribution": func(t *testing.T, s *shape) shapeRegistry { return overHTTP(t, s, ocitest.Distribution(t)) },
		"ecr":          onAmazon,
		"github": func(t *testing.T, s *shape) shapeRegistry {
			return onKind(t, s, config.GitHub, githubtest.Start(t).Registry)
		},
		"google": func(t *testing.T, s *shape) shapeRegistry { return onKind(t, s, config.Google, googletest.Start(t)) },
		"azure": func(t *testing.T, s *shape) shapeRegistry {
			return onKind(t, s, config.Azure, azuretest.Start(t).Registry)
		},
		"harbor": func(t *testing.T, s *shape) shapeRegistry {
			return onKind(t, s, config.Harbor, harbortest.Start(t).Registry)
		},
	}
	if !ocitest.HasDistribution(t) {
		if *update {
			t.Fatal("-update needs bin/registry: `make tools` installs it")
		}
		delete(backends, "distribution")
	}
	everywhere := *update || ocitest.All()
	random := ocitest.Rand(t)
	shapes := map[string][]*shapeFile{} // by registry
	for _, f := range all {
		accepting := slices.DeleteFunc(slices.Sorted(maps.Keys(backends)), func(name string) bool { return !f.accepted(name) })
		if !everywhere && len(accepting) > 0 {
			accepting = accepting[random.IntN(len(accepting)):][:1]
		}
		for _, backend := range accepting {
			shapes[backend] = append(shapes[backend], f)
		}
	}
	for backend, start := range backends {
		t.Run(backend, func(t *testing.T) {
			for _, f := range shapes[backend] {
				t.Run(strings.TrimSuffix(filepath.Base(f.file), ".txtar"), func(t *testing.T) {
					if backend != "ecr" && backend != "github" { // which are found by the environment
						t.Parallel()
					}
					f.run(t, backend, start)
				})
			}
		})
	}
	if *update && !t.Failed() {
		for _, f := range all {
			f.write(t)
		}
	}
}

type shapeFile struct {
	file    string
	archive *txtar.Archive

	mu  sync.Mutex
	got map[string]map[string]string // by backend and section
}

func (f *shapeFile) section(name string) (string, bool) {
	for _, each := range f.archive.Files {
		if each.Name == name {
			return string(each.Data), true
		}
	}
	return "", false
}

// accepted reports whether a registry accepts what a shape pushes.
func (f *shapeFile) accepted(backend string) bool {
	only, limited := f.section("registries")
	return !limited || slices.Contains(strings.Fields(only), backend)
}

// want is a section as it has to be on a registry.
func (f *shapeFile) want(section, backend string) string {
	if own, ok := f.section(section + "." + backend); ok {
		return own
	}
	shared, _ := f.section(section)
	return shared
}

// run applies the shape's images.yaml twice and compares.
func (f *shapeFile) run(t *testing.T, backend string, start func(*testing.T, *shape) shapeRegistry) {
	text, _ := f.section("registry")
	s, err := parseShape(text)
	if err != nil {
		t.Fatalf("%s: section registry: %v", f.file, err)
	}
	images, ok := f.section("images.yaml")
	if !ok {
		t.Fatalf("%s has no images.yaml", f.file)
	}
	r := start(t, s)
	dir := t.TempDir()
	path := filepath.Join(dir, "images.yaml")
	if err := os.WriteFile(path, []byte(images+r.settings), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"apply", "-f", path, "--cache-dir", filepath.Join(dir, "cache"), "--trash", filepath.Join(dir, "trash")}, r.flags...)
	apply := func() string {
		var out bytes.Buffer
		code := run(t.Context(), args, &out, &out)
		said := strings.NewReplacer(dir+"/", "", r.name, "REGISTRY").Replace(out.String())
		return fmt.Sprintf("%sexit code %d\n", said, code)
	}
	r.requests()
	first := apply()
	tags := s.tagsOf(t, r)
	r.requests()
	second := apply()
	requests := r.requests()
	if after := s.tagsOf(t, r); after != tags {
		t.Errorf("the second run changed tags:\n%s\ninto\n%s", tags, after)
	}
	got := map[string]string{
		"run": s.named(first), "tags": s.named(tags), "again": s.named(second),
		"requests": fmt.Sprint(requests),
	}
	f.mu.Lock()
	f.got[backend] = got
	f.mu.Unlock()
	if *update {
		return
	}
	for _, section := range []string{"run", "tags", "again"} {
		if want := f.want(section, backend); got[section] != want {
			t.Errorf("%s: section %q is\n%s\nwant\n%s", f.file, section, got[section], want)
		}
	}
	costs, _ := f.section("requests")
	if want := requestsOn(costs, backend); requests > want+slack(backend) {
		t.Errorf("%s: the second run took %d requests on %s, want %d", f.file, requests, backend, want)
	}
}

// slack is how many requests more a run may need, by the order in which answers come.
// On Amazon ECR, a listing answers what else is asked, if it comes first. Where an API
// lists tags, those that it lacks are asked for at once, and until the first HEAD is
// known to be honest, each 404 is asked for once more.
func slack(backend string) int {
	switch backend {
	case "olareg", "distribution", "zot":
		return 0
	case "ecr":
		return 1
	}
	return 2
}

// requestsOn is what a section "requests" says of a registry.
func requestsOn(section, backend string) (n int) {
	for line := range strings.Lines(section) {
		if name, number, _ := strings.Cut(strings.TrimSpace(line), " "); name == backend {
			n, _ = strconv.Atoi(number)
		}
	}
	return n
}

// write puts what came out into the file. What the registries agree on stands
// once.
func (f *shapeFile) write(t *testing.T) {
	backends := slices.DeleteFunc([]string{"olareg", "distribution", "ecr", "google", "github", "azure", "harbor"}, func(name string) bool { return !f.accepted(name) })
	if len(f.got) < len(backends) { // -run chose others
		return
	}
	kept := slices.DeleteFunc(slices.Clone(f.archive.Files), func(file txtar.File) bool {
		base, _, _ := strings.Cut(file.Name, ".")
		return slices.Contains([]string{"run", "tags", "again", "requests"}, base)
	})
	for _, section := range []string{"run", "tags", "again"} {
		kept = append(kept, txtar.File{Name: section, Data: []byte(f.got[backends[0]][section])})
		for _, backend := range backends[1:] {
			if own := f.got[backend][section]; own != f.got[backends[0]][section] {
				kept = append(kept, txtar.File{Name: section + "." + backend, Data: []byte(own)})
			}
		}
	}
	requests := ""
	for _, backend := range backends {
		requests += fmt.Sprintf("%s %s\n", backend, f.got[backend]["requests"])
	}
	kept = append(kept, txtar.File{Name: "requests", Data: []byte(requests)})
	f.archive.Files = kept
	if err := os.WriteFile(f.file, txtar.Format(f.archive), 0o600); err != nil {
		t.Fatal(err)
	}
}
