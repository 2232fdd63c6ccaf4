// Package syntax reads what stands in CUE files before anything is evaluated:
// what they import, which golden path they are on, where their author wrote
// each field, and whether they hold what no declaration may hold.
package syntax

import (
	"cmp"
	"fmt"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// Errorf is a mistake at a place in a file.
func Errorf(pos token.Pos, format string, args ...any) errors.Error {
	return errors.Newf(pos, format, args...)
}

// Check refuses what would make a file mean something else here than in
// cue vet, or reach outside its folder: other packages' clauses, and
// attributes, which select, inject, embed or change the language. None is
// needed, and so none is let through that a later CUE may give a meaning.
func Check(file *ast.File, pkg string) error {
	if file.PackageName() == "" {
		return Errorf(file.Pos(), "the file has no package clause; write \"package %s\" in its first line", cmp.Or(pkg, "name"))
	}
	if pkg != "" && file.PackageName() != pkg {
		return Errorf(file.Pos(), "package %s: the other files of this folder are in package %s", file.PackageName(), pkg)
	}
	var bad error
	ast.Walk(file, func(n ast.Node) bool {
		if a, ok := n.(*ast.Attribute); ok && bad == nil {
			name, _ := a.Split()
			bad = Errorf(a.Pos(), "attribute @%s is not allowed: what is declared may depend on nothing but the files themselves", name)
		}
		return bad == nil
	}, nil)
	return bad
}

// OnlyField refuses a file that declares anything beside the field named as the file.
func OnlyField(files []*ast.File, field string) *protocol.Fault {
	found := false
	for _, f := range files {
		for _, d := range f.Decls {
			label, pos := labelOf(d)
			switch {
			case label == "":
				continue
			case label == field:
				found = true
			default:
				return &protocol.Fault{
					Field: label, Code: "unexpected-field", Pos: Position(pos),
					Message: fmt.Sprintf("%s: this file declares %s and nothing else", label, field),
					Hint:    fmt.Sprintf("move it to %s.cue", label),
				}
			}
		}
	}
	if found || len(files) == 0 {
		return nil
	}
	return &protocol.Fault{
		Code: "missing-field", Pos: Position(files[0].Pos()),
		Message: fmt.Sprintf("the file does not declare %s", field),
		Hint:    fmt.Sprintf("write: %q: schema.#Release & { ... }", field),
	}
}

func labelOf(d ast.Decl) (string, token.Pos) {
	f, ok := d.(*ast.Field)
	if !ok {
		return "", token.NoPos
	}
	name, _, err := ast.LabelName(f.Label)
	if err != nil || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "#") {
		return "", token.NoPos
	}
	return name, f.Label.Pos()
}
