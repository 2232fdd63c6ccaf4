package render_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/diag"
)

// policies are the files of a policy that bounds ports, and of an exception from
// it for the service stock if there is a day on which that ends.
func policies(severity string, port int, expires string) map[string]string {
	out := map[string]string{"platform/policies/ports.cue": rule(severity, fmt.Sprintf("in: service: http?: port: <=%d", port))}
	if expires != "" {
		out["platform/exceptions/old.cue"] = fmt.Sprintf("package exceptions\n\nimport \"fairway.dev/schema\"\n\nold: schema.#Exception & {\n\tpolicy: \"ports\"\n\tservice: \"stock\"\n\towner: \"leads\"\n\treason: \"It was always there.\"\n\texpires: %q\n}\n", expires)
	}
	return out
}

func rule(severity, rule string) string {
	return fmt.Sprintf("package policies\n\nimport \"fairway.dev/schema\"\n\nports: schema.#Policy & {\n\ttitle: \"ports are low enough\"\n\twhy: \"So that they can be told apart.\"\n\towner: \"platform-leads\"\n\tseverity: %q\n\tsubject: \"service\"\n\trule: {%s}\n\tpasses: low: service: http: port: 1024\n\tfails: high: service: http: port: 65000\n}\n", severity, rule)
}

// A policy holds who breaks it, with the service's line first, then its own, and
// the smallest change that mends it; nobody else, and it deletes nothing.
func TestPolicyHoldsWhoBreaksIt(t *testing.T) {
	w, c, base := small(t)
	before := w.digests()
	c.Policies = policies("deny", 8080, "")
	_, delta := w.advance(c.write(base))
	if len(delta.Removed) > 0 {
		t.Errorf("units went: %v", delta.Removed)
	}
	for key, u := range look(w.es, w.st).Units {
		own := strings.HasSuffix(key, "/stock")
		if held := w.unit(key).Held(); held != own {
			t.Errorf("%s: held %v", key, held)
		}
		if !own && u.Digest != before[key].String() {
			t.Errorf("%s changed", key)
		}
	}
	d := w.unit("prod/one/stock").Diags[0]
	got := fmt.Sprintf("%s %s\n%s (%s)\n%s", d.Pos.File, d.Message, d.Related[0].Pos, d.Rule, d.Hint)
	want := "teams/beta/stock/service.cue http.port: 8081 is more than 8080 (in prod): ports are low enough\n" +
		"platform/policies/ports.cue:11:35 (policies.ports)\nset http.port to at most 8080"
	if got != want || d.Pos.Line < 2 {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// What was judged is not judged again; a policy that changes renders nothing, and
// a unit that changes is judged alone.
func TestJudgingIsIncremental(t *testing.T) {
	w, c, base := small(t)
	c.Policies = policies("warn", 9000, "")
	if _, delta := w.advance(c.write(base)); delta.Evaluations != 0 || delta.Judged != 6 {
		t.Errorf("a new policy: %d units rendered, %d judged; want 0 and 6", delta.Evaluations, delta.Judged)
	}
	next := c.write(base)
	next["teams/alpha/front/service.cue"] += "// a remark\n"
	if _, delta := w.advance(next); delta.Evaluations != 0 || delta.Judged != 0 {
		t.Errorf("a remark: %d units rendered, %d judged", delta.Evaluations, delta.Judged)
	}
	c = c.with(func(s *service) { s.Public = false }, "alpha/front")
	if _, delta := w.advance(c.write(base)); delta.Judged != 3 {
		t.Errorf("one service in three places: %d judged", delta.Judged)
	}
	second := strings.Replace(rule("warn", "in: service: http?: port: <=9001"), "\nports:", "\nother:", 1)
	c.Policies["platform/policies/other.cue"] = second
	if _, delta := w.advance(c.write(base)); delta.Evaluations != 0 || delta.Judged != 6 {
		t.Errorf("another policy: %d units rendered, %d judged", delta.Evaluations, delta.Judged)
	}
	w.step(w.es, w.st)
	if _, delta := w.step(w.es, w.st); delta.Judged != 0 || delta.Looked != 0 {
		t.Errorf("nothing: %d looked at, %d judged", delta.Looked, delta.Judged)
	}
}

// A day turns warnings into denials and ends exceptions, and evaluates nothing.
func TestADayTurnsOnlyWhatHasOne(t *testing.T) {
	w, c, base := small(t)
	w.today = "2026-12-31"
	c.Policies = policies("warn until 2027-01-01", 8080, "")
	w.advance(c.write(base))
	stock := w.unit("prod/one/stock")
	if stock.Held() || len(stock.Diags) != 1 || stock.Diags[0].Severity != diag.Warning || !strings.HasSuffix(stock.Diags[0].Message, "from 2027-01-01 on this is an error") {
		t.Errorf("the day before: %v", stock.Diags)
	}
	if w.st.Turned("2026-12-31") || !w.st.Turned("2027-01-01") {
		t.Error("the fleet does not know when it turns")
	}
	w.today = "2027-01-01"
	if _, delta := w.step(w.es, w.st); delta.Evaluations != 0 || delta.Judged != 0 || delta.Looked > 3 {
		t.Errorf("a new day: %+v", delta)
	}
	if !w.unit("prod/one/stock").Held() || w.unit("prod/one/front").Held() {
		t.Error("on the day stock is held and front is not")
	}
	w.today = "2026-12-31"
	c.Policies = policies("deny", 8080, "2027-01-01")
	w.advance(c.write(base))
	if u := w.unit("prod/one/stock"); u.Held() || len(u.Diags) > 0 {
		t.Errorf("excepted: %v", u.Diags)
	}
	w.today = "2027-01-01"
	if _, delta := w.step(w.es, w.st); delta.Evaluations != 0 || delta.Judged != 0 {
		t.Errorf("the exception ends: %+v", delta)
	}
	if !w.unit("prod/one/stock").Held() {
		t.Error("the exception has ended and counts still")
	}
	if diff := w.compareWithFull(); diff != "" {
		t.Errorf("turned and made anew differ\n%s", diff)
	}
}

// A policy that cannot be evaluated, or loops, or takes all memory, is its owner's
// mistake. It holds what it is for, and deletes nothing.
func TestBrokenPolicyHoldsAndDeletesNothing(t *testing.T) {
	long := `"\(in.service.http.port)"`
	bombs := map[string]string{
		"does not parse":      "package policies\n\nports: {",
		"does not type":       rule("sometimes", "in: service: http?: port: <=8080"),
		"no rule":             strings.Replace(rule("deny", ""), "\trule: {}\n", "", 1),
		"example that lies":   rule("deny", "in: service: http?: port: <=70000"),
		"another field":       strings.Replace(rule("deny", "in: service: http?: port: <=8080"), "\nports:", "\nother:", 1),
		"loops":               rule("deny", `in: service: http?: port: int, #l: {next: #l}, mistakes: [for k, v in #l {message: k}]`),
		"needs what it lacks": rule("deny", `in: service: name?: string, mistakes: [if in.service.tier == "critical" {message: `+long+`}]`),
	}
	for name, text := range bombs {
		t.Run(name, func(t *testing.T) { holdsAll(t, text) })
	}
	t.Run("explodes", func(t *testing.T) {
		if testing.Short() {
			t.Skip("takes as long as an evaluation may")
		}
		// Its examples are small, and what it judges is not.
		holdsAll(t, "package policies\n\nimport (\n\t\"list\"\n\t\"fairway.dev/schema\"\n)\n\n"+strings.SplitN(strings.SplitN(rule("deny",
			`in: service: {name?: string, http?: port: int}, let l = list.Range(0, [if in.service.name != _|_ {3000}, 1][0], 1), mistakes: [for a in l for b in l for c in l if a+b+c < 0 {message: "never"}, if in.service.http.port > 9000 {message: "is high"}]`),
			"\n\n", 3)[2], "\x00", 2)[0])
	})
}

// holdsAll wants every service's unit held by a policy, nothing removed, and all
// of it back as it was when the policy is gone.
func holdsAll(t *testing.T, text string) {
	w, c, base := small(t)
	before := w.digests()
	c.Policies = map[string]string{"platform/policies/ports.cue": text}
	_, delta := w.advance(c.write(base))
	if len(delta.Removed) > 0 {
		t.Errorf("units went: %v", delta.Removed)
	}
	for key := range before {
		if service := !strings.Contains(key, "/team."); w.unit(key).Held() != service {
			t.Errorf("%s: held %v", key, !service)
		}
	}
	diags := look(w.es, w.st).Diags
	if len(diags) == 0 || diags[0].Pos.File != "platform/policies/ports.cue" {
		t.Fatalf("it is not said where: %v", diags)
	}
	if strings.Contains(text, "\nports:") && strings.Contains(text, "platform-leads") && !strings.Contains(diags[0].Hint, "platform-leads") {
		t.Errorf("it is not said who mends it: %s", diags[0].Hint)
	}
	t.Logf("%s: %s (%s)", diags[0].Pos, diags[0].Message, diags[0].Hint)
	c.Policies = nil
	w.advance(c.write(base))
	for key, digest := range w.digests() {
		if digest != before[key] {
			t.Errorf("%s is not what it was", key)
		}
	}
}
