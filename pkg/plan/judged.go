package plan

import (
	"encoding/json"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// HoldPolicy: what would be done breaks a policy.
const HoldPolicy = "PolicyViolation"

// Judgeable reports whether policies have a word in a plan: it changes what is
// live because what is declared changed. Putting back what was changed by hand
// waits for nobody, and a unit that goes is Git's to prove and people's to consent to.
func (p Plan) Judgeable() bool {
	if p.Hold != nil || p.Removed != "" {
		return false
	}
	for _, s := range p.Steps {
		if s.Action == Create || s.Action == Update || s.Action == Prune || s.Action == Run {
			return true
		}
	}
	return false
}

// Input is the plan as policies see it, a #PlanInput.
func (p Plan) Input() (json.RawMessage, error) {
	type replicas struct {
		Before any `json:"before"`
		After  any `json:"after"`
	}
	type change struct {
		Action   Action    `json:"action"`
		Kind     string    `json:"kind"`
		Name     string    `json:"name"`
		Replicas *replicas `json:"replicas,omitempty"`
	}
	in := struct {
		Removed   bool     `json:"removed"`
		Creates   int      `json:"creates"`
		Updates   int      `json:"updates"`
		Deletes   int      `json:"deletes"`
		Unchanged int      `json:"unchanged"`
		Changes   []change `json:"changes"`
	}{Removed: p.Removed != "", Unchanged: p.Unchanged, Changes: []change{}}
	for _, s := range p.Steps {
		switch s.Action {
		case Create:
			in.Creates++
		case Update, Heal:
			in.Updates++
		case Prune:
			in.Deletes++
		}
		if !s.Action.Writes() {
			continue
		}
		c := change{Action: s.Action, Kind: s.ID.Kind, Name: s.ID.Name}
		for _, f := range s.Fields {
			if (f.Path == ".spec.replicas" || f.Path == ".spec.minReplicas") && f.Before != nil && f.After != nil {
				c.Replicas = &replicas{f.Before, f.After}
			}
		}
		in.Changes = append(in.Changes, c)
	}
	return json.Marshal(in)
}

// Broken holds a plan that breaks policies: nothing of it is done.
func (p Plan) Broken(list diag.List) Plan {
	for _, d := range list.Sorted() {
		if d.Severity != diag.Error {
			continue
		}
		return Plan{Unit: p.Unit, Revision: p.Revision, Unchanged: p.Unchanged, Hold: &Hold{
			Reason: HoldPolicy, Message: fmt.Sprintf("%s: %s", d.Pos, d.Message), Hint: d.Hint, Diags: list,
		}}
	}
	return p
}
