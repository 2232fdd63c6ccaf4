// Command size reports how large the house's rooms are. It fails where a file or
// a function is past the point at which to split it, and says which packages
// to think about.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The limits at which to stop and think. Tables and lists may be longer.
const (
	maxPackage  = 1500
	maxFile     = 450
	maxFunction = 70
)

type room struct {
	lines, exported int
}

type report struct {
	fset     *token.FileSet
	packages map[string]*room
	over     []string
}

func main() {
	r := &report{fset: token.NewFileSet(), packages: map[string]*room{}}
	for _, root := range []string{"pkg", "cmd", "lab"} {
		if err := filepath.WalkDir(root, r.visit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	names := slices.Sorted(maps.Keys(r.packages))
	fmt.Printf("%-45s %6s %9s\n", "package", "lines", "exported")
	for _, name := range names {
		p := r.packages[name]
		fmt.Printf("%-45s %6d %9d\n", name, p.lines, p.exported)
		if p.lines > maxPackage {
			fmt.Printf("think: %s has %d lines; over %d there may be two ideas in it\n", name, p.lines, maxPackage)
		}
	}
	for _, line := range r.over {
		fmt.Println("over:", line)
	}
	if len(r.over) > 0 {
		os.Exit(1)
	}
}

func (r *report) visit(file string, d fs.DirEntry, err error) error {
	if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
		return err
	}
	parsed, err := parser.ParseFile(r.fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	lines := r.fset.Position(parsed.End()).Line
	if lines > maxFile {
		r.over = append(r.over, fmt.Sprintf("%s has %d lines", file, lines))
	}
	dir := filepath.Dir(file)
	if r.packages[dir] == nil {
		r.packages[dir] = &room{}
	}
	p := r.packages[dir]
	p.lines += lines
	for _, decl := range parsed.Decls {
		r.declaration(p, file, decl)
	}
	return nil
}

func (r *report) declaration(p *room, file string, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.IsExported() {
			p.exported++
		}
		if n := r.fset.Position(d.End()).Line - r.fset.Position(d.Pos()).Line + 1; n > maxFunction {
			r.over = append(r.over, fmt.Sprintf("%s: %s has %d lines", file, d.Name.Name, n))
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok && t.Name.IsExported() {
				p.exported++
			}
		}
	}
}
