package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"tagline/config/findings"
)

// TestFindingIDs holds the code to the table of findings: an ID is a constant,
// each constant has one row, and the code reports each with the severity that
// the row has.
func TestFindingIDs(t *testing.T) {
	rows := map[string]int{}
	for _, k := range findings.All {
		if rows[string(k.ID)]++; k.Means == "" || k.Do == "" || k.Group == "" || k.Severity == "" {
			t.Errorf("the row of %q is incomplete", k.ID)
		}
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedExportFile,
	}, "tagline/cmd/...", "tagline/config/...", "tagline/policies/...", "tagline/reconcile/...")
	if err != nil {
		t.Fatal(err)
	}
	ids, used := map[string]string{}, map[string]bool{} // by the name of the constant
	errs, warnings := map[string]bool{}, map[string]bool{}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			t.Fatal(p.Errors)
		}
		if p.PkgPath == "tagline/config/findings" {
			for _, name := range p.Types.Scope().Names() {
				if c, ok := p.Types.Scope().Lookup(name).(*types.Const); ok && isID(c.Type()) {
					ids[name] = constant.StringVal(c.Val())
				}
			}
			continue
		}
		for _, object := range p.TypesInfo.Uses {
			if c, ok := object.(*types.Const); ok && isID(c.Type()) {
				used[c.Name()] = true
			}
		}
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && isID(p.TypesInfo.TypeOf(text)) {
					t.Errorf("%s: %s is no constant of package findings", p.Fset.Position(text.Pos()), text.Value)
				}
				switch id, warns := reported(n, p.TypesInfo); {
				case id == "":
				case warns:
					warnings[id] = true
				default:
					errs[id] = true
				}
				return true
			})
		}
	}
	for _, k := range findings.All {
		if warnings[string(k.ID)] && k.Severity == findings.Error || errs[string(k.ID)] && k.Severity == findings.Warning {
			t.Errorf("%s is an %s by its row, but is reported as an error: %v, as a warning: %v", k.ID, k.Severity, errs[string(k.ID)], warnings[string(k.ID)])
		}
	}
	if len(warnings) < 5 || len(errs) < 30 {
		t.Errorf("only %d IDs of warnings and %d of errors were found in the code", len(warnings), len(errs))
	}
	if len(ids) != len(findings.All) {
		t.Errorf("%d constants and %d rows", len(ids), len(findings.All))
	}
	for name, id := range ids {
		if rows[id] != 1 || !used[name] {
			t.Errorf("findings.%s has %d rows, and is reported: %v", name, rows[id], used[name])
		}
	}
}

// reported returns the ID that a call or a literal makes a finding of, and
// whether that is a warning.
func reported(n ast.Node, info *types.Info) (id string, warns bool) {
	isConstant := func(e ast.Expr) bool {
		at := info.Types[e]
		if at.Value == nil || !isID(at.Type) {
			return false
		}
		id = constant.StringVal(at.Value)
		return true
	}
	switch n := n.(type) {
	case *ast.CallExpr:
		if name := types.ExprString(n.Fun); slices.ContainsFunc(n.Args, isConstant) {
			name = name[strings.LastIndexByte(name, '.')+1:]
			return id, name == "warn" || name == "warning"
		}
	case *ast.CompositeLit:
		for _, e := range n.Elts {
			if field, ok := e.(*ast.KeyValueExpr); ok && !isConstant(field.Value) {
				warns = warns || types.ExprString(field.Key) == "Warning"
			}
		}
	}
	return id, warns
}

func isID(t types.Type) bool {
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == "ID" && named.Obj().Pkg().Path() == "tagline/config/findings"
}
