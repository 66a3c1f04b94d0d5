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
	folders := []string{"./config", "./reconcile", "./reconcile/report", "./reconcile/oci/transport", "./reconcile/oci/ocitest", "./reconcile/oci", "./reconcile/ecr", "./reconcile/ecr/ecrtest", "./cmd/tagline"}
	// Together, since each call starts the go command several times.
	loaded, err := packages.Load(&packages.Config{
		Dir:  "..",
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedExportFile,
	}, folders...)
	if err != nil || len(loaded) != len(folders) {
		t.Fatal(err, loaded)
	}
	for _, pkg := range loaded {
		t.Run(pkg.PkgPath, func(t *testing.T) { testReadingOrder(t, pkg) })
	}
}

func testReadingOrder(t *testing.T, pkg *packages.Package) {
	if len(pkg.Errors) > 0 {
		t.Fatal(pkg.Errors)
	}
	doc, err := os.ReadFile(filepath.Join(pkg.Dir, "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	order := map[string]int{}
	for i, match := range regexp.MustCompile(`(?m)^//\t(\w+\.go)\s`).FindAllStringSubmatch(string(doc), -1) {
		order[match[1]] = i
	}
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
