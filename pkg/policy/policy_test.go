package policy_test

import (
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/policy"
)

func TestSeverityOn(t *testing.T) {
	for _, test := range []struct {
		severity, today string
		want            diag.Severity
		until           string
	}{
		{"deny", "2027-01-01", diag.Error, ""},
		{"warn", "2027-01-01", diag.Warning, ""},
		{"warn until 2027-01-02", "2027-01-01", diag.Warning, "2027-01-02"},
		{"warn until 2027-01-02", "2027-01-02", diag.Error, ""},
		{"warn until 2027-01-02", "2028-01-01", diag.Error, ""},
		{"warn until 2027-01-02", "", diag.Warning, "2027-01-02"},
		{"", "2027-01-01", diag.Error, ""},
	} {
		if got, until := policy.SeverityOn(test.severity, test.today); got != test.want || until != test.until {
			t.Errorf("%q on %q: %s until %q", test.severity, test.today, got, until)
		}
	}
}

func company() *catalog.Catalog {
	cat := catalog.New()
	data := catalog.Declared{Data: []byte(`{"rank":30}`)}
	named := func(name string) catalog.Declared { d := data; d.Name = name; return d }
	cat.Policies["a"] = &catalog.Policy{
		Declared: named("a"), Title: "all is well", Severity: "deny", Subject: "object", Where: catalog.Where{Rank: 30, Kinds: []string{"Deployment.apps"}},
		CEL: []catalog.CEL{{Expression: "true", Message: "it is"}},
	}
	cat.Exceptions["short"] = &catalog.Exception{Declared: named("short"), Policy: "a", Service: "cart", Expires: "2027-01-10"}
	cat.Exceptions["long"] = &catalog.Exception{Declared: named("long"), Policy: "a", Service: "cart", Environments: []string{"prod"}, Expires: "2027-01-20"}
	cat.Environments["prod"] = &catalog.Environment{Declared: named("prod"), Clusters: []string{"eu"}}
	cat.Environments["dev"] = &catalog.Environment{Declared: catalog.Declared{Name: "dev", Data: []byte(`{"rank":10}`)}, Clusters: []string{"local"}}
	cat.Services["cart"] = &catalog.Service{Declared: named("cart"), Team: "shop"}
	return cat
}

// An exception frees until its day and no longer, of two the longer, and the next
// day on which anything turns is known.
func TestDecideGoesByTheDay(t *testing.T) {
	cat := company()
	broken := []protocol.Judgement{{Policy: "a", Violations: []protocol.Violation{{Message: "x"}}}}
	for _, test := range []struct{ environment, today, freed, next string }{
		{"prod", "", "long", "2027-01-20"},
		{"prod", "2027-01-19", "long", "2027-01-20"},
		{"prod", "2027-01-20", "", ""},
		{"dev", "2027-01-09", "short", "2027-01-10"},
		{"dev", "2027-01-10", "", ""},
	} {
		found, next := policy.Decide(cat, catalog.UnitKey{Environment: test.environment, Cluster: "eu", Service: "cart"}, broken, test.today)
		freed := ""
		if found[0].Exception != nil {
			freed = found[0].Exception.Name
		}
		if freed != test.freed || next != test.next {
			t.Errorf("%s on %s: freed by %q until %q", test.environment, test.today, freed, next)
		}
	}
	if found, next := policy.Decide(cat, catalog.UnitKey{Service: "cart"}, []protocol.Judgement{{Policy: "a"}}, ""); len(found) > 0 || next != "" {
		t.Errorf("nothing broken: %v, %s", found, next)
	}
}

// A cluster's own unit carries the same, until a day turns something of it.
func TestRules(t *testing.T) {
	cat := company()
	rules, next := policy.Rules(cat, "eu", "2027-01-09")
	rule := rules["a"]
	if len(rules) != 1 || rule.Action != "Deny" || next != "2027-01-10" {
		t.Fatalf("%v, until %s", rules, next)
	}
	for _, want := range []string{`in ["prod"]`, `shop-prod`, `== "cart"`} {
		if !strings.Contains(rule.Holds, want) {
			t.Errorf("%s is missing in %s", want, rule.Holds)
		}
	}
	if rules, next = policy.Rules(cat, "eu", "2027-01-20"); strings.Contains(rules["a"].Holds, "cart") || next != "" {
		t.Errorf("after the exceptions: %s, until %q", rules["a"].Holds, next)
	}
	if rules, _ := policy.Rules(cat, "local", ""); len(rules) > 0 {
		t.Error("a cluster without the environment has the policy")
	}
	cat.Policies["a"].Severity = "warn until 2027-01-12"
	if rules, next = policy.Rules(cat, "eu", "2027-01-10"); rules["a"].Action != "Warn" || next != "2027-01-12" {
		t.Errorf("%v, until %s", rules["a"].Action, next)
	}
}

// What a cluster enforces is for the namespaces of its environments, and knows of
// exceptions until they end.
func TestAdmission(t *testing.T) {
	cat := company()
	objects, err := policy.Admission(cat, "", "2027-01-19")
	if err != nil || len(objects) != 2 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	text := string(objects[0].Body) + string(objects[1].Body)
	for _, want := range []string{`"not-long"`, `shop-prod`, `"deployments"`, `"Deny"`, `"values":["prod"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	if strings.Contains(text, "not-short") {
		t.Error("an exception that has ended is in it")
	}
	if objects, _ := policy.Admission(cat, "local", ""); len(objects) > 0 {
		t.Error("a cluster without the environment has the policy")
	}
	cat.Policies["a"].Severity = "warn"
	if objects, _ := policy.Admission(cat, "eu", ""); len(objects) != 2 || !strings.Contains(string(objects[1].Body), `"Warn"`) {
		t.Error("what only warns does not only warn there")
	}
}
