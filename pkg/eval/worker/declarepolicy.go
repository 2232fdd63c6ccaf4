package worker

import (
	"encoding/json"
	"fmt"
	"slices"

	"cuelang.org/go/cue"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/explain"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
)

// policyData is what a policy declares, its rule left out, which is no data. Its
// examples are tried, and what is said of those that fail is added.
func (s *session) policyData(v cue.Value, q protocol.Declare, r explain.Reading) (json.RawMessage, []protocol.Fault) {
	fields, err := v.Fields()
	if err != nil {
		return nil, r.Faults(err)
	}
	data := map[string]json.RawMessage{}
	for fields.Next() {
		name := fields.Selector().Unquoted()
		if name == "rule" {
			continue
		}
		if err := fields.Value().Validate(cue.Concrete(true), cue.Final()); err != nil {
			return nil, r.Faults(err)
		}
		if data[name], err = fields.Value().MarshalJSON(); err != nil {
			return nil, r.Faults(err)
		}
	}
	if err := v.Validate(); err != nil { // required fields, and rule as far as it is none of data
		return nil, r.Faults(err)
	}
	for _, name := range []string{"title", "why", "owner", "severity", "subject", "rule", "passes", "fails"} {
		if !v.LookupPath(cue.ParsePath(name)).Exists() {
			return nil, []protocol.Fault{{Field: name, Code: "missing-field", Pos: r.Written[""], Message: name + ": is missing", Hint: "see reconciler explain Policy." + name}}
		}
	}
	says, faults := s.tryExamples(q, r, data)
	if len(faults) > 0 {
		return nil, faults
	}
	if data["says"], err = json.Marshal(says); err != nil {
		return nil, r.Faults(err)
	}
	raw, err := json.Marshal(data)
	return raw, asFaults(r, err)
}

func asFaults(r explain.Reading, err error) []protocol.Fault {
	if err == nil {
		return nil
	}
	return r.Faults(err)
}

// tryExamples holds a policy to its own examples: a policy that does not say what
// its owner thinks it says is broken.
func (s *session) tryExamples(q protocol.Declare, r explain.Reading, data map[string]json.RawMessage) (map[string][]string, []protocol.Fault) {
	var file string
	for file = range q.Files {
	}
	p, fault := s.policyOf(protocol.Rule{Name: q.Field, Dir: q.Dir, File: file, Text: q.Files[file]})
	if fault != nil {
		return nil, []protocol.Fault{*fault}
	}
	says := map[string][]string{}
	var faults []protocol.Fault
	for _, group := range []string{"passes", "fails"} {
		var examples map[string]map[string]any
		if err := decodeExamples(data[group], &examples); err != nil {
			return nil, r.Faults(err)
		}
		if len(examples) == 0 {
			faults = append(faults, exampleFault(r, group, "there is no example", "write one: a policy that was never tried judges nobody"))
		}
		for _, name := range sorted(examples) {
			if pod := podOf(asMap(examples[name]["object"])); pod != nil && examples[name]["pod"] == nil {
				examples[name]["pod"] = pod
			}
			found, fault := s.breaches(p, examples[name])
			at := group + "." + name
			switch {
			case fault != nil:
				faults = append(faults, *fault)
			case group == "passes" && len(found) > 0:
				faults = append(faults, exampleFault(r, at, "the example breaks the policy: "+found[0].Message, "mend the example or the rule"))
			case group == "fails" && len(found) == 0:
				faults = append(faults, exampleFault(r, at, "the example does not break the policy", "mend the example or the rule; what in does not name, the rule does not see"))
			}
			for _, v := range found {
				said := v.Message
				if v.Fix != "" {
					said += "; " + v.Fix
				}
				if group == "fails" {
					says[name] = append(says[name], said)
				}
			}
		}
	}
	return says, faults
}

func exampleFault(r explain.Reading, at, message, hint string) protocol.Fault {
	pos, ok := r.Written[at]
	if !ok {
		pos = diag.Position{File: r.Dir}
		for _, p := range r.Written {
			pos = diag.Position{File: p.File, Line: 1, Column: 1}
		}
	}
	return protocol.Fault{Field: at, Code: "example", Pos: pos, Message: fmt.Sprintf("%s: %s", at, message), Hint: hint}
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func decodeExamples(raw json.RawMessage, into *map[string]map[string]any) error {
	v, err := decodeAny(raw)
	if err != nil {
		return err
	}
	*into = map[string]map[string]any{}
	for name, example := range asMap(v) {
		(*into)[name] = asMap(example)
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
