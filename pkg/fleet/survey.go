package fleet

import (
	"context"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/render"
)

// Survey holds the fleet against its policies.
func (f *Fleet) Survey(ctx context.Context) (render.Survey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.renderer.Survey(ctx, f.units, f.declared, nil)
}

// WhatIf holds the fleet against a policy that is not in force, given by its name
// and text. Diags are what is wrong with the policy itself; then nothing is judged.
func (f *Fleet) WhatIf(ctx context.Context, name, text string) (*eval.Candidate, render.Survey, diag.List, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	candidate, diags, err := f.evaluator.Candidate(ctx, f.declared, name, text)
	if err != nil || len(diags) > 0 {
		return nil, render.Survey{}, diags, err
	}
	s, err := f.renderer.Survey(ctx, f.units, f.declared, candidate)
	return candidate, s, nil, err
}

// JudgePlan holds a plan against the policies on plans, and gives it back, held if
// it breaks one. Where there are none, or it only puts things back, it costs nothing.
func (f *Fleet) JudgePlan(ctx context.Context, p plan.Plan) (plan.Plan, error) {
	f.published.RLock()
	judges := f.judgesPlans
	f.published.RUnlock()
	if !judges || !p.Judgeable() {
		return p, nil
	}
	input, err := p.Input()
	if err != nil {
		return p, err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	list, err := f.renderer.JudgePlan(ctx, f.units, f.declared, p.Unit, input)
	if err != nil {
		return p, err
	}
	return p.Broken(list), nil
}
