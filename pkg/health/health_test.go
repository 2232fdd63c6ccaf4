package health_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/health"
)

func rules(t testing.TB, pairs ...string) *health.Rules {
	t.Helper()
	r, err := health.Parse(declared(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// declared is a #Health of status, when and message of each rule.
func declared(triples ...string) []byte {
	var list []map[string]string
	for i := 0; i < len(triples); i += 3 {
		list = append(list, map[string]string{"status": triples[i], "when": triples[i+1], "message": triples[i+2]})
	}
	raw, _ := json.Marshal(map[string]any{"group": "example.com", "kind": "Thing", "rules": list})
	return raw
}

func fields(t testing.TB, text string) map[string]any {
	t.Helper()
	var f map[string]any
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// The first rule that fits decides; one that looks at what is not there does not fit.
func TestAssess(t *testing.T) {
	r := rules(t,
		"Degraded", `object.status.phase == "Bad"`, `"it is " + object.status.phase`,
		"Healthy", `object.status.ready`, `object.status.nothing`,
		"Suspended", `has(object.spec) && object.spec.paused`, "",
	)
	for text, want := range map[string]string{
		`{}`: "Progressing " + health.Waiting,
		`{"status":{"phase":"Bad","ready":true}}`:      "Degraded it is Bad",
		`{"status":{"ready":true}}`:                    "Healthy ",
		`{"status":{"ready":"yes"}}`:                   "Progressing " + health.Waiting,
		`{"status":[],"spec":{"paused":true}}`:         "Suspended ",
		`{"status":{"phase":7},"spec":{"paused":"x"}}`: "Progressing " + health.Waiting,
		`{"status":null}`:                              "Progressing " + health.Waiting,
	} {
		if status, message := r.Assess(fields(t, text)); string(status)+" "+message != want {
			t.Errorf("%s: got %s %s, want %s", text, status, message, want)
		}
	}
}

// What does not compile is told of at its field.
func TestParseMistakes(t *testing.T) {
	for when, want := range map[string]string{
		`object.status.`:          "rules.0.when: Syntax error",
		`objct.status`:            "rules.0.when: undeclared reference to 'objct'",
		`"text"`:                  "rules.0.when: the expression gives string and not bool",
		strings.Repeat("1+", 2e3): "rules.0.when: the expression is longer than",
		`true || read("/etc")`:    "rules.0.when: undeclared reference to 'read'",
	} {
		_, err := health.Parse(declared("Healthy", when, ""))
		var wrong *health.FieldError
		if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", when, err, want)
		}
	}
	if _, err := health.Parse(declared("Healthy", "true", "1 + 1")); err == nil || !strings.HasPrefix(err.Error(), "rules.0.message: the expression gives int") {
		t.Errorf("a message that is a number: %v", err)
	}
}

// A rule that would cost too much is given up, and the object is not shown to be well.
func TestCost(t *testing.T) {
	var list []int
	for i := range 400 {
		list = append(list, i)
	}
	raw, _ := json.Marshal(map[string]any{"spec": map[string]any{"l": list}})
	r := rules(t, "Healthy", `object.spec.l.all(a, object.spec.l.all(b, object.spec.l.all(c, a + b + c >= 0.0)))`, "")
	if status, message := r.Assess(fields(t, string(raw))); status != health.Progressing || !strings.Contains(message, "costs too much") {
		t.Errorf("got %s, %s", status, message)
	}
}

// FuzzAssess: whatever a cluster holds, it is judged without a panic, in few words.
func FuzzAssess(f *testing.F) {
	r := rules(f,
		"Degraded", `object.status.conditions.exists(c, c.type == "Ready" && c.status == "False")`, `object.status.conditions.filter(c, c.type == "Ready")[0].message`,
		"Progressing", `object.status.observedGeneration < object.metadata.generation`, `string(object.status.observedGeneration)`,
		"Healthy", `object.status.conditions.all(c, c.status == "True")`, "",
	)
	f.Add(`{"metadata":{"generation":2},"status":{"observedGeneration":1,"conditions":[{"type":"Ready","status":"False","message":"no"}]}}`)
	f.Add(`{"status":{"conditions":{"a":null}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var o map[string]any
		if json.Unmarshal([]byte(text), &o) != nil {
			return
		}
		if status, message := r.Assess(o); status == "" || len(message) > 256 {
			t.Errorf("%s: %s", text, fmt.Sprint(status, message))
		}
	})
}

func BenchmarkAssess(b *testing.B) {
	r := rules(b, "Degraded", `object.status.conditions.exists(c, c.type == "Ready" && c.status == "False")`, "", "Healthy", `object.status.conditions.exists(c, c.type == "Ready" && c.status == "True")`, "")
	o := fields(b, `{"status":{"conditions":[{"type":"Synced","status":"True"},{"type":"Ready","status":"True"}]}}`)
	for b.Loop() {
		r.Assess(o)
	}
}
