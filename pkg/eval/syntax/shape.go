package syntax

import (
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"
)

// Shape is how much of a value a struct names.
type Shape struct {
	// All says that the whole value is meant.
	All bool
	// Fields are the fields that are named.
	Fields map[string]*Shape
}

// ShapeAt is the shape of the struct at a path of the top-level field of files.
// Where nothing is found, all is meant.
func ShapeAt(files []*ast.File, path ...string) *Shape {
	var exprs []ast.Expr
	for _, f := range files {
		exprs = append(exprs, &ast.StructLit{Elts: f.Decls})
	}
	for _, label := range path {
		var next []ast.Expr
		for _, e := range exprs {
			next = append(next, valuesOf(e, label)...)
		}
		exprs = next
	}
	s := &Shape{Fields: map[string]*Shape{}}
	s.All = len(exprs) == 0
	for _, e := range exprs {
		s.take(e)
	}
	return s
}

// TextAt is a text as it is written at a path of files; "" where it is none.
func TextAt(files []*ast.File, path ...string) string {
	var e ast.Expr
	for _, f := range files {
		e = &ast.StructLit{Elts: f.Decls}
		for _, label := range path {
			values := valuesOf(e, label)
			if e = nil; len(values) > 0 {
				e = values[0]
			}
		}
	}
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		return strings.Trim(lit.Value, `"`)
	}
	return ""
}

// valuesOf are the values a struct gives a field.
func valuesOf(e ast.Expr, label string) []ast.Expr {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		return append(valuesOf(e.X, label), valuesOf(e.Y, label)...)
	case *ast.ParenExpr:
		return valuesOf(e.X, label)
	case *ast.StructLit:
		var out []ast.Expr
		for _, d := range e.Elts {
			if f, ok := d.(*ast.Field); ok {
				if name, _ := labelOf(f); name == label {
					out = append(out, f.Value)
				}
			}
		}
		return out
	}
	return nil
}

// take adds what an expression names. What is no plain struct means all.
func (s *Shape) take(e ast.Expr) {
	switch e := e.(type) {
	case *ast.StructLit:
		s.group(e)
	case *ast.ParenExpr:
		s.take(e.X)
	case *ast.BinaryExpr:
		if e.Op != token.AND {
			s.All = true
			return
		}
		s.take(e.X)
		s.take(e.Y)
	default:
		s.All = true
	}
}

func (s *Shape) group(lit *ast.StructLit) {
	for _, d := range lit.Elts {
		switch d := d.(type) {
		case *ast.Field:
			s.field(d)
		case *ast.Comprehension:
			s.take(d.Value)
		case *ast.EmbedDecl:
			s.take(d.Expr)
		case *ast.Ellipsis:
			s.All = true
		}
	}
}

func (s *Shape) field(f *ast.Field) {
	switch f.Label.(type) {
	case *ast.Ident, *ast.BasicLit:
	default:
		s.All = true // a pattern, or a name that is computed
		return
	}
	name, _ := labelOf(f)
	if name == "" {
		return
	}
	next := s.Fields[name]
	if next == nil {
		next = &Shape{Fields: map[string]*Shape{}}
		s.Fields[name] = next
	}
	next.take(f.Value)
}

// Of is as much of a value as the shape names.
func (s *Shape) Of(v any) any {
	group, ok := v.(map[string]any)
	if !ok || s.All {
		return v
	}
	out := make(map[string]any, len(s.Fields))
	for name, below := range s.Fields {
		if value, there := group[name]; there {
			out[name] = below.Of(value)
		}
	}
	return out
}
