package render_test

import (
	"context"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/render"
)

// policy is the NetworkPolicy of a unit, as text; "" where it is held or not there.
func (w *world) policy(key catalog.UnitKey) string { return w.body(key, "NetworkPolicy") }

// body is an object of a unit, as text.
func (w *world) body(key catalog.UnitKey, kind string) string {
	w.t.Helper()
	u := w.st.Units[key]
	if u == nil || u.Held() {
		return ""
	}
	b, err := (&render.Renderer{Evaluator: w.eval}).Bundle(context.Background(), w.st, w.es, u)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range b.Objects {
		if o.ID.Kind == kind {
			return string(o.Body)
		}
	}
	return ""
}

// TestEnvironmentStandsOnAnother: a service alone in an environment calls the rest in the
// base, whose services let it in; each change of who stands where reaches both at once.
func TestEnvironmentStandsOnAnother(t *testing.T) {
	w := newWorld(t, newEvaluator(t), t.TempDir())
	base, c := realPlatform(t), newCompany()
	trial := environment{Clusters: []string{"one"}, Domain: "trial.example.com"}
	prod := c.Environments["prod"]
	stand := func(on string) {
		trial.Base = on
		c.Environments["trial"] = trial
	}
	stock := release{Environment: "trial", Team: "beta", Service: "stock", Tag: "1.0.0"}
	front := release{Environment: "trial", Team: "alpha", Service: "front", Tag: "1.0.0"}
	at := func(environment, service string) catalog.UnitKey {
		return catalog.UnitKey{Environment: environment, Cluster: "one", Service: service}
	}
	s := c.Services["alpha/front"]
	s.Overlay = "prod" // what it says of prod holds for who stands there
	c.Services[s.key()] = s
	w.advance(c.write(base))
	for _, step := range []struct {
		name   string
		change func()
		in     string // the environment whose stock lets the trial's front in; "" where the front is held
	}{
		{"stands on prod", func() { stand("prod"); c.Releases[front.key()] = front }, "prod"},
		{"stands on dev", func() { stand("dev") }, "dev"},
		{"has its own", func() { c.Releases[stock.key()] = stock }, "trial"},
		{"has none any more", func() { delete(c.Releases, stock.key()) }, "dev"},
		{"stands on its own", func() { stand("") }, ""},
		{"stands on prod again", func() { stand("prod") }, "prod"},
		{"the base leaves the cluster", func() { prod.Clusters = []string{"two"}; c.Environments["prod"] = prod }, ""},
		{"the base comes back", func() { prod.Clusters = []string{"one", "two"}; c.Environments["prod"] = prod }, "prod"},
		{"the base is gone", func() { delete(c.Environments, "prod") }, ""},
		{"the base is there again", func() { c.Environments["prod"] = prod }, "prod"},
		{"is gone", func() { delete(c.Environments, "trial"); delete(c.Releases, front.key()) }, ""},
	} {
		step.change()
		w.advance(c.write(base))
		for _, environment := range []string{"dev", "prod", "trial"} {
			lets := strings.Contains(w.policy(at(environment, "stock")), "alpha-trial")
			if lets != (step.in == environment) {
				t.Errorf("%s: stock in %s lets the trial's front in: %v", step.name, environment, lets)
			}
			if calls := strings.Contains(w.policy(at("trial", "front")), "beta-"+environment); calls != (step.in == environment) {
				t.Errorf("%s: the trial's front calls stock in %s: %v", step.name, environment, calls)
			}
		}
		if says := strings.Contains(w.body(at("trial", "front"), "ConfigMap"), `"WHERE":"there"`); says != (step.in == "prod") {
			t.Errorf("%s: the trial's front has what is said of prod: %v", step.name, says)
		}
		if diff := w.compareWithFull(); diff != "" {
			t.Errorf("%s: not as from nothing:\n%s", step.name, diff)
		}
	}
}
