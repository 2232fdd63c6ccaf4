package worker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/explain"
	"github.com/fairway-dev/fairway/pkg/eval/manifest"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/syntax"
	"github.com/fairway-dev/fairway/pkg/object"
)

// definitionOf names the schema's definition of a kind; services are typed by
// their path instead.
func definitionOf(k protocol.Kind) string {
	switch k {
	case protocol.Team:
		return "#Team"
	case protocol.Environment:
		return "#Environment"
	case protocol.Cluster:
		return "#Cluster"
	case protocol.Release:
		return "#Release"
	case protocol.Signing:
		return "#Signing"
	case protocol.Policy:
		return "#Policy"
	case protocol.Exception:
		return "#Exception"
	case protocol.Approval:
		return "#Approval"
	case protocol.Health:
		return "#Health"
	case protocol.Previews:
		return "#Previews"
	}
	return ""
}

// declare evaluates one declaration to data.
func (s *session) declare(q protocol.Declare) protocol.Answer {
	inst := s.instance(q.Dir, q.Files, "")
	a := s.evaluated(q, inst)
	if q.Kind != protocol.Policy {
		return a
	}
	owner := cmp.Or(syntax.TextAt(inst.Files, q.Field, "owner"), "the owner of "+q.Dir)
	for i := range a.Faults {
		a.Faults[i].Hint = strings.TrimPrefix(a.Faults[i].Hint+"; this is for "+owner+" to mend, and until then no service changes", "; ")
	}
	return a
}

func (s *session) evaluated(q protocol.Declare, inst *build.Instance) protocol.Answer {
	a := protocol.Answer{Imports: syntax.Imports(inst), Positions: syntax.Positions(inst.Files, q.Field)}
	r := explain.Reading{Dir: q.Dir, Field: q.Field, Written: a.Positions, Def: s.definition(q.Kind, inst.Files)}
	if inst.Err != nil {
		a.Faults = r.Faults(inst.Err)
		return a
	}
	v := s.ctx.BuildInstance(inst)
	if q.Field != "" {
		if fault := syntax.OnlyField(inst.Files, q.Field); fault != nil {
			a.Faults = []protocol.Fault{*fault}
			return a
		}
		v = v.LookupPath(cue.MakePath(cue.Str(q.Field)))
	}
	v, fault := s.typed(v, q, inst.Files)
	if fault != nil {
		a.Faults = []protocol.Fault{*fault}
		return a
	}
	data, faults := s.exported(v, q, r)
	if len(faults) > 0 {
		a.Faults = faults
		return a
	}
	data, err := canonical(data)
	if err != nil {
		a.Faults = r.Faults(err)
		return a
	}
	if len(data) > protocol.MaxObject {
		a.Faults = []protocol.Fault{{
			Code: "too-large", Message: fmt.Sprintf("the declaration comes to more than %d KiB", protocol.MaxObject>>10),
			Hint: "declare less, or let it be several services",
		}}
		return a
	}
	if len(q.Beside) > 0 {
		data, a.Faults = s.beside(q, v, a.Positions, data)
		if len(a.Faults) > 0 {
			return a
		}
	}
	a.Data = data
	return a
}

// exported is what was declared, as JSON.
func (s *session) exported(v cue.Value, q protocol.Declare, r explain.Reading) (json.RawMessage, []protocol.Fault) {
	if q.Kind == protocol.Policy {
		return s.policyData(v, q, r)
	}
	if err := v.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return nil, r.Faults(err)
	}
	raw, err := v.MarshalJSON()
	return raw, asFaults(r, err)
}

// beside puts the files that stand beside a service into its data, once they were
// looked at. A path that reads them has a field called like their folder.
func (s *session) beside(q protocol.Declare, v cue.Value, positions map[string]diag.Position, data json.RawMessage) (json.RawMessage, []protocol.Fault) {
	for _, name := range slices.Sorted(maps.Keys(q.Beside)) {
		folder, _, _ := strings.Cut(name, "/")
		if !v.LookupPath(cue.MakePath(cue.Str(folder))).Exists() {
			return nil, []protocol.Fault{{
				Code: "stray-file", Pos: diag.Position{File: path.Join(q.Dir, name), Line: 1, Column: 1}, Message: "nothing reads this file: the service is on a path without " + folder,
				Hint: fmt.Sprintf("put the service on the path %s, or move the folder", folder),
			}}
		}
	}
	if faults := manifest.Check(q.Dir, q.Beside, positions); len(faults) > 0 {
		return nil, faults
	}
	fields, err := object.DecodeFields(data)
	if err == nil {
		fields[protocol.BesideKey] = q.Beside
		data, err = object.Encode(fields)
	}
	switch {
	case err != nil:
		return nil, []protocol.Fault{{Code: "beside", Message: "the files beside the service cannot be kept: " + err.Error()}}
	case len(data) > protocol.MaxObject:
		return nil, []protocol.Fault{{
			Code: "too-large", Message: fmt.Sprintf("the service comes to more than %d KiB with the files beside it", protocol.MaxObject>>10),
			Hint: "leave out what is not needed here, or let it be several services",
		}}
	}
	return data, nil
}

// typed puts the schema's definition over the value. A service carries its
// path's type already, because its file embeds it; it is put over all the same,
// as what stands beside an embedding need not be in what is embedded.
func (s *session) typed(v cue.Value, q protocol.Declare, files []*ast.File) (cue.Value, *protocol.Fault) {
	if q.Kind == protocol.Service {
		if syntax.PathOf(files) == "" {
			return v, &protocol.Fault{
				Code: "no-path", Message: "the service is on no golden path", Pos: diag.Position{File: anyFile(q), Line: 1, Column: 1},
				Hint: "import one, such as \"" + syntax.Module + "/platform/paths/web\", and write: web.#Service & { ... }",
			}
		}
		return v.Unify(s.definition(q.Kind, files)), nil
	}
	schema, err := s.value("schema")
	if err != nil {
		return v, &protocol.Fault{Code: "schema", Message: "the schema does not compile: " + err.Error(), Pos: diag.Position{File: "schema"}}
	}
	return v.Unify(schema.LookupPath(cue.MakePath(cue.Def(definitionOf(q.Kind))))), nil
}

// definition is what a declaration is written against: the schema's, or the
// #Service of the path it is on.
func (s *session) definition(k protocol.Kind, files []*ast.File) cue.Value {
	dir, name := "schema", definitionOf(k)
	if k == protocol.Service {
		if dir, name = syntax.PathOf(files), "#Service"; dir == "" {
			return cue.Value{}
		}
	}
	pkg, err := s.value(dir)
	if err != nil {
		return cue.Value{}
	}
	return pkg.LookupPath(cue.MakePath(cue.Def(name)))
}

func anyFile(q protocol.Declare) string {
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
