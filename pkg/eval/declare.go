package eval

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/token"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
)

// kind is what a declaration declares.
type kind string

const (
	kindTeam        kind = "team"
	kindService     kind = "service"
	kindEnvironment kind = "environment"
	kindCluster     kind = "cluster"
	kindRelease     kind = "release"
)

// definition names the schema's definition of a kind; services are typed by
// their path instead.
func (k kind) definition() string {
	switch k {
	case kindTeam:
		return "#Team"
	case kindEnvironment:
		return "#Environment"
	case kindCluster:
		return "#Cluster"
	case kindRelease:
		return "#Release"
	}
	return ""
}

// declare evaluates one declaration to data.
func (s *session) declare(q declareQuestion) answer {
	inst := s.instance(q.Dir, q.Files, "")
	a := answer{Imports: ourImports(inst), Positions: positions(inst.Files, q.Field)}
	r := reading{dir: q.Dir, field: q.Field, written: a.Positions, def: s.definition(q.Kind, inst.Files)}
	if inst.Err != nil {
		a.Faults = r.faults(inst.Err)
		return a
	}
	v := s.ctx.BuildInstance(inst)
	if q.Field != "" {
		if fault := onlyField(inst.Files, q.Field); fault != nil {
			a.Faults = []Fault{*fault}
			return a
		}
		v = v.LookupPath(cue.MakePath(cue.Str(q.Field)))
	}
	v, fault := s.typed(v, q, inst.Files)
	if fault != nil {
		a.Faults = []Fault{*fault}
		return a
	}
	err := v.Validate(cue.Concrete(true), cue.Final())
	if err != nil {
		a.Faults = r.faults(err)
		return a
	}
	data, err := v.MarshalJSON()
	if err == nil {
		data, err = canonical(data)
	}
	if err != nil {
		a.Faults = r.faults(err)
		return a
	}
	a.Data = data
	return a
}

// typed puts the schema's definition over the value. A service carries its
// path's type already, because its file embeds it.
func (s *session) typed(v cue.Value, q declareQuestion, files []*ast.File) (cue.Value, *Fault) {
	if q.Kind == kindService {
		if pathOf(files) == "" {
			return v, &Fault{
				Code: "no-path", Message: "the service is on no golden path", Pos: diag.Position{File: anyFile(q), Line: 1, Column: 1},
				Hint: "import one, such as \"" + module + "/platform/paths/web\", and write: web.#Service & { ... }",
			}
		}
		return v, nil
	}
	schema, err := s.value("schema")
	if err != nil {
		return v, &Fault{Code: "schema", Message: "the schema does not compile: " + err.Error(), Pos: diag.Position{File: "schema"}}
	}
	return v.Unify(schema.LookupPath(cue.MakePath(cue.Def(q.Kind.definition())))), nil
}

// definition is what a declaration is written against: the schema's, or the
// #Service of the path it is on.
func (s *session) definition(k kind, files []*ast.File) cue.Value {
	dir, name := "schema", k.definition()
	if k == kindService {
		if dir, name = pathOf(files), "#Service"; dir == "" {
			return cue.Value{}
		}
	}
	pkg, err := s.value(dir)
	if err != nil {
		return cue.Value{}
	}
	return pkg.LookupPath(cue.MakePath(cue.Def(name)))
}

// pathOf is the package of the golden path whose #Service the files embed at
// their top, and so unify with all they say; "" if there is none. Nothing but
// the plain embedding counts: what stands in a condition may not hold.
func pathOf(files []*ast.File) string {
	for _, f := range files {
		packages := map[string]string{}
		for spec := range f.ImportSpecs() {
			dir, ours := dirOf(strings.Trim(spec.Path.Value, `"`))
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

func anyFile(q declareQuestion) string {
	names := make([]string, 0, len(q.Files))
	for name := range q.Files {
		names = append(names, name)
	}
	if len(names) == 0 {
		return q.Dir
	}
	return path.Join(q.Dir, slices.Min(names))
}

// canonical brings exported JSON into the order in which equal data are equal bytes.
func canonical(data []byte) (json.RawMessage, error) {
	fields, err := object.DecodeFields(data)
	if err != nil {
		return nil, fmt.Errorf("read exported data: %w", err)
	}
	return object.Encode(fields)
}

// ourImports lists the folders of this module an instance imports.
func ourImports(inst *build.Instance) []string {
	var dirs []string
	for _, f := range inst.Files {
		for spec := range f.ImportSpecs() {
			if dir, ok := dirOf(strings.Trim(spec.Path.Value, `"`)); ok {
				dirs = append(dirs, dir)
			}
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// onlyField refuses a file that declares anything beside the field named as the file.
func onlyField(files []*ast.File, field string) *Fault {
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
				return &Fault{
					Field: label, Code: "unexpected-field", Pos: position(pos),
					Message: fmt.Sprintf("%s: this file declares %s and nothing else", label, field),
					Hint:    fmt.Sprintf("move it to %s.cue", label),
				}
			}
		}
	}
	if found || len(files) == 0 {
		return nil
	}
	return &Fault{
		Code: "missing-field", Pos: position(files[0].Pos()),
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

// positions finds where each field is written, by the path of its value. With
// field set, paths start below that field.
func positions(files []*ast.File, field string) map[string]diag.Position {
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
				out[p] = position(pos)
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
			p := join(prefix, fmt.Sprint(i))
			out[p] = position(elt.Pos())
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

func position(pos token.Pos) diag.Position {
	if !pos.IsValid() {
		return diag.Position{}
	}
	p := pos.Position()
	return diag.Position{File: p.Filename, Line: p.Line, Column: p.Column}
}
