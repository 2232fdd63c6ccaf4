package syntax

import (
	"fmt"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// Positions finds where each field is written, by the path of its value. With
// field set, paths start below that field.
func Positions(files []*ast.File, field string) map[string]diag.Position {
	out := map[string]diag.Position{}
	for _, f := range files {
		collect(out, "", f.Decls)
	}
	if field == "" {
		return out
	}
	below := map[string]diag.Position{}
	for p, pos := range out {
		if rest, ok := strings.CutPrefix(p, field+"."); ok {
			below[rest] = pos
		}
	}
	return below
}

func collect(out map[string]diag.Position, prefix string, decls []ast.Decl) {
	for _, d := range decls {
		if len(out) >= protocol.MaxPositions || len(prefix) > protocol.MaxPath {
			return // where so much is written, or so deep, the group around it must do
		}
		switch d := d.(type) {
		case *ast.EmbedDecl:
			collectExpr(out, prefix, d.Expr)
		case *ast.Field:
			label, pos := labelOf(d)
			if label == "" {
				continue
			}
			p := join(prefix, label)
			if _, twice := out[p]; !twice {
				out[p] = Position(pos)
			}
			collectExpr(out, p, d.Value)
		}
	}
}

func collectExpr(out map[string]diag.Position, prefix string, e ast.Expr) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		collectExpr(out, prefix, e.X)
		collectExpr(out, prefix, e.Y)
	case *ast.ParenExpr:
		collectExpr(out, prefix, e.X)
	case *ast.StructLit:
		collect(out, prefix, e.Elts)
	case *ast.ListLit:
		for i, elt := range e.Elts {
			if len(out) >= protocol.MaxPositions || len(prefix) > protocol.MaxPath {
				return
			}
			p := join(prefix, fmt.Sprint(i))
			out[p] = Position(elt.Pos())
			collectExpr(out, p, elt)
		}
	}
}

func join(prefix, label string) string {
	if prefix == "" {
		return label
	}
	return prefix + "." + label
}

// Position is a place in a file as people are told of it.
func Position(pos token.Pos) diag.Position {
	if !pos.IsValid() {
		return diag.Position{}
	}
	p := pos.Position()
	return diag.Position{File: p.Filename, Line: p.Line, Column: p.Column}
}
