package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The house has one rule: a package imports only packages to its left, cmd
// imports everything, and nothing imports cmd. This is who may import whom.
var mayImport = map[string][]string{
	"config/findings":               {},
	"config":                        {"config/findings"},
	"config/compose":                {"config", "config/findings"},
	"config/schemagen":              {"config", "policies"}, // a command, for go generate
	"policies":                      {"config", "config/findings"},
	"reconcile/registry":            {"config", "policies"},
	"reconcile":                     {"config", "config/findings", "policies", "reconcile/registry"},
	"reconcile/journal":             {"config", "reconcile", "reconcile/registry"},
	"reconcile/catalogue":           {"config", "policies", "reconcile", "reconcile/journal", "reconcile/registry", "reconcile/report"},
	"reconcile/report/reporttest":   {"config", "config/findings", "reconcile"}, // for tests
	"reconcile/report/planfile":     {"config", "config/findings", "policies", "reconcile", "reconcile/registry", "reconcile/report"},
	"reconcile/report":              {"config", "config/findings", "policies", "reconcile", "reconcile/journal", "reconcile/registry"},
	"reconcile/oci/transport":       {"reconcile/registry"},
	"reconcile/oci/logins":          {"reconcile/oci/transport"},
	"reconcile/oci":                 {"config", "policies", "reconcile/oci/logins", "reconcile/oci/transport", "reconcile/registry"},
	"reconcile/folder":              {},
	"reconcile/cache":               {"config", "reconcile/folder", "reconcile/registry"},
	"reconcile/trash":               {"config", "reconcile", "reconcile/folder", "reconcile/registry"},
	"reconcile/demo":                {},
	"reconcile/oci/ocitest":         {"reconcile/demo"},
	"reconcile/ecr":                 {"config", "policies", "reconcile/oci", "reconcile/oci/transport", "reconcile/registry"},
	"reconcile/ecr/ecrtest":         {"reconcile/demo"},
	"reconcile/listing":             {"reconcile/registry"},
	"reconcile/listing/listingtest": {"reconcile/demo"},
	"reconcile/google":              {"config", "reconcile/listing", "reconcile/oci", "reconcile/registry"},
	"reconcile/google/googletest":   {"reconcile/listing/listingtest"},
	"reconcile/github":              {"config", "reconcile/listing", "reconcile/oci", "reconcile/registry"},
	"reconcile/github/githubtest":   {"reconcile/listing/listingtest"},
	"reconcile/azure":               {"config", "reconcile/listing", "reconcile/oci", "reconcile/registry"},
	"reconcile/azure/azuretest":     {"reconcile/listing/listingtest"},
	"reconcile/harbor":              {"config", "reconcile/listing", "reconcile/oci", "reconcile/registry"},
	"reconcile/harbor/harbortest":   {"reconcile/listing/listingtest"},
	"reconcile/kinds":               {"config", "reconcile/ecr", "reconcile/google", "reconcile/github", "reconcile/azure", "reconcile/harbor", "reconcile/oci", "reconcile/registry"},

	"reconcile/kinds/kindstest": {"config", "policies", "reconcile", "reconcile/cache", "reconcile/demo", "reconcile/ecr", "reconcile/kinds", "reconcile/listing/listingtest", "reconcile/oci", "reconcile/oci/ocitest", "reconcile/oci/transport", "reconcile/registry", "reconcile/registry/registrytest", "reconcile/trash"}, // for tests

	"reconcile/registry/registrytest": {"config", "reconcile/demo", "reconcile/registry"}, // for tests
}

// Planning must not be able to reach a registry, whatever comes between.
var knowNoRegistry = []string{"config/findings", "config", "config/compose", "policies", "reconcile/registry", "reconcile"}

func TestImports(t *testing.T) {
	module := golist(t, "{{.Path}}", "-m")[0] + "/"
	for _, line := range golist(t, "{{.ImportPath}} {{join .Imports \" \"}}", module+"...") {
		words := strings.Fields(line)
		name := strings.TrimPrefix(words[0], module)
		if name == "cmd/tagline" {
			continue
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is not in the plan of the house", name)
		}
		for _, imported := range words[1:] {
			if other, ours := strings.CutPrefix(imported, module); ours && !slices.Contains(allowed, other) {
				t.Errorf("package %s must not import %s", name, other)
			}
		}
	}
	var inner []string
	for _, name := range knowNoRegistry {
		inner = append(inner, module+name)
	}
	for _, line := range golist(t, "{{.ImportPath}} {{join .Deps \" \"}}", inner...) {
		name, deps, _ := strings.Cut(line, " ")
		for _, dep := range strings.Fields(deps) {
			if dep == "net/http" || strings.HasPrefix(dep, "github.com/aws/") || strings.HasPrefix(dep, "github.com/google/go-containerregistry") {
				t.Errorf("package %s depends on %s", name, dep)
			}
		}
	}
}

func golist(t *testing.T, format string, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-f", format}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
