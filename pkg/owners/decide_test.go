package owners

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
)

const now, before = "now", "before"

// ruled is the company with rules, which stand in lines of their own.
func ruled(rules map[string]catalog.Approval) *catalog.Catalog {
	cat := company()
	for name, rule := range rules {
		rule.Declared = declared(name, "platform/approvals/"+name+".cue")
		at := map[string]diag.Position{}
		for i := range rule.By {
			at[fmt.Sprintf("by.%d", i)] = diag.Position{File: rule.Source, Line: 8 + i, Column: 3}
		}
		rule.Positions, rule.Why = catalog.PackPositions(at), "It is "+name+"."
		cat.Approvals[name] = &rule
	}
	return cat
}

// usual are rules as a company has them.
func usual() map[string]catalog.Approval {
	rank := 20
	return map[string]catalog.Approval{
		"production": {When: catalog.Touching{Environments: []string{"prod"}}, By: []catalog.Approvers{{Count: 1, Touched: true, Members: true, Otherwise: "platform"}}},
		"guarded":    {When: catalog.Touching{Deletions: "guarded", Rank: &rank}, By: []catalog.Approvers{{Count: 1, Touched: true, Otherwise: "platform"}, {Count: 1, Team: "platform"}}},
		"guardrails": {When: catalog.Touching{Parts: []string{"policy", "approval", "signing"}}, By: []catalog.Approvers{{Count: 2, Team: "platform", Members: true}}},
		"exceptions": {When: catalog.Touching{Parts: []string{"exception"}}, By: []catalog.Approvers{{Count: 1, Team: "platform"}, {Count: 1, Handles: []string{"security-leads", "Sam"}}}},
		"volumes":    {When: catalog.Touching{Kinds: []string{"PersistentVolumeClaim"}, Teams: []string{"shop"}, Deletions: "any"}, By: []catalog.Approvers{{Count: 2, Team: "shop"}}},
	}
}

// approval is somebody's of the present digest.
func approval(login string, groups ...string) Approval {
	return Approval{Login: login, Groups: groups, Digest: now}
}

func lines(d Decision) []string {
	out := slices.Clone(d.Unknown)
	for _, a := range d.Asks {
		out = append(out, a.String())
	}
	for _, i := range d.Ignored {
		out = append(out, "ignored: "+i.Login+" "+i.Why)
	}
	return out
}

// TestDecisions is the table that people read.
func TestDecisions(t *testing.T) {
	deploy := Object{Team: "shop", Environment: "prod", Kind: "Deployment.apps"}
	volume := Object{Team: "shop", Environment: "staging", Kind: "PersistentVolumeClaim", Deleted: true, Guarded: true}
	for _, c := range []struct {
		name  string
		facts Facts
		given []Approval
		want  []string
		ok    bool
	}{
		{"nothing that a rule is for", Facts{Objects: []Object{{Team: "shop", Environment: "dev", Kind: "Deployment.apps"}}, Paths: []string{"teams/shop/cart/service.cue"}}, nil, nil, true},
		{
			"production, nobody yet", Facts{Objects: []Object{deploy, deploy}}, nil,
			[]string{"platform/approvals/production.cue:8:3: production: 0 of 1 people of team shop (shop-leads, @Zoe, shop-developers), as it changes Deployment.apps of shop in prod"}, false,
		},
		{
			"production, a member", Facts{Objects: []Object{deploy}}, []Approval{approval("Ann", "shop-developers", "others")},
			[]string{"platform/approvals/production.cue:8:3: production: 1 of 1 people of team shop (shop-leads, @Zoe, shop-developers) (@ann), as it changes Deployment.apps of shop in prod"}, true,
		},
		{
			"production, an owner by name, before it changed", Facts{Objects: []Object{deploy}}, []Approval{{Login: "zoe", Digest: before}},
			[]string{
				"platform/approvals/production.cue:8:3: production: 0 of 1 people of team shop (shop-leads, @Zoe, shop-developers), as it changes Deployment.apps of shop in prod",
				"ignored: zoe approved something else: the change does another thing now",
			}, false,
		},
		{
			"production, again after it changed", Facts{Objects: []Object{deploy}}, []Approval{{Login: "zoe", Digest: before}, approval("Zoe")},
			[]string{"platform/approvals/production.cue:8:3: production: 1 of 1 people of team shop (shop-leads, @Zoe, shop-developers) (@zoe), as it changes Deployment.apps of shop in prod"}, true,
		},
		{
			"production, by who made it", Facts{Objects: []Object{deploy}, Authors: []string{"@ZOE"}}, []Approval{approval("zoe")},
			[]string{
				"platform/approvals/production.cue:8:3: production: 0 of 1 people of team shop (shop-leads, @Zoe, shop-developers), as it changes Deployment.apps of shop in prod",
				"ignored: zoe made the change",
			}, false,
		},
		{
			"production, a file and not what it does", Facts{Paths: []string{"environments/prod/releases/pay/a.cue"}}, []Approval{approval("ann", "shop-leads")},
			[]string{"platform/approvals/production.cue:8:3: production: 0 of 1 people of team pay (acme/pay-leads, pay-developers), as it changes environments/prod/releases/pay/a.cue"}, false,
		},
		{
			"production, of two teams and a new one and of none", Facts{
				Objects: []Object{deploy, {Team: "pay", Environment: "prod", Kind: "Job.batch"}, {Team: "new", Environment: "prod", Kind: "Job.batch"}, {Environment: "prod", Kind: "StorageClass.storage.k8s.io"}},
			}, []Approval{approval("pat", "ACME/Pay-Leads"), approval("ann", "shop-leads")},
			[]string{
				"platform/approvals/production.cue:8:3: production: 1 of 1 people of team pay (acme/pay-leads, pay-developers) (@pat), as it changes Job.batch of pay in prod",
				"platform/approvals/production.cue:8:3: production: 0 of 1 people of team platform (platform-leads, platform-developers), as it changes StorageClass.storage.k8s.io in prod, changes Job.batch of new in prod",
				"platform/approvals/production.cue:8:3: production: 1 of 1 people of team shop (shop-leads, @Zoe, shop-developers) (@ann), as it changes Deployment.apps of shop in prod",
			}, false,
		},
		{
			"a volume goes: members do not count, and one person of two groups counts in both", Facts{Objects: []Object{volume}},
			[]Approval{approval("max", "shop-leads", "platform-leads"), approval("dev", "shop-developers", "platform-developers")},
			[]string{
				"platform/approvals/guarded.cue:8:3: guarded: 1 of 1 owners of team shop (shop-leads, @Zoe) (@max), as it deletes guarded PersistentVolumeClaim of shop in staging",
				"platform/approvals/guarded.cue:9:3: guarded: 1 of 1 owners of team platform (platform-leads) (@max), as it deletes guarded PersistentVolumeClaim of shop in staging",
				"platform/approvals/volumes.cue:8:3: volumes: 1 of 2 owners of team shop (shop-leads, @Zoe) (@max), as it deletes guarded PersistentVolumeClaim of shop in staging",
			}, false,
		},
		{
			"a guarded deletion in an environment that is not there yet", Facts{Objects: []Object{{Team: "pay", Environment: "new", Kind: "Namespace", Deleted: true, Guarded: true}}}, []Approval{approval("p", "platform-leads")},
			[]string{
				"platform/approvals/guarded.cue:8:3: guarded: 0 of 1 owners of team pay (acme/pay-leads), as it deletes guarded Namespace of pay in new",
				"platform/approvals/guarded.cue:9:3: guarded: 1 of 1 owners of team platform (platform-leads) (@p), as it deletes guarded Namespace of pay in new",
			}, false,
		},
		{
			"the rules themselves, twice by one person", Facts{Paths: []string{"platform/approvals/production.cue"}}, []Approval{approval("p", "platform-leads"), approval("P", "platform-developers")},
			[]string{"platform/approvals/guardrails.cue:8:3: guardrails: 1 of 2 people of team platform (platform-leads, platform-developers) (@p), as it changes platform/approvals/production.cue"}, false,
		},
		{
			"many policies", Facts{Paths: []string{"platform/policies/a.cue", "platform/policies/b.cue", "platform/policies/c.cue", "platform/policies/d.cue", "platform/policies/e.cue"}},
			[]Approval{approval("p", "platform-leads"), approval("q", "platform-developers")},
			[]string{"platform/approvals/guardrails.cue:8:3: guardrails: 2 of 2 people of team platform (platform-leads, platform-developers) (@p @q), as it changes platform/policies/a.cue, changes platform/policies/b.cue, changes platform/policies/c.cue and 2 more"}, true,
		},
		{
			"an exception, by a group and by a person", Facts{Paths: []string{"platform/exceptions/a.cue"}}, []Approval{approval("sam"), approval("p", "platform-leads")},
			[]string{
				"platform/approvals/exceptions.cue:8:3: exceptions: 1 of 1 owners of team platform (platform-leads) (@p), as it changes platform/exceptions/a.cue",
				"platform/approvals/exceptions.cue:9:3: exceptions: 1 of 1 of security-leads, Sam (@sam), as it changes platform/exceptions/a.cue",
			}, true,
		},
		{"a deletion that needs no consent", Facts{Objects: []Object{{Team: "pay", Environment: "staging", Kind: "Job.batch", Deleted: true}}}, nil, nil, true},
		{"a deletion in an environment of lower rank", Facts{Objects: []Object{{Team: "pay", Environment: "dev", Kind: "Namespace", Deleted: true, Guarded: true}}}, nil, nil, true},
		{
			"production, by nobody in particular", Facts{Objects: []Object{deploy}}, []Approval{approval("", "shop-leads")},
			[]string{"platform/approvals/production.cue:8:3: production: 0 of 1 people of team shop (shop-leads, @Zoe, shop-developers), as it changes Deployment.apps of shop in prod"}, false,
		},
		{"an effect that is not known", Facts{Unknown: []string{"cluster eu does not answer"}}, nil, []string{"cluster eu does not answer"}, false},
	} {
		c.facts.Digest = now
		d := Decide(ruled(usual()), c.facts, c.given)
		if diff := cmp.Diff(c.want, lines(d)); diff != "" || d.Satisfied() != c.ok {
			t.Errorf("%s: satisfied %v, want %v (-want +got):\n%s", c.name, d.Satisfied(), c.ok, diff)
		}
	}
}

// TestUndecided: without a digest nothing counts, also not what has none either;
// a rule that does not evaluate leaves everything undecided; a team that is not
// declared has nobody to approve for it.
func TestUndecided(t *testing.T) {
	facts := Facts{Objects: []Object{{Team: "shop", Environment: "prod", Kind: "Job.batch"}}}
	d := Decide(ruled(usual()), facts, []Approval{{Login: "ann", Groups: []string{"shop-leads"}}})
	if d.Satisfied() || len(d.Unknown) != 1 || len(d.Asks) != 1 || len(d.Asks[0].Given) != 0 {
		t.Errorf("without a digest: %+v", d)
	}
	if d := Decide(ruled(nil), Facts{}, nil); d.Satisfied() {
		t.Error("without a digest and without rules it is satisfied")
	}
	if d := Decide(ruled(nil), Facts{Digest: now}, nil); !d.Satisfied() {
		t.Error("without rules something is asked")
	}
	cat := ruled(usual())
	cat.Approvals["volumes"].Data = nil
	if d := Decide(cat, Facts{Digest: now}, nil); d.Satisfied() || !strings.Contains(d.Unknown[0], "platform/approvals/volumes.cue does not evaluate") {
		t.Errorf("with a broken rule: %+v", d)
	}
	cat = ruled(usual())
	cat.Environments["dev"].Data, cat.Environments["dev"].Rank = nil, 0
	gone := Facts{Digest: now, Objects: []Object{{Team: "pay", Environment: "dev", Kind: "Namespace", Deleted: true, Guarded: true}}}
	if d := Decide(cat, gone, nil); d.Satisfied() || len(d.Asks) != 2 {
		t.Errorf("in an environment of which nobody can say the rank: %+v", d)
	}
	cat = ruled(map[string]catalog.Approval{"lost": {By: []catalog.Approvers{{Count: 1, Team: "gone"}}}})
	facts.Digest = now
	if d := Decide(cat, facts, []Approval{approval("gone"), approval("a", "", "@")}); d.Satisfied() || !strings.Contains(d.Asks[0].String(), "which is not declared") {
		t.Errorf("of a team that is gone: %+v", lines(d))
	}
	cat.Teams["gone"] = &catalog.Team{Declared: declared("gone", "x")}
	if d := Decide(cat, facts, []Approval{approval("gone"), approval("", ""), approval("a", "")}); d.Satisfied() {
		t.Errorf("of a team without owners: %+v", lines(d))
	}
}

func TestPartsOfTheRepository(t *testing.T) {
	for file, want := range map[string]touch{
		"teams/shop/team.cue":                    {part: PartTeam, Object: Object{Team: "shop"}},
		"teams/shop/cart/service.cue":            {part: PartService, Object: Object{Team: "shop"}},
		"teams/shop/cart/team.cue":               {part: PartService, Object: Object{Team: "shop"}},
		"teams/shop/cart/files/a":                {part: PartService, Object: Object{Team: "shop"}},
		"environments/prod/environment.cue":      {part: PartEnvironment, Object: Object{Environment: "prod"}},
		"environments/prod/releases/x.cue":       {part: PartEnvironment, Object: Object{Environment: "prod"}},
		"environments/prod/releases/shop/x.cue":  {part: PartRelease, Object: Object{Environment: "prod", Team: "shop"}},
		"platform/clusters/eu/cluster.cue":       {part: PartCluster},
		"platform/policies/a.cue":                {part: PartPolicy},
		"platform/exceptions/a.cue":              {part: PartException},
		"platform/approvals/a.cue":               {part: PartApproval},
		"platform/signing/signing.cue":           {part: PartSigning},
		"platform/parts/a.cue":                   {part: PartPlatform},
		"platform/a.cue":                         {part: PartPlatform},
		"schema/team.cue":                        {part: PartPlatform},
		"cue.mod/module.cue":                     {part: PartPlatform},
		"README.md":                              {part: PartOther},
		"docs/platform/policies/a.md":            {part: PartOther},
		"teams":                                  {part: PartOther},
		"teams/x/../../platform/policies/b.cue":  {part: PartPolicy, file: "platform/policies/b.cue"},
		"../platform/policies/a.cue":             {part: PartOther},
		"platform/policies/../clusters/eu/c.cue": {part: PartCluster, file: "platform/clusters/eu/c.cue"},
	} {
		if want.file == "" {
			want.file = file
		}
		if got := touchOf(file); got != want {
			t.Errorf("%s: %+v, want %+v", file, got, want)
		}
	}
}

// people are all there are in the exhaustive tests: each approves not, before the
// last change, or now.
func people() []Approval {
	return []Approval{
		{Login: "author", Groups: []string{"shop-leads", "platform-leads", "security-leads"}},
		{Login: "ann", Groups: []string{"shop-leads"}},
		{Login: "zoe"},
		{Login: "max", Groups: []string{"shop-leads", "platform-leads"}},
		{Login: "pia", Groups: []string{"platform-developers"}},
		{Login: "sam"},
		{Login: "eve", Groups: []string{"nobody"}},
	}
}

// things are what a change may touch in the exhaustive tests.
func things() []Facts {
	return []Facts{
		{Objects: []Object{{Team: "shop", Environment: "prod", Kind: "Deployment.apps"}}},
		{Objects: []Object{{Team: "shop", Environment: "staging", Kind: "PersistentVolumeClaim", Deleted: true, Guarded: true}}},
		{Objects: []Object{{Team: "new", Environment: "prod", Kind: "Job.batch"}}},
		{Paths: []string{"platform/policies/a.cue"}},
		{Paths: []string{"platform/exceptions/a.cue"}},
	}
}

// asked is the decision table, written out: for each thing, by which rule and of
// whom how many must approve.
func asked() [][]need {
	shop, platform := []string{"ann", "zoe", "max"}, []string{"max"}
	return [][]need{
		{{"production", 1, shop}},
		{{"guarded", 1, shop}, {"guarded", 1, platform}, {"volumes", 2, shop}},
		{{"production", 1, []string{"max", "pia"}}},
		{{"guardrails", 2, []string{"max", "pia"}}},
		{{"exceptions", 1, platform}, {"exceptions", 1, []string{"sam"}}},
	}
}

type need struct {
	rule  string
	count int
	of    []string
}

// TestEveryDecision goes through all combinations of what is touched and of who
// approved when, and holds each to the table. So an author never counts, nor does
// who approved something else; each rule has its own count of different people, by
// whatever others are satisfied; and one more approval never makes it worse.
func TestEveryDecision(t *testing.T) {
	cat, all, parts, table := ruled(usual()), people(), things(), asked()
	states := 1
	for range all {
		states *= 3
	}
	decided := 0
	for touched := range 1 << len(parts) {
		facts := Facts{Digest: now, Authors: []string{"author"}}
		var needs []need
		for i, part := range parts {
			if touched&(1<<i) != 0 {
				facts.Objects, facts.Paths = append(facts.Objects, part.Objects...), append(facts.Paths, part.Paths...)
				needs = append(needs, table[i]...)
			}
		}
		met := make([]bool, states)
		for state := range states {
			given, logins := approvalsOf(all, state)
			d := Decide(cat, facts, given)
			want := !slices.ContainsFunc(needs, func(n need) bool { return among(n.of, logins) < n.count })
			if d.Satisfied() != want {
				t.Fatalf("touched %05b, approved by %v: satisfied %v, want %v\n%s", touched, logins, d.Satisfied(), want, strings.Join(lines(d), "\n"))
			}
			checkAsks(t, d, needs, logins)
			met[state] = d.Satisfied()
			decided++
		}
		monotone(t, met, len(all))
	}
	t.Logf("%d decisions", decided)
}

// approvalsOf reads a state in base three: a digit each says whether somebody
// approved not, before, or now.
func approvalsOf(all []Approval, state int) (given []Approval, current []string) {
	for _, who := range all {
		switch state % 3 {
		case 1:
			who.Digest = before
			given = append(given, who)
		case 2:
			who.Digest = now
			given = append(given, who)
			current = append(current, who.Login)
		}
		state /= 3
	}
	return given, current
}

func among(of, logins []string) int {
	n := 0
	for _, who := range of {
		if slices.Contains(logins, who) {
			n++
		}
	}
	return n
}

// checkAsks holds each rule's asks to the table, so that none is met by what
// another was given.
func checkAsks(t *testing.T, d Decision, needs []need, logins []string) {
	t.Helper()
	count := func(rule string, want []need) map[string]int {
		out := map[string]int{}
		for _, n := range want {
			if n.rule == rule {
				out[fmt.Sprint(max(n.count-among(n.of, logins), 0), " of ", n.count)]++
			}
		}
		return out
	}
	got := map[string]map[string]int{}
	for _, a := range d.Asks {
		if got[a.Rule] == nil {
			got[a.Rule] = map[string]int{}
		}
		got[a.Rule][fmt.Sprint(a.Missing(), " of ", a.Count)]++
		if slices.Contains(a.Given, "author") || slices.Contains(a.Given, "eve") {
			t.Fatalf("%s counts one who may not", a)
		}
		if len(slices.Compact(slices.Sorted(slices.Values(a.Given)))) != len(a.Given) {
			t.Fatalf("%s counts somebody twice", a)
		}
		if a.Pos.Line == 0 || a.Why == "" || len(a.Because) == 0 {
			t.Fatalf("%s does not say where or why", a)
		}
	}
	for rule := range got {
		if want := count(rule, needs); !maps.Equal(want, got[rule]) {
			t.Fatalf("%s, approved by %v: %v, want %v", rule, logins, got[rule], want)
		}
	}
}

// monotone: from each state, somebody who has not approved now may do so without
// making it worse.
func monotone(t *testing.T, met []bool, people int) {
	t.Helper()
	for state := range met {
		for who, place := 0, 1; who < people; who, place = who+1, place*3 {
			digit := state / place % 3
			if more := state + (2-digit)*place; met[state] && !met[more] {
				t.Fatalf("state %d is satisfied, and %d with one more approval is not", state, more)
			}
		}
	}
}

// TestRandomRules: over random rules and facts, a decision does not depend on the
// order of anything; another approval, or a rule less, never makes it worse; the
// authors' approvals never matter; and each ask has so many different people, or
// says that it has not.
func TestRandomRules(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 4000 {
		cat, facts, given := ruled(randomRules(r)), randomFacts(r), randomApprovals(r)
		d := Decide(cat, facts, given)
		shuffled := slices.Clone(given)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		other := facts
		other.Objects, other.Paths = slices.Clone(facts.Objects), slices.Clone(facts.Paths)
		slices.Reverse(other.Objects)
		slices.Reverse(other.Paths)
		if diff := cmp.Diff(d, Decide(cat, other, shuffled)); diff != "" {
			t.Fatalf("another order (-this +that):\n%s", diff)
		}
		without := slices.DeleteFunc(slices.Clone(given), func(a Approval) bool { return plain(a.Login) == "author" })
		if diff := cmp.Diff(d.Asks, Decide(cat, facts, without).Asks); diff != "" {
			t.Fatalf("without the author's approval (-with +without):\n%s", diff)
		}
		more := append(slices.Clone(given), randomApprovals(r)...)
		if better := Decide(cat, facts, more); missing(better) > missing(d) || d.Satisfied() && !better.Satisfied() {
			t.Fatalf("more approvals made it worse:\n%s\n%s", strings.Join(lines(d), "\n"), strings.Join(lines(better), "\n"))
		}
		for name := range cat.Approvals {
			fewer := *cat
			fewer.Approvals = maps.Clone(cat.Approvals)
			delete(fewer.Approvals, name)
			if d.Satisfied() && !Decide(&fewer, facts, given).Satisfied() {
				t.Fatalf("without the rule %s it is not satisfied", name)
			}
		}
	}
}

func missing(d Decision) int {
	n := 0
	for _, a := range d.Asks {
		n += a.Missing()
	}
	return n
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func randomRules(r *rand.Rand) map[string]catalog.Approval {
	rules := map[string]catalog.Approval{}
	for i := range r.IntN(5) {
		var rule catalog.Approval
		if r.IntN(2) == 0 {
			rule.When.Environments = []string{pick(r, "dev", "prod")}
		}
		if r.IntN(3) == 0 {
			rank := pick(r, 0, 20, 30)
			rule.When.Rank = &rank
		}
		if r.IntN(3) == 0 {
			rule.When.Parts = []string{pick(r, "policy", "release", "service"), "exception"}
		}
		rule.When.Deletions = pick(r, "", "", "any", "guarded")
		for range 1 + r.IntN(2) {
			by := catalog.Approvers{Count: 1 + r.IntN(3), Members: r.IntN(2) == 0, Otherwise: "platform"}
			switch r.IntN(3) {
			case 0:
				by.Team = pick(r, "shop", "pay", "platform", "gone")
			case 1:
				by.Touched = true
			default:
				by.Handles = []string{pick(r, "sam", "security-leads"), "zoe"}
			}
			rule.By = append(rule.By, by)
		}
		rules[fmt.Sprint("rule-", i)] = rule
	}
	return rules
}

func randomFacts(r *rand.Rand) Facts {
	f := Facts{Digest: now, Authors: []string{"Author"}}
	for range r.IntN(4) {
		o := Object{Team: pick(r, "", "shop", "pay", "new"), Environment: pick(r, "", "dev", "prod", "new"), Kind: pick(r, "Job.batch", "Namespace")}
		o.Deleted = r.IntN(2) == 0
		o.Guarded = o.Deleted && r.IntN(2) == 0
		f.Objects = append(f.Objects, o)
	}
	for range r.IntN(4) {
		f.Paths = append(f.Paths, pick(r, "teams/shop/a/b.cue", "environments/prod/releases/pay/a.cue", "platform/policies/a.cue", "platform/exceptions/a.cue", "README.md"))
	}
	return f
}

func randomApprovals(r *rand.Rand) []Approval {
	var out []Approval
	for range r.IntN(6) {
		who := pick(r, append(people(), Approval{Login: "AUTHOR"}, Approval{Login: "@Zoe"}, Approval{Groups: []string{"shop-leads"}})...)
		who.Digest = pick(r, now, now, before, "")
		out = append(out, who)
	}
	return out
}
