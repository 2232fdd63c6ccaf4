package worker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"cuelang.org/go/cue"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/explain"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/eval/syntax"
	"github.com/fairway-dev/fairway/pkg/object"
)

// policy is a compiled policy.
type policy struct {
	key     string
	file    string
	rule    cue.Value
	shape   *syntax.Shape
	subject string
	fix     string
	where   where
}

// where is what a policy is for; see schema.#PolicyScope.
type where struct {
	Environments []string `json:"environments"`
	Rank         int      `json:"rank"`
	Tiers        []string `json:"tiers"`
	Paths        []string `json:"paths"`
	Kinds        []string `json:"kinds"`
}

// maxPolicies bounds the compiled policies that are kept.
const maxPolicies = 200

// policyOf compiles a policy, once.
func (s *session) policyOf(r protocol.Rule) (*policy, *protocol.Fault) {
	key := r.Dir + "/" + r.File + "\n" + r.Text
	if p, ok := s.policies[key]; ok {
		return p, nil
	}
	inst := s.instance(r.Dir, map[string]string{r.File: r.Text}, "")
	if inst.Err != nil {
		return nil, &explain.Reading{Dir: r.Dir, Field: r.Name}.Faults(inst.Err)[0]
	}
	v := s.ctx.BuildInstance(inst).LookupPath(cue.MakePath(cue.Str(r.Name)))
	p := &policy{
		key:  key,
		file: path.Join(r.Dir, r.File), rule: v.LookupPath(cue.ParsePath("rule")),
		shape: syntax.ShapeAt(inst.Files, r.Name, "rule", "in"),
	}
	if err := p.rule.Err(); err != nil {
		return nil, &explain.Reading{Dir: r.Dir, Field: r.Name}.Faults(err)[0]
	}
	p.fix, _ = v.LookupPath(cue.ParsePath("fix")).String()
	p.subject, _ = v.LookupPath(cue.ParsePath("subject")).String()
	if w := v.LookupPath(cue.ParsePath("where")); w.Exists() {
		if raw, err := w.MarshalJSON(); err == nil {
			_ = json.Unmarshal(raw, &p.where) // typed by the schema
		}
	}
	if len(s.policies) > maxPolicies {
		clear(s.policies)
	}
	s.policies[key] = p
	return p, nil
}

// judge holds a unit against policies.
func (s *session) judge(q protocol.Judge) protocol.Answer {
	input, err := object.DecodeFields(q.Input)
	if err != nil {
		return protocol.Answer{Faults: []protocol.Fault{{Code: "input", Message: "read input: " + err.Error()}}}
	}
	if len(q.Plan) > 0 {
		if input["plan"], err = decodeAny(q.Plan); err != nil {
			return protocol.Answer{Faults: []protocol.Fault{{Code: "input", Message: "read plan: " + err.Error()}}}
		}
	}
	objects := make([]map[string]any, 0, len(q.Objects))
	for _, raw := range q.Objects {
		fields, err := object.DecodeFields(raw)
		if err != nil {
			return protocol.Answer{Faults: []protocol.Fault{{Code: "input", Message: "read object: " + err.Error()}}}
		}
		objects = append(objects, fields)
	}
	judged := make([]protocol.Judgement, len(q.Rules))
	if q.Times {
		clear(s.verdicts) // what is remembered takes no time
	}
	for i, r := range q.Rules {
		start := time.Now()
		judged[i] = s.hold(r, input, objects)
		if q.Times {
			judged[i].Nanoseconds = time.Since(start).Nanoseconds()
		}
	}
	return protocol.Answer{Judged: judged}
}

// hold judges by one policy.
func (s *session) hold(r protocol.Rule, input map[string]any, objects []map[string]any) protocol.Judgement {
	j := protocol.Judgement{Policy: r.Name}
	p, fault := s.policyOf(r)
	if fault != nil {
		j.Fault = fault
		return j
	}
	_, planned := input["plan"]
	if planned != (p.subject == "plan") || !p.where.units(input) {
		return j
	}
	if p.subject != "object" {
		j.Violations, j.Fault = s.breaches(p, input)
		return j
	}
	for _, o := range objects {
		in, name, ok := p.about(input, o)
		if !ok {
			continue
		}
		found, fault := s.breaches(p, in)
		if fault != nil {
			return protocol.Judgement{Policy: r.Name, Fault: fault}
		}
		for _, v := range found {
			v.Object = name
			j.Violations = append(j.Violations, v)
		}
	}
	j.Violations = j.Violations[:min(len(j.Violations), protocol.MaxViolations)]
	return j
}

// maxVerdicts bounds what is remembered of rules and what they looked at.
const maxVerdicts = 20000

// verdict is what came of a rule and what it looked at. A rule sees a few fields,
// which are alike in many units.
type verdict struct {
	found []protocol.Violation
	fault *protocol.Fault
}

// breaches finds how a rule is broken by what it looks at.
func (s *session) breaches(p *policy, in map[string]any) ([]protocol.Violation, *protocol.Fault) {
	seen, _ := p.shape.Of(in).(map[string]any)
	raw, err := json.Marshal(seen)
	if err != nil {
		return nil, &protocol.Fault{Code: "input", Message: "read what is judged: " + err.Error()}
	}
	key := p.key + "\n" + string(raw)
	if v, known := s.verdicts[key]; known {
		return slices.Clone(v.found), v.fault
	}
	var v verdict
	v.found, v.fault = s.decide(p, seen)
	if len(s.verdicts) > maxVerdicts {
		clear(s.verdicts)
	}
	s.verdicts[key] = v
	return slices.Clone(v.found), v.fault
}

// decide evaluates a rule.
func (s *session) decide(p *policy, in map[string]any) ([]protocol.Violation, *protocol.Fault) {
	v := p.rule.FillPath(cue.ParsePath("in"), s.ctx.Encode(in))
	if err := v.LookupPath(cue.ParsePath("in")).Validate(cue.Concrete(true), cue.Final()); err != nil {
		found := explain.Breaches(err, p.file, in)
		for i := range found {
			found[i].Fix = cmp.Or(p.fix, found[i].Fix)
		}
		return found, nil
	}
	said := v.LookupPath(cue.ParsePath("mistakes"))
	if !said.Exists() {
		return nil, nil
	}
	raw, err := said.MarshalJSON()
	if err != nil {
		f := explain.Reading{Dir: path.Dir(p.file)}.Faults(err)[0]
		f.Message = "the policy cannot be decided: " + f.Message
		return nil, &f
	}
	var mistakes []protocol.Violation
	if err := json.Unmarshal(raw, &mistakes); err != nil {
		return nil, &protocol.Fault{Code: "policy", Pos: diag.Position{File: p.file}, Message: "the policy's mistakes cannot be read: " + err.Error()}
	}
	if len(mistakes) == 0 {
		return nil, nil
	}
	for i := range mistakes {
		mistakes[i].Rule = syntax.Position(said.Pos())
		if at := said.LookupPath(cue.MakePath(cue.Index(i), cue.Str("message"))); at.Exists() && at.Pos().IsValid() {
			mistakes[i].Rule = syntax.Position(at.Pos())
		}
		if mistakes[i].Message == "" {
			mistakes[i].Message = "breaks the policy"
		}
	}
	return mistakes[:min(len(mistakes), protocol.MaxViolations)], nil
}

// units reports whether a policy is for the unit of an input.
func (w where) units(input map[string]any) bool {
	text := func(group, field string) string {
		m, _ := input[group].(map[string]any)
		s, _ := m[field].(string)
		return s
	}
	among := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	environment, _ := input["environment"].(map[string]any)
	if rank, ok := environment["rank"].(int64); ok && rank < int64(w.Rank) {
		return false
	}
	return among(w.Environments, text("environment", "name")) && among(w.Tiers, text("service", "tier")) && among(w.Paths, text("service", "path"))
}

// about is what a policy on objects looks at for one of them; false if it is not
// for that.
func (p *policy) about(input, o map[string]any) (in map[string]any, name string, ok bool) {
	kind, _ := o["kind"].(string)
	version, _ := o["apiVersion"].(string)
	group, _, grouped := strings.Cut(version, "/")
	full := kind
	if grouped {
		full = kind + "." + group
	}
	if len(p.where.Kinds) > 0 && !slices.Contains(p.where.Kinds, full) && !slices.Contains(p.where.Kinds, kind) {
		return nil, "", false
	}
	in = make(map[string]any, len(input)+2)
	for k, v := range input {
		in[k] = v
	}
	in["object"] = o
	if pod := podOf(o); pod != nil {
		in["pod"] = pod
	} else if p.shape.Fields["pod"] != nil {
		return nil, "", false
	}
	meta, _ := o["metadata"].(map[string]any)
	called, _ := meta["name"].(string)
	return in, fmt.Sprintf("%s/%s", kind, called), true
}

// podOf is the spec of the pods that an object makes; nil if it makes none.
func podOf(o map[string]any) map[string]any {
	spec, _ := o["spec"].(map[string]any)
	if job, ok := spec["jobTemplate"].(map[string]any); ok {
		spec, _ = job["spec"].(map[string]any)
	}
	template, _ := spec["template"].(map[string]any)
	pod, _ := template["spec"].(map[string]any)
	if pod["containers"] == nil {
		return nil
	}
	return pod
}
