package render

import (
	"context"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/policy"
)

// JudgePlan holds what would be done to a unit's live objects against the policies
// on plans. A worker is asked only where one is for the unit's environment.
func (r *Renderer) JudgePlan(ctx context.Context, st *State, es *eval.State, key catalog.UnitKey, input []byte) (diag.List, error) {
	if _, team := key.Team(); team || st.Units[key] == nil {
		return nil, nil
	}
	b, err := r.bench(es)
	if err != nil {
		return nil, err
	}
	var policies []eval.Policy
	for _, p := range b.policies {
		if es.Catalog.Policies[p.Name].Subject == "plan" {
			policies = append(policies, p)
		}
	}
	if len(policies) == 0 {
		return nil, nil
	}
	a, err := r.ask(st, es, key)
	if err != nil || len(a.diags) > 0 {
		return a.diags, err
	}
	judged, err := r.Evaluator.JudgePlan(ctx, policies, a.question.Input, input)
	if err != nil {
		return nil, fmt.Errorf("judge the plan of %s: %w", key, err)
	}
	var list diag.List
	for _, j := range judged {
		if j.Fault != nil {
			list = append(list, undecided(es.Catalog, key, j))
		}
	}
	findings, _ := policy.Decide(es.Catalog, key, judged, b.today)
	for _, f := range findings {
		if f.Exception == nil {
			list = append(list, Said(es.Catalog, key, f))
		}
	}
	return list, nil
}
