package plan_test

import (
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

func changing(actions ...plan.Action) plan.Plan {
	p := plan.Plan{Unit: catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "cart"}, Unchanged: 3}
	for _, a := range actions {
		p.Steps = append(p.Steps, plan.Step{Action: a, ID: object.ID{Kind: "Deployment", Name: "cart"}})
	}
	return p
}

// Policies have a word in what a commit changes, and in nothing else: healing
// waits for nobody.
func TestWhatPoliciesJudgeOfPlans(t *testing.T) {
	for want, list := range map[bool][]plan.Plan{
		true:  {changing(plan.Create), changing(plan.Update), changing(plan.Prune), changing(plan.Heal, plan.Update)},
		false: {changing(), changing(plan.Heal), changing(plan.Drift), changing(plan.Wait)},
	} {
		for _, p := range list {
			if p.Judgeable() != want {
				t.Errorf("%s: judgeable is %v", p, !want)
			}
		}
	}
	gone := changing(plan.Prune)
	gone.Removed = "it was removed"
	if gone.Judgeable() {
		t.Error("a unit that goes is judged")
	}
}

func TestPlanAsPoliciesSeeIt(t *testing.T) {
	p := changing(plan.Update, plan.Prune, plan.Drift)
	p.Steps[0].Fields = []object.FieldChange{{Path: ".spec.replicas", Before: int64(8), After: int64(2)}}
	got, err := p.Input()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"removed":false,"creates":0,"updates":1,"deletes":1,"unchanged":3,"changes":[` +
		`{"action":"update","kind":"Deployment","name":"cart","replicas":{"before":8,"after":2}},{"action":"prune","kind":"Deployment","name":"cart"}]}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// A plan that breaks a policy does nothing at all; a warning holds nothing.
func TestBrokenPlanIsHeld(t *testing.T) {
	p := changing(plan.Update)
	warned := p.Broken(diag.List{{Severity: diag.Warning, Message: "mind"}})
	if warned.Hold != nil || warned.Writes() != 1 {
		t.Errorf("a warning: %s", warned)
	}
	held := p.Broken(diag.List{{Severity: diag.Warning, Message: "a"}, {Severity: diag.Error, Message: "too many", Hint: "fewer"}})
	if held.Hold == nil || held.Hold.Reason != plan.HoldPolicy || held.Hold.Message != ": too many" || held.Hold.Hint != "fewer" || held.Writes() != 0 {
		t.Errorf("a denial: %+v", held.Hold)
	}
}
