package protocol

import (
	"encoding/json"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// Judge asks which of some policies a unit breaks.
type Judge struct {
	Rules []Rule `json:"rules"`
	// Input is what the unit was rendered from.
	Input json.RawMessage `json:"input"`
	// Objects are what it was rendered to, for policies on objects.
	Objects []json.RawMessage `json:"objects,omitempty"`
	// Plan is what would be done, for policies on plans; they are judged where it is
	// given, and the others where it is not.
	Plan json.RawMessage `json:"plan,omitempty"`
	// Times has the worker count the processor time of each policy.
	Times bool `json:"times,omitempty"`
}

// Rule is one policy, as it stands in its file.
type Rule struct {
	Name string `json:"name"`
	// Dir and File say where it stands, Text what stands there.
	Dir  string `json:"dir"`
	File string `json:"file"`
	Text string `json:"text"`
}

// Judgement is what came of one policy.
type Judgement struct {
	Policy     string      `json:"policy"`
	Violations []Violation `json:"violations,omitempty"`
	// Fault tells that the policy could not be decided, which is its own mistake.
	Fault *Fault `json:"fault,omitempty"`
	// Nanoseconds is how long it took, where times were asked for.
	Nanoseconds int64 `json:"nanoseconds,omitempty"`
}

// Violation is one way in which a unit breaks a policy.
type Violation struct {
	// Field is what is wrong, below the policy's in. Example: "service.scale.min".
	Field string `json:"field,omitempty"`
	// Object names the object, of a policy on objects. Example: "Deployment/checkout".
	Object  string `json:"object,omitempty"`
	Message string `json:"message"`
	// Fix is the smallest change that mends it, where that is known.
	Fix string `json:"fix,omitempty"`
	// Rule is where the constraint stands.
	Rule diag.Position `json:"rule"`
}

// MaxViolations bounds what is said of one policy and one unit.
const MaxViolations = 20

// wrong says what keeps judgements from being the answer: there is exactly one
// for each policy that was asked about, in that order, so that a worker that
// ends too soon never says of a unit that it breaks nothing.
func (j Judge) wrong(judged []Judgement) string {
	if len(judged) != len(j.Rules) {
		return fmt.Sprintf("it judges %d policies of %d", len(judged), len(j.Rules))
	}
	for i, r := range judged {
		switch {
		case r.Policy != j.Rules[i].Name:
			return fmt.Sprintf("it judges %s and not %s", r.Policy, j.Rules[i].Name)
		case r.Fault != nil && len(r.Violations) > 0:
			return fmt.Sprintf("it is undecided about %s, and decided", r.Policy)
		case r.Fault != nil && r.Fault.Message == "":
			return fmt.Sprintf("it is undecided about %s and does not say why", r.Policy)
		case len(r.Violations) > MaxViolations:
			return fmt.Sprintf("it finds %d mistakes by %s", len(r.Violations), r.Policy)
		}
		for _, v := range r.Violations {
			if v.Message == "" || len(v.Message) > MaxMessage || len(v.Fix) > MaxMessage || len(v.Field) > MaxMessage {
				return fmt.Sprintf("a mistake by %s says nothing, or too much", r.Policy)
			}
		}
	}
	return ""
}
