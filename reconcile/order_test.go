package reconcile_test

import (
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestReadingOrder holds the files of a package to the order in its doc.go: a file
// uses only what files above it declare.
func TestReadingOrder(t *testing.T) {
	for _, folder := range []string{"../config", ".", "report", "oci/transport", "oci/ocitest", "oci", "ecr", "ecr/ecrtest", "../cmd/tagline"} {
		t.Run(folder, func(t *testing.T) { testReadingOrder(t, folder) })
	}
}

func testReadingOrder(t *testing.T, folder string) {
	doc, err := os.ReadFile(filepath.Join(folder, "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	order := map[string]int{}
	for i, match := range regexp.MustCompile(`(?m)^//\t(\w+\.go)\s`).FindAllStringSubmatch(string(doc), -1) {
		order[match[1]] = i
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedExportFile,
	}, "./"+folder)
	if err != nil || len(loaded) != 1 || len(loaded[0].Errors) > 0 {
		t.Fatal(err, loaded)
	}
	pkg := loaded[0]
	name := func(pos token.Pos) string { return filepath.Base(pkg.Fset.Position(pos).Filename) }
	for _, file := range pkg.Syntax {
		if _, listed := order[name(file.Pos())]; !listed && name(file.Pos()) != "doc.go" {
			t.Errorf("%s is not in the reading order of doc.go", name(file.Pos()))
		}
	}
	if len(order) != len(pkg.Syntax)-1 {
		t.Errorf("doc.go lists %d files, and there are %d", len(order), len(pkg.Syntax)-1)
	}
	for ident, object := range pkg.TypesInfo.Uses {
		if from, to := name(ident.Pos()), name(object.Pos()); object.Pkg() == pkg.Types && order[from] < order[to] {
			t.Errorf("%s uses %s of %s, which is further down", pkg.Fset.Position(ident.Pos()), ident.Name, to)
		}
	}
}
