package worker

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/explain"
	"github.com/fairway-dev/fairway/pkg/eval/manifest"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/object"
)

// render evaluates the #Unit of a package for one input.
func (s *session) render(q protocol.Unit) protocol.Answer {
	r := explain.Reading{Dir: q.Package}
	_, raw, faults := s.unitOf(q, &r)
	if len(faults) > 0 {
		return protocol.Answer{Faults: faults}
	}
	if faults := refused(raw, q.Package); len(faults) > 0 {
		return protocol.Answer{Faults: faults}
	}
	if fault := tooMuch(raw, q.Package); fault != nil {
		return protocol.Answer{Faults: []protocol.Fault{*fault}}
	}
	data, faults, err := outputOf(raw, q)
	if err != nil {
		return protocol.Answer{Faults: r.Faults(err)}
	}
	return protocol.Answer{Data: data, Faults: faults}
}

// unitOf is the #Unit of a package with its input, and what it gives out as JSON.
func (s *session) unitOf(q protocol.Unit, r *explain.Reading) (cue.Value, []byte, []protocol.Fault) {
	def, err := s.unit(q.Package)
	if err != nil {
		return cue.Value{}, nil, r.Faults(err)
	}
	r.Def = def
	in, err := s.encode(q.Input)
	if err != nil {
		return cue.Value{}, nil, r.Faults(err)
	}
	u := def.FillPath(cue.ParsePath("in"), in)
	if err := u.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return u, nil, hidden(u, r.Faults(err))
	}
	raw, err := u.LookupPath(cue.ParsePath("out")).MarshalJSON()
	if err != nil {
		return u, nil, r.Faults(err)
	}
	return u, raw, nil
}

// hidden takes the values out of mistakes in Secrets: CUE quotes what conflicts.
func hidden(u cue.Value, faults []protocol.Fault) []protocol.Fault {
	for i, f := range faults {
		rest, ok := strings.CutPrefix(f.Field, "out.objects.")
		if !ok {
			continue
		}
		label, field, _ := strings.Cut(rest, ".")
		kind, err := u.LookupPath(cue.MakePath(cue.Str("out"), cue.Str("objects"), cue.Str(label), cue.Str("kind"))).String()
		if err != nil || kind != "Secret" || strings.HasPrefix(field, "metadata") && !strings.Contains(field, "annotations") {
			continue
		}
		faults[i].Secret, faults[i].Rule, faults[i].Hint = true, "", ""
		faults[i].Message = fmt.Sprintf("%s of the Secret %s has a mistake; its values are not shown", field, label)
	}
	return faults
}

// maxShared bounds the inputs that are kept encoded.
const maxShared = 1000

// encode turns an input into a value. What many units have in common, such as
// their environment, is encoded once.
func (s *session) encode(input json.RawMessage) (cue.Value, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(input, &parts); err != nil {
		return cue.Value{}, fmt.Errorf("read input: %w", err)
	}
	in := make(map[string]any, len(parts))
	for name, raw := range parts {
		v, err := decodeAny(raw)
		if err != nil {
			return cue.Value{}, fmt.Errorf("read input %s: %w", name, err)
		}
		if _, isGroup := v.(map[string]any); !isGroup || !slices.Contains([]string{"team", "environment", "cluster"}, name) {
			in[name] = v
			continue
		}
		shared, ok := s.data[string(raw)]
		if !ok {
			if len(s.data) > maxShared {
				clear(s.data)
			}
			shared = s.ctx.Encode(v)
			s.data[string(raw)] = shared
		}
		in[name] = shared
	}
	v := s.ctx.Encode(in)
	return v, v.Err()
}

// decodeAny reads any JSON value with whole numbers kept whole: a float would
// be another type to CUE.
func decodeAny(raw json.RawMessage) (any, error) {
	fields, err := object.DecodeFields(slices.Concat([]byte(`{"v":`), raw, []byte(`}`)))
	return fields["v"], err
}

// refused gives what the path says the service cannot have, by field.
func refused(raw []byte, pkg string) []protocol.Fault {
	var out struct {
		Mistakes map[string]string `json:"mistakes"`
	}
	_ = json.Unmarshal(raw, &out) // whoever reads it next says what is wrong with it
	var faults []protocol.Fault
	for _, field := range slices.Sorted(maps.Keys(out.Mistakes)) {
		at := "in.service." + field
		faults = append(faults, protocol.Fault{Code: "refused", Field: at, Pos: diag.Position{File: pkg}, Message: at + ": " + out.Mistakes[field]})
	}
	return explain.Clip(faults)
}

// tooMuch refuses an output that is larger than a unit may be.
func tooMuch(raw []byte, pkg string) *protocol.Fault {
	var out struct {
		Objects map[string]json.RawMessage `json:"objects"`
	}
	_ = json.Unmarshal(raw, &out) // whoever reads it next says what is wrong with it
	f := &protocol.Fault{Code: "too-much", Pos: diag.Position{File: pkg}, Hint: "let the service be several, or the path render less"}
	switch {
	case len(out.Objects) > protocol.MaxObjects:
		f.Message = fmt.Sprintf("the unit has %d objects; more than %d are not rendered", len(out.Objects), protocol.MaxObjects)
		return f
	case len(raw) > protocol.MaxOutput*15/16: // the engine's own marks are to come
		f.Message = fmt.Sprintf("the unit renders to more than %d MiB", protocol.MaxOutput>>20)
		return f
	}
	for _, label := range slices.Sorted(maps.Keys(out.Objects)) {
		if len(out.Objects[label]) > protocol.MaxObject*15/16 {
			f.Message = fmt.Sprintf("the object %s is larger than %d KiB", label, protocol.MaxObject*15/16>>10)
			return f
		}
	}
	return nil
}

// outputOf turns the exported out into an Output: objects in label order, then
// those made of what stands beside the service, patched, stamped and in canonical
// bytes.
func outputOf(raw []byte, q protocol.Unit) (json.RawMessage, []protocol.Fault, error) {
	objects, out, faults, err := objectsOf(raw, q)
	if err != nil || len(faults) > 0 {
		return nil, faults, err
	}
	if len(q.Patches) > 0 {
		if faults := manifest.Patch(objects, q.Patches); len(faults) > 0 {
			return nil, faults, nil
		}
	}
	return written(objects, out.Claims, out.Asleep, q)
}

// made is what a path gives beside objects.
type made struct {
	Claims []protocol.Claim `json:"claims"`
	Asleep bool             `json:"asleep"`
}

// objectsOf are the unit's objects before anything is put over them.
func objectsOf(raw []byte, q protocol.Unit) ([]manifest.Object, made, []protocol.Fault, error) {
	var out struct {
		made
		Objects   map[string]json.RawMessage `json:"objects"`
		Manifests *manifest.Spec             `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, made{}, nil, err
	}
	var objects []manifest.Object
	for _, label := range slices.Sorted(maps.Keys(out.Objects)) {
		fields, err := object.DecodeFields(out.Objects[label])
		if err != nil {
			return nil, made{}, nil, err
		}
		objects = append(objects, manifest.Object{Fields: fields})
	}
	if out.Manifests != nil {
		more, faults := manifest.Build(dirOf(q), q.Beside, *out.Manifests)
		if len(faults) > 0 {
			return nil, made{}, faults, nil
		}
		objects = append(objects, more...)
	}
	return objects, out.made, nil, nil
}

// dirOf is the folder of the service that a unit is of.
func dirOf(q protocol.Unit) string {
	var in struct {
		Source string `json:"source"`
	}
	_ = json.Unmarshal(q.Input, &in) // the engine wrote it
	return path.Dir(in.Source)
}

func written(objects []manifest.Object, claims []protocol.Claim, asleep bool, q protocol.Unit) (json.RawMessage, []protocol.Fault, error) {
	result := protocol.Output{Claims: claims, Asleep: asleep, Objects: []json.RawMessage{}}
	origins, told, size := make([]string, len(objects)), false, 0
	for i, o := range objects {
		mark(o.Fields, q.Stamp)
		body, err := object.Encode(o.Fields)
		if err != nil {
			return nil, nil, err
		}
		size += len(body)
		if fault := bigger(o, len(body), size, len(objects)); fault != nil {
			return nil, []protocol.Fault{*fault}, nil
		}
		result.Objects = append(result.Objects, body)
		origins[i], told = o.Origin, told || o.Origin != ""
	}
	if told {
		result.Origins = origins
	}
	data, err := object.Encode(result)
	return data, nil, err
}

// bigger refuses what patches and files made larger than a unit may be.
func bigger(o manifest.Object, body, all, n int) *protocol.Fault {
	if o.Origin == "" || body <= protocol.MaxObject && all <= protocol.MaxOutput*15/16 && n <= protocol.MaxObjects {
		return nil
	}
	return &protocol.Fault{Field: "in.service." + o.Origin, Code: "too-much", Message: "in.service." + o.Origin + ": the unit becomes larger than a unit may be", Hint: "let it be several services"}
}

// mark stamps one object. What the platform wrote under the same names is replaced.
func mark(fields map[string]any, s protocol.Stamp) {
	meta, ok := fields["metadata"].(map[string]any)
	if !ok {
		return // refused later, as an object without a name
	}
	for part, marks := range map[string]map[string]string{"labels": s.Labels, "annotations": s.Annotations} {
		m, ok := meta[part].(map[string]any)
		if !ok {
			m = map[string]any{}
			meta[part] = m
		}
		for k, v := range marks {
			m[k] = v
		}
	}
}
