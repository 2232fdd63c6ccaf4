// Package promrules_test holds the alerts and recordings that the platform makes
// against Prometheus' own reader of them: what promtool check rules does, without
// the rest of promtool, which is most of Prometheus. It is a module of its own, so
// that the root module stays free of Prometheus.
package promrules_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"
)

// object is what is read of a Kubernetes object.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec any `json:"spec"`
}

// TestGoldens checks the rules in what is wanted of golden paths.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("../../platform/*/*/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	checked := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, "/want") {
				checked += check(t, file+" "+f.Name, string(f.Data))
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d rules were checked, which is fewer than there are", checked)
	}
	t.Logf("%d rules are right", checked)
}

// TestCompany checks the rules of the whole example company.
func TestCompany(t *testing.T) {
	render := exec.Command("go", "run", "./cmd/reconciler", "render")
	if built := os.Getenv("FAIRWAY_BIN"); built != "" {
		render = exec.Command(built, "render")
	}
	render.Dir, render.Stderr = "../..", os.Stderr
	out, err := render.Output()
	if err != nil {
		t.Fatal(err)
	}
	checked := check(t, "the company", string(out))
	if checked == 0 {
		t.Error("the company has no rules")
	}
	t.Logf("%d rules are right", checked)
}

// TestBroken holds that a broken rule does not pass.
func TestBroken(t *testing.T) {
	const whole = "groups: [{name: a, rules: [{alert: A, expr: 'up{service=\"a\"} == 0', annotations: {summary: '{{ $value }}'}}]}]"
	if errs := faults([]byte(whole)); len(errs) > 0 {
		t.Fatalf("a whole rule does not pass: %v", errs)
	}
	for name, change := range map[string][2]string{
		"an expression that ends too early": {"== 0", "=="},
		"a selector that is not closed":     {"}", ""},
		"a template that is not closed":     {"$value }}", "$value"},
		"a field that there is not":         {"expr:", "query:"},
		"a group twice":                     {"groups: [", "groups: [{name: a, rules: []}, "},
		"a rule twice":                      {"rules: [", "rules: [{alert: A, expr: up}, "},
		"a time that is none":               {"expr:", "for: soon, expr:"},
	} {
		if text := strings.Replace(whole, change[0], change[1], 1); text == whole || len(faults([]byte(text))) == 0 {
			t.Errorf("%s passes", name)
		}
	}
}

// check holds every PrometheusRule in a text of YAML documents against
// Prometheus, and counts rules.
func check(t *testing.T, where, text string) int {
	t.Helper()
	count := 0
	for document := range strings.SplitSeq(text, "\n---\n") {
		if !strings.Contains(document, "kind: PrometheusRule\n") {
			continue
		}
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		spec, err := yaml.Marshal(o.Spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range faults(spec) {
			t.Errorf("%s: %s/%s: %v", where, o.Metadata.Namespace, o.Metadata.Name, err)
		}
		count += strings.Count(string(spec), "expr: ")
	}
	return count
}

// faults is what is wrong with rules, as promtool check rules says it.
func faults(spec []byte) []error {
	groups, errs := rulefmt.Parse(spec, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return errs
	}
	var seen []string
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			name := fmt.Sprint(rule.Record, rule.Alert, rule.Labels)
			if slices.Contains(seen, name) {
				errs = append(errs, fmt.Errorf("%s%s is there twice with equal labels", rule.Record, rule.Alert))
			}
			seen = append(seen, name)
		}
	}
	return errs
}
