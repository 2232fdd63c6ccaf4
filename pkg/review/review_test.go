package review_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/review"
)

func key(environment, service string) catalog.UnitKey {
	return catalog.UnitKey{Environment: environment, Cluster: "eu", Service: service}
}

func step(action plan.Action, kind string, fields ...object.FieldChange) plan.Step {
	return plan.Step{ID: object.ID{Kind: kind, Namespace: "n", Name: "a"}, Action: action, Reason: "what is declared changed", Fields: fields}
}

func field(path string, before, after any) object.FieldChange {
	return object.FieldChange{Path: path, Before: before, After: after}
}

// TestRisk: what is done to one object, and what is said of it.
func TestRisk(t *testing.T) {
	for _, test := range []struct {
		name, environment string
		step              plan.Step
		risk              review.Risk
		why               string
		restarts          bool
	}{
		{"a new object", "prod", step(plan.Create, "Deployment"), review.Low, "", false},
		{"a limit of growth", "prod", step(plan.Update, "HorizontalPodAutoscaler", field(".spec.maxReplicas", int64(4), int64(8))), review.Low, "", false},
		{"an image", "dev", step(plan.Update, "Deployment", field(".spec.template.spec.containers[a].image", "a:1", "a:2")), review.Medium, "restarts pods", true},
		{"a job's template", "dev", step(plan.Update, "Job", field(".spec.template.spec.containers[a].image", "a:1", "a:2")), review.Low, "", false},
		{"fewer in dev", "dev", step(plan.Update, "Deployment", field(".spec.replicas", int64(3), int64(2))), review.Medium, "fewer replicas", false},
		{"fewer in prod", "prod", step(plan.Update, "Deployment", field(".spec.replicas", int64(3), int64(2))), review.High, "fewer replicas", false},
		{"more in prod", "prod", step(plan.Update, "Deployment", field(".spec.replicas", int64(2), int64(3))), review.Low, "", false},
		{"fewer at least", "prod", step(plan.Update, "HorizontalPodAutoscaler", field(".spec.minReplicas", int64(3), int64(2))), review.High, "fewer replicas", false},
		{"the network", "dev", step(plan.Update, "NetworkPolicy", field(".spec.ingress", "a", "b")), review.Medium, "changes who may reach or do what", false},
		{"a deletion", "dev", step(plan.Prune, "ConfigMap"), review.Medium, "deletes the ConfigMap", false},
		{"data that goes", "dev", step(plan.Prune, "PersistentVolumeClaim"), review.High, "deletes the PersistentVolumeClaim", false},
	} {
		r := review.New(review.Input{
			Plans: []plan.Plan{{Unit: key(test.environment, "a"), Steps: []plan.Step{test.step}}},
			Ranks: map[string]int{"dev": 0, "prod": 100},
		})
		u := r.Units[0]
		if u.Risk != test.risk || r.Risk != test.risk || strings.Join(u.Why, ", ") != test.why || u.Restarts != test.restarts {
			t.Errorf("%s: risk %s, %q, restarts %v; want %s, %q, %v", test.name, u.Risk, u.Why, u.Restarts, test.risk, test.why, test.restarts)
		}
	}
}

// TestMistakes tells those that a change brings from those that were there, by what they
// say and not by their line.
func TestMistakes(t *testing.T) {
	at := func(file string, line int, message string) diag.Diag {
		return diag.Diag{Code: "c", Severity: diag.Error, Pos: diag.Position{File: file, Line: line}, Message: message}
	}
	r := review.New(review.Input{
		Before: diag.List{at("a", 1, "x"), at("a", 9, "gone"), at("b", 1, "twice")},
		After:  diag.List{at("a", 5, "x"), at("b", 1, "twice"), at("b", 7, "twice"), at("c", 1, "x")},
	})
	var fresh []string
	for _, d := range r.Mistakes {
		fresh = append(fresh, d.Pos.File+": "+d.Message)
	}
	if !slices.Equal(fresh, []string{"b: twice", "c: x"}) || r.Standing != 2 || r.Mended != 1 {
		t.Errorf("new %q, %d standing, %d mended", fresh, r.Standing, r.Mended)
	}
}

func large() review.Report {
	in := review.Input{Ranks: map[string]int{"dev": 0}, Base: strings.Repeat("a", 40), Head: strings.Repeat("b", 40)}
	for i := range 60 {
		in.Plans = append(in.Plans, plan.Plan{Unit: key("dev", fmt.Sprintf("s%02d", i)), Steps: []plan.Step{
			step(plan.Update, "Deployment", field(".spec.template.spec.containers[a].image", "a:1", strings.Repeat("é", 40))),
		}})
		in.After = append(in.After, diag.Diag{Code: "c", Severity: diag.Warning, Pos: diag.Position{File: fmt.Sprintf("f%02d", i)}, Message: "see @everyone <!-- ``` | `x`"})
	}
	return review.New(in)
}

// TestMarkdownFits: whatever the limit, the text is no longer, is whole lines, says so
// where something is left out, and always ends with the plan it is of.
func TestMarkdownFits(t *testing.T) {
	r := large()
	whole := r.Markdown(1<<20, "https://example.com/all")
	if strings.Contains(whole, "more than fits") || strings.Count(whole, "<details>") != 60 {
		t.Errorf("the whole text leaves something out:\n%s", whole)
	}
	foot := whole[strings.LastIndex(whole, "\n<sub>"):]
	for limit := 400; limit <= len(whole)+10; limit += 37 {
		text := r.Markdown(limit, "https://example.com/all")
		switch {
		case len(text) > limit:
			t.Fatalf("%d bytes with a limit of %d", len(text), limit)
		case !strings.HasSuffix(text, foot):
			t.Fatalf("with a limit of %d the text does not end with its plan:\n%s", limit, text)
		case limit < len(whole) && !strings.Contains(text, "more than fits here: [all of it](https://example.com/all)"):
			t.Fatalf("with a limit of %d something is left out and it is not said", limit)
		case strings.Count(text, "<details>") != strings.Count(text, "</details>"):
			t.Fatalf("with a limit of %d a fold is not closed", limit)
		}
	}
}

// TestMarkdownIsInert: what people wrote calls nobody, closes nothing and is no comment.
func TestMarkdownIsInert(t *testing.T) {
	text := large().Markdown(1<<20, "")
	for _, bad := range []string{"@everyone", "<!--", "| `x`"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q stands in it as it was written", bad)
		}
	}
}

// TestConflicts: where nothing can be merged nothing else is said.
func TestConflicts(t *testing.T) {
	text := review.New(review.Input{Conflicts: []string{"teams/a/b.cue", "x`y"}}).Markdown(1<<20, "")
	want := "### 2 files conflict with the base branch\n\nBring the base branch into this one; these files were changed on both:\n\n- teams/a/b.cue\n- x'y\n"
	if !strings.HasPrefix(text, want) {
		t.Errorf("it says\n%s", text)
	}
}

// TestPoliciesOnPlans: what only a policy on plans is against is a mistake of the change.
func TestPoliciesOnPlans(t *testing.T) {
	broken := diag.Diag{Code: "policy", Severity: diag.Error, Pos: diag.Position{File: "platform/policies/p.cue", Line: 3}, Message: "too much at once"}
	held := plan.Plan{Unit: key("dev", "a"), Hold: &plan.Hold{Reason: plan.HoldPolicy, Message: "too much at once", Diags: diag.List{broken}}}
	r := review.New(review.Input{Plans: []plan.Plan{held}})
	if errors, _ := r.Mistakes.Count(); errors != 1 || !strings.Contains(r.Verdict(), "platform/policies/p.cue:3") {
		t.Errorf("%d mistakes: %s", errors, r.Verdict())
	}
}
