package syntax

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/token"
)

// Module is the import path of the repository's root.
const Module = "fairway.dev"

// DirOf maps an import path of this Module to its folder. Example:
// "fairway.dev/platform/paths/web" is "platform/paths/web".
func DirOf(importPath string) (string, bool) {
	importPath, _, _ = strings.Cut(importPath, ":")
	importPath = strings.Replace(importPath, Module+"@v0", Module, 1)
	dir, ok := strings.CutPrefix(importPath, Module+"/")
	return dir, ok
}

// Imports lists the folders of this Module an instance imports.
func Imports(inst *build.Instance) []string {
	var dirs []string
	for _, f := range inst.Files {
		for spec := range f.ImportSpecs() {
			if dir, ok := DirOf(strings.Trim(spec.Path.Value, `"`)); ok {
				dirs = append(dirs, dir)
			}
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// PathOf is the package of the golden path whose #Service the files embed at
// their top, and so unify with all they say; "" if there is none. Nothing but
// the plain embedding counts: what stands in a condition may not hold.
func PathOf(files []*ast.File) string {
	for _, f := range files {
		packages := map[string]string{}
		for spec := range f.ImportSpecs() {
			dir, ours := DirOf(strings.Trim(spec.Path.Value, `"`))
			if !ours || path.Dir(dir) != "platform/paths" {
				continue
			}
			name := path.Base(dir)
			if spec.Name != nil {
				name = spec.Name.Name
			}
			packages[name] = dir
		}
		for _, d := range f.Decls {
			if e, ok := d.(*ast.EmbedDecl); ok {
				if dir := embedded(e.Expr, packages); dir != "" {
					return dir
				}
			}
		}
	}
	return ""
}

func embedded(e ast.Expr, packages map[string]string) string {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return embedded(e.X, packages)
	case *ast.BinaryExpr:
		if e.Op != token.AND {
			return ""
		}
		return cmp.Or(embedded(e.X, packages), embedded(e.Y, packages))
	case *ast.SelectorExpr:
		pkg, _ := e.X.(*ast.Ident)
		sel, _ := e.Sel.(*ast.Ident)
		if pkg != nil && sel != nil && sel.Name == "#Service" {
			return packages[pkg.Name]
		}
	}
	return ""
}
