package render

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/policy"
)

const (
	// codePolicy marks what breaks a policy, codeUndecided a policy that cannot be
	// decided, which is its owner's mistake.
	codePolicy    = "policy"
	codeUndecided = "policy-undecided"
)

// bench is the policies of one catalog, and which of them have ended a worker.
type bench struct {
	policies []eval.Policy
	// broken are the mistakes of policies that do not evaluate: what they would deny
	// cannot be said, so no service's unit goes on.
	broken diag.List
	today  policy.Day

	mu    sync.Mutex
	kills map[string]int
	asked int
}

// maxKills is how many units a policy may use a whole budget up for, until it is
// not asked about the others.
const maxKills = 2

func (r *Renderer) bench(es *eval.State) (*bench, error) {
	policies, err := r.Evaluator.Policies(es)
	if err != nil {
		return nil, err
	}
	b := &bench{policies: policies, today: r.Today, kills: map[string]int{}}
	for _, p := range es.Catalog.Policies {
		if p.Broken() {
			b.broken = append(b.broken, es.DiagsOf(p.Source)...)
		}
	}
	b.broken = b.broken.Sorted()
	return b, nil
}

// hold judges a unit that renders by the policies, and says what comes of it.
func (r *Renderer) hold(ctx context.Context, es *eval.State, u *Unit, a *attempt, b *bench) error {
	if u.Key.OfCluster() {
		_, u.turns = policy.Rules(es.Catalog, u.Key.Cluster, b.today)
		return nil
	}
	if u.Key.Own() || len(es.Catalog.Policies) == 0 {
		return nil // a team's and a cluster's own unit is the platform's, and has no service; the cluster's carries the policies
	}
	if len(b.broken) > 0 {
		u.Diags = append(u.Diags, standsOn(es, u.Key, b.broken)...)
		return nil
	}
	judged, err := b.judge(ctx, r, es, u, a)
	if err != nil {
		return err
	}
	for _, j := range judged {
		if j.Fault != nil {
			u.Diags = append(u.Diags, undecided(es.Catalog, u.Key, j))
			u.unsettled = u.unsettled || j.Fault.Retry
		}
	}
	findings, next := policy.Decide(es.Catalog, u.Key, judged, b.today)
	u.turns = next
	for _, f := range findings {
		if f.Exception == nil {
			u.Diags = append(u.Diags, Said(es.Catalog, u.Key, f))
		}
	}
	return nil
}

// judge asks about the policies that have ended no worker.
func (b *bench) judge(ctx context.Context, r *Renderer, es *eval.State, u *Unit, a *attempt) ([]protocol.Judgement, error) {
	b.mu.Lock()
	var ask []eval.Policy
	var out []protocol.Judgement
	for _, p := range b.policies {
		if b.kills[p.Name] < maxKills {
			ask = append(ask, p)
			continue
		}
		out = append(out, protocol.Judgement{Policy: p.Name, Fault: &protocol.Fault{
			Code: protocol.CodeKilled, Message: fmt.Sprintf("evaluation was stopped for %d other units and is not tried for this one", maxKills),
		}})
	}
	b.mu.Unlock()
	judged, asked, err := r.Evaluator.Judge(ctx, a.key, ask, eval.Subject{
		UnitQuestion: a.question,
		Output: func(ctx context.Context) (eval.Output, error) {
			if a.output.Objects != nil {
				return a.output, nil
			}
			if output, _, ok := r.Evaluator.Output(a.key); ok {
				return output, nil
			}
			r.Evaluator.Forget(a.key) // its facts are kept and its output is not
			if err := r.evaluate(ctx, es, u.Key, a); err != nil {
				return eval.Output{}, err
			}
			if len(a.diags) > 0 {
				return eval.Output{}, fmt.Errorf("%s does not render any more: %s", u.Key, a.diags[0].Message)
			}
			return a.output, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("judge %s: %w", u.Key, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if asked > 0 {
		b.asked++
	}
	for _, j := range judged {
		if j.Fault != nil && j.Fault.Code == protocol.CodeKilled {
			b.kills[j.Policy]++
		}
	}
	return append(out, judged...), nil
}

// undecided says that a policy could not be decided for a unit: its owner's
// mistake, and the unit stays as it is.
func undecided(cat *catalog.Catalog, key catalog.UnitKey, j protocol.Judgement) diag.Diag {
	p := cat.Policies[j.Policy]
	pos := j.Fault.Pos
	if pos.File != p.Source {
		pos = p.At("rule")
	}
	return diag.Diag{
		Code: codeUndecided, Severity: diag.Error, Pos: pos, Subject: subjectOf(cat, key), Rule: "policies." + j.Policy,
		Message: fmt.Sprintf("policy %s cannot be decided: %s", j.Policy, j.Fault.Message),
		Hint:    fmt.Sprintf("this is for %s to mend, who owns the policy", p.Owner),
	}
}

// Said is what people read of a finding: the line to change first, then the
// policy's, and the smallest change that mends it.
func Said(cat *catalog.Catalog, key catalog.UnitKey, f policy.Finding) diag.Diag {
	d := diag.Diag{
		Code: codePolicy, Severity: f.Severity, Subject: subjectOf(cat, key), Rule: "policies." + f.Policy.Name,
		Pos: place(cat, key, f), Hint: f.Fix, Related: []diag.Related{{Pos: f.Rule, Note: "the rule"}},
	}
	what := strings.TrimPrefix(f.Field, "service.")
	if what == "" {
		what = f.Policy.Field
	}
	d.Message = strings.TrimPrefix(strings.Join([]string{f.Object, what, f.Message}, ": "), ": ")
	d.Message = fmt.Sprintf("%s (in %s): %s", strings.ReplaceAll(d.Message, ": : ", ": "), key.Environment, f.Policy.Title)
	if f.Until != "" {
		d.Message += "; from " + f.Until + " on this is an error"
	}
	return d
}

// place is where what breaks a policy is written, or the service's field that the
// policy says it is about.
func place(cat *catalog.Catalog, key catalog.UnitKey, f policy.Finding) diag.Position {
	root, field, _ := strings.Cut(f.Field, ".")
	service := cat.ServiceIn(key.Environment, key.Service)
	switch root {
	case "service":
		return within(cat, key, field)
	case "release":
		if r := cat.Releases[catalog.ReleaseKey{Environment: key.Environment, Service: key.Service}]; r != nil {
			return r.At(field)
		}
	case "team":
		if service != nil && cat.Teams[service.Team] != nil {
			return cat.Teams[service.Team].At(field)
		}
	case "environment":
		if env := cat.Environments[key.Environment]; env != nil {
			return env.At(field)
		}
	}
	return within(cat, key, f.Policy.Field)
}

// within is where a service's field is written, or what is around it; and the
// service's name where nothing of it is.
func within(cat *catalog.Catalog, key catalog.UnitKey, field string) diag.Position {
	if pos := at(cat, key, field); pos.Line > 1 {
		return pos
	}
	return at(cat, key, "name")
}

// checkGuardrails says what is wrong between policies, exceptions, rules for
// approvals and what they name. There are few of them, and the day is part of it.
func (st *State) checkGuardrails(cat *catalog.Catalog, today policy.Day) {
	for what := range st.checks {
		if what.policy != "" || what.exception != "" || what.approval != "" {
			delete(st.checks, what)
		}
	}
	for name := range cat.Policies {
		if list := cat.CheckPolicy(name); len(list) > 0 {
			st.checks[checked{policy: name}] = list
		}
	}
	for name := range cat.Exceptions {
		if list := cat.CheckException(name, today); len(list) > 0 {
			st.checks[checked{exception: name}] = list
		}
	}
	for name := range cat.Approvals {
		if list := cat.CheckApproval(name); len(list) > 0 {
			st.checks[checked{approval: name}] = list
		}
	}
}

// Turned reports that a day has come on which something is judged otherwise, of a
// fleet that was judged on an earlier one.
func (st *State) Turned(today policy.Day) bool {
	if today == st.today {
		return false
	}
	for key := range st.dated {
		if st.Units[key].turns <= today {
			return true
		}
	}
	return slices.ContainsFunc(st.ends, func(end policy.Day) bool { return end > st.today && end <= today })
}
