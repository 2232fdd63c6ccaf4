package eval

import (
	"encoding/json"

	"cuelang.org/go/cue"
	cuejson "cuelang.org/go/encoding/json"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Output is what a path makes of a unit.
type Output struct {
	// Objects are canonical JSON, in the order of the path's labels.
	Objects []json.RawMessage `json:"objects"`
	Claims  []Claim           `json:"claims,omitempty"`
}

// Claim is a value of which there is only one in the fleet, such as a host name.
type Claim struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
	// Field is the field of the service that set it. Example: "http.host".
	Field string `json:"field"`
}

// inputName stands for the file name of data the engine made.
const inputName = "in"

// render evaluates the #Unit of a package for one input.
func (s *session) render(q unitQuestion) answer {
	r := reading{dir: q.Package}
	def, err := s.unit(q.Package)
	if err != nil {
		return answer{Faults: r.faults(err)}
	}
	r.def = def
	expr, err := cuejson.Extract(inputName, q.Input)
	if err != nil {
		return answer{Faults: r.faults(err)}
	}
	u := def.FillPath(cue.ParsePath("in"), s.ctx.BuildExpr(expr))
	if err := u.Validate(cue.Concrete(true), cue.Final()); err != nil {
		return answer{Faults: r.faults(err)}
	}
	raw, err := u.LookupPath(cue.ParsePath("out")).MarshalJSON()
	if err != nil {
		return answer{Faults: r.faults(err)}
	}
	data, err := outputOf(raw, q.Stamp)
	if err != nil {
		return answer{Faults: r.faults(err)}
	}
	return answer{Data: data}
}

// outputOf turns the exported out into an Output: objects in label order, each
// stamped and in canonical bytes.
func outputOf(raw []byte, stamp Stamp) (json.RawMessage, error) {
	var out struct {
		Objects map[string]json.RawMessage `json:"objects"`
		Claims  []Claim                    `json:"claims"`
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, err
	}
	result := Output{Claims: out.Claims, Objects: []json.RawMessage{}}
	for _, label := range sortedKeys(out.Objects) {
		fields, err := object.DecodeFields(out.Objects[label])
		if err != nil {
			return nil, err
		}
		stamp.on(fields)
		body, err := object.Encode(fields)
		if err != nil {
			return nil, err
		}
		result.Objects = append(result.Objects, body)
	}
	return object.Encode(result)
}

// on marks one object. What the platform wrote under the same names is replaced.
func (s Stamp) on(fields map[string]any) {
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
