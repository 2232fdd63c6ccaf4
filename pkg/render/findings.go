package render

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/policy"
)

// Finding is what one unit breaks of a policy, as people read it.
type Finding struct {
	Unit catalog.UnitKey
	Team string
	policy.Finding
	Diag diag.Diag
}

// Survey is a fleet held against policies.
type Survey struct {
	Findings []Finding
	// Judged is how many units were held against them, Not which could not be, as
	// they do not render.
	Judged int
	Not    []catalog.UnitKey
	// Undecided are the mistakes of policies that could not be decided.
	Undecided diag.List
}

// Survey holds all services' units that render against the policies of the
// catalog, or against one that is not in it yet. It changes nothing.
func (r *Renderer) Survey(ctx context.Context, st *State, es *eval.State, candidate *eval.Candidate) (Survey, error) {
	b, err := r.bench(es)
	if err != nil {
		return Survey{}, err
	}
	cat := es.Catalog
	if candidate != nil {
		b.policies = []eval.Policy{candidate.Policy}
		with := *cat
		with.Policies = map[string]*catalog.Policy{candidate.Name: candidate.Declared}
		cat = &with
	}
	var s Survey
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(r.Evaluator.Pool.Workers(), 1))
	for _, key := range slices.SortedFunc(maps.Keys(st.Units), compareKeys) {
		if _, team := key.Team(); team {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found, undecided, ok, err := r.surveyOne(ctx, st, es, cat, key, b)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			if !ok {
				s.Not = append(s.Not, key)
				return
			}
			s.Judged++
			s.Findings, s.Undecided = append(s.Findings, found...), append(s.Undecided, undecided...)
		})
	}
	wg.Wait()
	slices.SortFunc(s.Not, compareKeys)
	slices.SortStableFunc(s.Findings, func(a, b Finding) int { return compareKeys(a.Unit, b.Unit) })
	s.Undecided = s.Undecided.Sorted()
	return s, errors.Join(errs...)
}

func (r *Renderer) surveyOne(ctx context.Context, st *State, es *eval.State, cat *catalog.Catalog, key catalog.UnitKey, b *bench) (found []Finding, wrong diag.List, ok bool, err error) {
	u := *st.Units[key]
	a, err := r.ask(st, es, key)
	if err != nil || len(a.diags) > 0 {
		return nil, nil, false, err
	}
	if err := r.evaluate(ctx, es, key, &a); err != nil || len(a.diags) > 0 {
		return nil, nil, false, err
	}
	judged, err := b.judge(ctx, r, es, &u, &a)
	if err != nil {
		return nil, nil, false, err
	}
	for _, j := range judged {
		if j.Fault != nil {
			wrong = append(wrong, undecided(cat, key, j))
		}
	}
	findings, _ := policy.Decide(cat, key, judged, b.today)
	for _, f := range findings {
		found = append(found, Finding{Unit: key, Team: u.Team, Finding: f, Diag: Said(cat, key, f)})
	}
	return found, wrong, true, nil
}

// Time judges one unit anew, whatever was judged before, and has the time of each
// policy taken. It reports false for a unit that is not judged.
func (r *Renderer) Time(ctx context.Context, st *State, es *eval.State, key catalog.UnitKey) ([]protocol.Judgement, bool, error) {
	if _, team := key.Team(); team {
		return nil, false, nil
	}
	a, err := r.ask(st, es, key)
	if err != nil || len(a.diags) > 0 {
		return nil, false, err
	}
	if err := r.evaluate(ctx, es, key, &a); err != nil || len(a.diags) > 0 {
		return nil, false, err
	}
	policies, err := r.Evaluator.Policies(es)
	if err != nil {
		return nil, false, err
	}
	judged, err := r.Evaluator.TimeJudging(ctx, policies, a.question.Input, a.output.Objects)
	return judged, err == nil, err
}
