// Package health judges how objects of kinds are doing that Kubernetes itself does
// not know, by rules in CEL that the platform declares in platform/health.
//
// Rules are compiled once a revision and bounded in what they may cost. Whatever an
// object holds, judging it panics on nothing and ends.
package health

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
)

// The bounds of a rule: of its text, of the checks it may come to, and of what it
// may cost to judge one object, in CEL's units.
const (
	maxText    = 2 << 10
	maxCost    = 100_000
	maxMessage = 256
)

// Status is how an object is doing, in the words of package cluster.
type Status string

// What a rule can say.
const (
	Healthy     Status = "Healthy"
	Suspended   Status = "Suspended"
	Progressing Status = "Progressing"
	Degraded    Status = "Degraded"
)

// Waiting is what is said of an object that no rule fits.
const Waiting = "its controller has not reported yet"

// Kind is what rules are about, in any version.
type Kind struct{ Group, Kind string }

// Rules are the rules of one kind, in the order they are asked.
type Rules struct {
	Kind  Kind
	rules []rule
	// text tells rules apart from others of the kind.
	text string
}

type rule struct {
	status        Status
	when, message cel.Program
}

// FieldError is a mistake in one field of a declaration.
type FieldError struct {
	// Field is the path of the field. Example: "rules.0.when".
	Field string
	Err   error
}

// Error says what is wrong; Unwrap gives the cause.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// Parse compiles the data of a #Health. A mistake in it is a [FieldError].
func Parse(data []byte) (*Rules, error) {
	var d struct {
		Group string `json:"group"`
		Kind  string `json:"kind"`
		Rules []struct {
			Status  string `json:"status"`
			When    string `json:"when"`
			Message string `json:"message"`
		} `json:"rules"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("read health rules: %w", err)
	}
	env, err := cel.NewEnv(cel.Variable("object", cel.MapType(cel.StringType, cel.DynType)))
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	out := &Rules{Kind: Kind{d.Group, d.Kind}, text: string(data)}
	for i, r := range d.Rules {
		at := fmt.Sprintf("rules.%d.", i)
		when, err := compile(env, r.When, cel.BoolType)
		if err != nil {
			return nil, &FieldError{at + "when", err}
		}
		next := rule{status: Status(r.Status), when: when}
		if r.Message != "" {
			if next.message, err = compile(env, r.Message, cel.StringType); err != nil {
				return nil, &FieldError{at + "message", err}
			}
		}
		out.rules = append(out.rules, next)
	}
	return out, nil
}

func compile(env *cel.Env, text string, want *cel.Type) (cel.Program, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("the expression is longer than %d characters", maxText)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, fmt.Errorf("%s (at character %d)", first.Message, first.Location.Column()+1)
	}
	if got := ast.OutputType(); !got.IsExactType(want) && !got.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("the expression gives %s and not %s", got, want)
	}
	return env.Program(ast, cel.CostLimit(maxCost), cel.EvalOptions(cel.OptOptimize))
}

// Equal reports whether rules judge alike.
func (r *Rules) Equal(o *Rules) bool { return r == o || r != nil && o != nil && r.text == o.text }

// Assess judges an object by the first rule that fits. A field that is not there
// makes a rule not fit; where none does, the object is on its way.
func (r *Rules) Assess(fields map[string]any) (status Status, message string) {
	defer func() {
		if p := recover(); p != nil { // a cluster's content is not to be trusted
			status, message = Progressing, "health could not be assessed"
		}
	}()
	in := map[string]any{"object": fields}
	for _, rule := range r.rules {
		fits, _, err := rule.when.Eval(in)
		if err != nil && strings.Contains(err.Error(), "cost limit exceeded") {
			return Progressing, "health could not be assessed: the rule costs too much"
		}
		if err != nil || fits.Value() != true {
			continue
		}
		return rule.status, said(rule, in)
	}
	return Progressing, Waiting
}

func said(r rule, in map[string]any) string {
	if r.message == nil {
		return ""
	}
	v, _, err := r.message.Eval(in)
	if err != nil {
		return ""
	}
	text, _ := v.Value().(string)
	return text[:min(len(text), maxMessage)]
}
