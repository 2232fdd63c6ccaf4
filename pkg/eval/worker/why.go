package worker

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"

	"github.com/fairway-dev/fairway/pkg/eval/explain"
	"github.com/fairway-dev/fairway/pkg/eval/manifest"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/syntax"
	"github.com/fairway-dev/fairway/pkg/object"
)

// The bounds of what is told of one field.
const (
	maxLines = 60
	maxSteps = 12
)

// why finds what set one field of one object: the lines of the platform that say
// it, what of the unit's input they look at, and the patches that touched it.
func (s *session) why(q protocol.Why) protocol.Answer {
	r := explain.Reading{Dir: q.Package}
	u, raw, faults := s.unitOf(q.Unit, &r)
	if len(faults) > 0 {
		return protocol.Answer{Faults: faults}
	}
	p, faults, err := told(raw, q)
	if err != nil {
		return protocol.Answer{Faults: r.Faults(err)}
	}
	if len(faults) > 0 {
		return protocol.Answer{Faults: faults}
	}
	if label := labelOf(u, q.Kind, q.Name); label != "" {
		t := &tracer{session: s, unit: u, out: p, seen: map[string]bool{}, last: q.Field[len(q.Field)-1]}
		t.trace(u.LookupPath(cue.MakePath(cue.Str("out"), cue.Str("objects"), cue.Str(label))), q.Field)
	}
	if p.Secret {
		for i := range p.Inputs {
			p.Inputs[i].Value, p.Inputs[i].Default = nil, nil
		}
	}
	return protocol.Answer{Why: p}
}

// told is what the bytes tell: the field's value as it is, and who patched it.
func told(raw []byte, q protocol.Why) (*protocol.Provenance, []protocol.Fault, error) {
	objects, _, faults, err := objectsOf(raw, q.Unit)
	if err != nil || len(faults) > 0 {
		return nil, faults, err
	}
	i := slices.IndexFunc(objects, func(o manifest.Object) bool { return named(o.Fields, q.Kind, q.Name) })
	if i < 0 {
		return nil, []protocol.Fault{{Code: "no-object", Message: fmt.Sprintf("the unit has no %s/%s", q.Kind, q.Name), Hint: "reconciler render shows what it has"}}, nil
	}
	p := &protocol.Provenance{Origin: objects[i].Origin}
	before, _ := valueAt(objects[i].Fields, q.Field)
	for _, patch := range q.Patches {
		if faults := manifest.Patch(objects, []protocol.Patch{patch}); len(faults) > 0 {
			return nil, faults, nil
		}
		after, _ := valueAt(objects[i].Fields, q.Field)
		if after != before {
			p.Patches = append(p.Patches, patch.Field)
		}
		before = after
	}
	mark(objects[i].Fields, q.Stamp)
	now, ok := valueAt(objects[i].Fields, q.Field)
	if !ok {
		return nil, []protocol.Fault{{Code: "no-field", Message: fmt.Sprintf("%s/%s has no field .%s", q.Kind, q.Name, strings.Join(q.Field, ".")), Hint: beside(objects[i].Fields, q.Field)}}, nil
	}
	p.Engine = now != before
	p.Value = json.RawMessage(now)
	id := object.ID{Kind: fmt.Sprint(objects[i].Fields["kind"])}
	if p.Secret = object.Secretive(id) || object.Annotation(objects[i].Fields, object.AnnotationSensitive) == "true"; p.Secret {
		p.Value = json.RawMessage(`"(not shown)"`)
	}
	return p, nil, nil
}

// beside says what is there instead of a field that is not.
func beside(fields map[string]any, at []string) string {
	var v any = fields
	for i, name := range at {
		m, ok := v.(map[string]any)
		if !ok {
			break
		}
		if next, ok := m[name]; ok {
			v = next
			continue
		}
		return fmt.Sprintf("what .%s has: %s", strings.Join(at[:i], "."), strings.Join(slices.Sorted(maps.Keys(m)), ", "))
	}
	return "reconciler render shows what it has"
}

func named(fields map[string]any, kind, name string) bool {
	meta, _ := fields["metadata"].(map[string]any)
	k, _ := fields["kind"].(string)
	return strings.EqualFold(k, kind) && meta["name"] == name
}

// valueAt is a field of an object as canonical JSON.
func valueAt(fields map[string]any, at []string) (string, bool) {
	var v any = fields
	for _, name := range at {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[name]
			if !ok {
				return "", false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(x) {
				return "", false
			}
			v = x[i]
		default:
			return "", false
		}
	}
	body, err := object.Encode(v)
	return string(body), err == nil
}

func labelOf(u cue.Value, kind, name string) string {
	fields, err := u.LookupPath(cue.ParsePath("out.objects")).Fields()
	if err != nil {
		return ""
	}
	for fields.Next() {
		k, _ := fields.Value().LookupPath(cue.ParsePath("kind")).String()
		n, _ := fields.Value().LookupPath(cue.ParsePath("metadata.name")).String()
		if strings.EqualFold(k, kind) && n == name {
			return fields.Selector().Unquoted()
		}
	}
	return ""
}

// lookup goes to a field; what patches or the engine put there is not in CUE.
func lookup(v cue.Value, at []string) cue.Value {
	for _, name := range at {
		sel := cue.Str(name)
		if i, err := strconv.Atoi(name); err == nil && v.IncompleteKind() == cue.ListKind {
			sel = cue.Index(i)
		}
		if v = v.LookupPath(cue.MakePath(sel)); !v.Exists() {
			return v
		}
	}
	return v
}

// tracer follows a value to the lines that say it.
type tracer struct {
	*session
	unit cue.Value
	out  *protocol.Provenance
	seen map[string]bool
	// last is the name of the field itself: of a whole map that is looked at, what
	// stands under that name is what counts.
	last string
	// within says that the field stands in a map that was taken over as a whole:
	// only the maps that have it count.
	within bool
}

// trace follows a field of an object, or the map around it that it came with.
func (t *tracer) trace(obj cue.Value, field []string) {
	v := lookup(obj, field)
	if !v.Exists() {
		return
	}
	t.value(v, 0)
	for n := len(field) - 1; n > 0 && len(t.out.Lines)+len(t.out.Inputs) == 0; n-- {
		t.within = true
		t.value(lookup(obj, field[:n]), 0)
	}
}

// value notes the lines of all that was put together to a value, and what they
// look at.
func (t *tracer) value(v cue.Value, depth int) {
	if depth > maxSteps || len(t.out.Lines) >= maxLines {
		t.out.Cut = true
		return
	}
	if op, args := v.Expr(); op == cue.AndOp {
		for _, a := range args {
			t.value(a, depth)
		}
		return
	}
	if n := v.Source(); n != nil {
		t.node(n, depth)
	}
}

// node notes one line and follows what stands in it.
func (t *tracer) node(n ast.Node, depth int) {
	pos := syntax.Position(n.Pos())
	if pos.File == "" || t.seen[pos.String()] {
		return
	}
	t.seen[pos.String()] = true
	if text := shortly(n); !strings.HasSuffix(text, ": _") && (!t.within || depth == 0) { // which says that there is such a field
		t.out.Lines = append(t.out.Lines, protocol.Line{Pos: pos, Text: text})
	}
	if !t.within {
		for _, c := range t.conditions(n) {
			t.follow(c, depth)
		}
	}
	t.follow(n, depth)
}

// conditions are the clauses that a line stands under, by its file's syntax.
func (t *tracer) conditions(n ast.Node) []ast.Expr {
	pos := n.Pos()
	inst := t.packages[path.Dir(syntax.Position(pos).File)]
	if inst == nil {
		return nil
	}
	var out []ast.Expr
	for _, f := range inst.Files {
		if f.Filename != pos.Filename() {
			continue
		}
		ast.Walk(f, func(m ast.Node) bool {
			c, ok := m.(*ast.Comprehension)
			if !ok || c.Pos().Offset() > pos.Offset() || c.End().Offset() < pos.Offset() {
				return true
			}
			for _, clause := range c.Clauses {
				switch i := clause.(type) {
				case *ast.ForClause:
					out = append(out, i.Source)
				case *ast.IfClause:
					out = append(out, i.Condition)
					at := syntax.Position(i.Pos())
					if !t.seen[at.String()] {
						t.seen[at.String()] = true
						t.out.Lines = append(t.out.Lines, protocol.Line{Pos: at, Text: "if " + shortly(i.Condition), Condition: true})
					}
				}
			}
			return true
		}, nil)
	}
	return out
}

// follow goes on to what a piece of syntax looks at.
func (t *tracer) follow(n ast.Node, depth int) {
	ast.Walk(n, func(m ast.Node) bool {
		switch m := m.(type) {
		case *ast.Field:
			t.follow(m.Value, depth)
			return false
		case *ast.SelectorExpr, *ast.IndexExpr:
			if names := chain(m.(ast.Expr)); names != nil {
				t.reference(root(m.(ast.Expr)), names, depth)
				return false
			}
		case *ast.Ident:
			t.reference(m, []string{m.Name}, depth)
		}
		return true
	}, nil)
}

// chain spells a.b.c as its names; nil for what is more than that.
func chain(e ast.Expr) []string {
	switch e := e.(type) {
	case *ast.Ident:
		return []string{e.Name}
	case *ast.SelectorExpr:
		name, _, err := ast.LabelName(e.Sel)
		if before := chain(e.X); before != nil && err == nil {
			return append(before, name)
		}
	}
	return nil
}

func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return root(e.X)
	}
	return nil
}

// reference follows a name to the unit's input, a definition, or what it was bound to.
func (t *tracer) reference(id *ast.Ident, names []string, depth int) {
	if id == nil {
		return
	}
	if names[0] == "in" {
		t.input(names[1:])
		return
	}
	switch n := id.Node.(type) {
	case *ast.LetClause:
		t.follow(n.Expr, depth+1)
		return
	case *ast.ForClause:
		t.follow(n.Source, depth+1)
		return
	}
	if !strings.HasPrefix(names[0], "#") {
		return
	}
	v := t.unit.LookupPath(cue.MakePath(cue.Def(names[0])))
	if !v.Exists() {
		if pkg, err := t.session.value(path.Dir(syntax.Position(id.Pos()).File)); err == nil {
			v = pkg.LookupPath(cue.MakePath(cue.Def(names[0])))
		}
	}
	if v.Exists() {
		t.value(lookup(v, names[1:]), depth+1)
	}
}

// input notes a part of the unit's input, and the definition that shaped it.
func (t *tracer) input(names []string) {
	v := t.unit.LookupPath(cue.ParsePath("in"))
	for _, name := range names {
		v = v.LookupPath(cue.MakePath(cue.Str(name)))
	}
	if len(names) > 1 && v.IncompleteKind() == cue.StructKind {
		if one := v.LookupPath(cue.MakePath(cue.Str(t.last))); one.Exists() {
			names, v = append(slices.Clone(names), t.last), one
		}
	}
	if t.within && names[len(names)-1] != t.last {
		return
	}
	at := strings.Join(names, ".")
	if len(names) == 0 || slices.ContainsFunc(t.out.Inputs, func(i protocol.Input) bool { return i.Path == at }) {
		return
	}
	i := protocol.Input{Path: at}
	if v.Exists() {
		if raw, err := v.MarshalJSON(); err == nil && len(raw) <= 256 {
			i.Value = raw
		}
	}
	if rule := t.rule(names); rule.Exists() {
		if src := rule.Source(); src != nil {
			i.Rule = &protocol.Line{Pos: syntax.Position(src.Pos()), Text: shortly(src)}
		}
		if def, ok := rule.Default(); ok && def.IsConcrete() {
			i.Default, _ = def.MarshalJSON()
		}
	}
	t.out.Inputs = append(t.out.Inputs, i)
}

// rule finds what a part of the input is declared against.
func (t *tracer) rule(names []string) cue.Value {
	dir, def := "schema", map[string]string{"environment": "#Environment", "cluster": "#Cluster", "team": "#Team", "release": "#Release"}[names[0]]
	if names[0] == "service" {
		if p, err := t.unit.LookupPath(cue.ParsePath("in.service.path")).String(); err == nil {
			dir, def = "platform/paths/"+p, "#Service"
		}
	}
	pkg, err := t.session.value(dir)
	if def == "" || err != nil {
		return cue.Value{}
	}
	r := explain.Reading{Def: pkg.LookupPath(cue.MakePath(cue.Def(def)))}
	return r.At(strings.Join(names[1:], "."))
}

// shortly is a piece of syntax in one line.
func shortly(n ast.Node) string {
	text, err := format.Node(n)
	if err != nil {
		return ""
	}
	line, _, more := strings.Cut(strings.TrimSpace(string(text)), "\n")
	for strings.HasPrefix(line, "//") && more {
		_, rest, _ := strings.Cut(string(text), line+"\n")
		text = []byte(rest)
		line, _, more = strings.Cut(strings.TrimSpace(rest), "\n")
	}
	if more {
		line += " ..."
	}
	return line[:min(len(line), 160)]
}
