package eval

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/git"
)

// Policy is a policy that can be asked about.
type Policy struct {
	Name string
	// Digest identifies all that its judgements depend on beside what is judged.
	Digest string
	rule   protocol.Rule
}

// Policies are the policies of a state that evaluate, by name, with what makes
// their judgements differ: their files, what those import, and the engine.
func (e *Evaluator) Policies(st *State) ([]Policy, error) {
	var out []Policy
	for _, name := range sortedKeys(st.Catalog.Policies) {
		declared := st.Catalog.Policies[name]
		if declared.Broken() {
			continue
		}
		text, err := st.Tree.ReadFile(declared.Source)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", declared.Source, err)
		}
		ent := st.entries[declared.Source]
		out = append(out, e.policyOf(st.platform, ent.place, ent.result.Imports, string(text)))
	}
	return out, nil
}

func (e *Evaluator) policyOf(p platform, pl place, imports []string, text string) Policy {
	closure := p.closure(protocol.Policy, imports)
	digest := cache.KeyOf("policy", e.Engine, text, string(closure[:]))
	return Policy{
		Name: pl.name(), Digest: hex.EncodeToString(digest[:8]),
		rule: protocol.Rule{Name: pl.name(), Dir: pl.dir, File: pl.file, Text: text},
	}
}

// Subject is what policies judge: a unit, as it was asked for and rendered.
type Subject struct {
	UnitQuestion
	// Output is read only where something has to be judged.
	Output func(context.Context) (Output, error)
}

// known is what is kept of a unit's judgements, by the policies' digests.
type known map[string][]protocol.Violation

const keptJudgements = "judgements 1"

// Judge holds a unit that renders against policies. What was judged before is
// kept beside the rendering, so that a policy that changes is judged alone, and
// a unit that changes alone. Asked is how many policies a worker had to be asked.
func (e *Evaluator) Judge(ctx context.Context, key cache.Key, policies []Policy, s Subject) (out []protocol.Judgement, asked int, err error) {
	kept := known{}
	e.Recall(key, keptJudgements, &kept)
	var missing []Policy
	now := known{}
	for _, p := range policies {
		if v, ok := kept[p.Digest]; ok {
			now[p.Digest] = v
			out = append(out, protocol.Judgement{Policy: p.Name, Violations: v})
			continue
		}
		missing = append(missing, p)
	}
	if len(missing) == 0 {
		return out, 0, nil
	}
	output, err := s.Output(ctx)
	if err != nil {
		return nil, 0, err
	}
	judged, err := e.ask(ctx, missing, protocol.Judge{Input: s.Input, Objects: output.Objects})
	if err != nil {
		return nil, 0, err
	}
	for i, j := range judged {
		if out = append(out, j); j.Fault == nil {
			now[missing[i].Digest] = j.Violations
		}
	}
	e.Keep(key, keptJudgements, now)
	return out, len(missing), nil
}

// JudgePlan holds a unit's plan against policies. Nothing of it is kept: what is
// live is another thing each time.
func (e *Evaluator) JudgePlan(ctx context.Context, policies []Policy, input, plan []byte) ([]protocol.Judgement, error) {
	return e.ask(ctx, policies, protocol.Judge{Input: input, Plan: plan})
}

// TimeJudging judges without regard to what was judged before, and takes the time
// of each policy.
func (e *Evaluator) TimeJudging(ctx context.Context, policies []Policy, input []byte, objects []json.RawMessage) ([]protocol.Judgement, error) {
	return e.ask(ctx, policies, protocol.Judge{Input: input, Objects: objects, Times: true})
}

// ask asks about all policies at once. Where that ends the worker it is found out
// which of them it was, by asking about each alone.
func (e *Evaluator) ask(ctx context.Context, policies []Policy, q protocol.Judge) ([]protocol.Judgement, error) {
	q.Rules = make([]protocol.Rule, len(policies))
	for i, p := range policies {
		q.Rules[i] = p.rule
	}
	a, err := e.Pool.ask(ctx, protocol.Question{Judge: &q})
	if err != nil {
		return nil, err
	}
	if len(a.Faults) == 0 {
		return a.Judged, nil
	}
	if len(policies) == 1 {
		return []protocol.Judgement{{Policy: policies[0].Name, Fault: &a.Faults[0]}}, nil
	}
	var out []protocol.Judgement
	for i := range policies {
		one, err := e.ask(ctx, policies[i:i+1], q)
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}

// Candidate is a policy that is not in the tree, or not so.
type Candidate struct {
	Policy
	Declared *catalog.Policy
}

// Candidate evaluates a policy's text as if it stood in the tree. The second
// result is what is wrong with it.
func (e *Evaluator) Candidate(ctx context.Context, st *State, name, text string) (*Candidate, diag.List, error) {
	pl := guardrail(protocol.Policy, policiesDir, name+".cue")
	ent := &entry{place: pl}
	a, err := e.Pool.ask(ctx, protocol.Question{Declare: &protocol.Declare{
		Kind: pl.kind, Dir: pl.dir, Field: pl.field, Files: map[string]string{pl.file: text},
	}})
	if err != nil {
		return nil, nil, fmt.Errorf("evaluate policy %s: %w", name, err)
	}
	ent.result = result{Imports: a.Imports, Data: a.Data, Positions: catalog.PackPositions(a.Positions), Faults: a.Faults}
	if ent.diags = ent.check(e.finder()); len(ent.diags) > 0 {
		return nil, ent.diags, nil
	}
	cat := catalog.New()
	ent.put(cat)
	return &Candidate{Policy: e.policyOf(st.platform, pl, a.Imports, text), Declared: cat.Policies[name]}, nil, nil
}

// Guardrails evaluates the policies and exceptions of a tree and nothing else of it.
func (e *Evaluator) Guardrails(ctx context.Context, tree *git.Tree) (*catalog.Catalog, diag.List, error) {
	platform, err := e.loadPlatform(ctx, tree)
	if err != nil {
		return nil, nil, err
	}
	places := map[string]place{}
	for _, dir := range []string{policiesDir, exceptionsDir} {
		entries, err := tree.ReadDir(dir)
		if err != nil && !errors.Is(err, git.ErrNotFound) {
			return nil, nil, fmt.Errorf("list guardrails: %w", err)
		}
		for _, f := range entries {
			if p, ok := placeOf(path.Join(dir, f.Name)); ok {
				places[p.source()] = p
			}
		}
	}
	found, _, err := e.evaluateAll(ctx, tree, platform, places)
	if err != nil {
		return nil, nil, err
	}
	st, delta := NewState(), Delta{}
	for source, ent := range found {
		st.commit(source, ent, &delta)
	}
	return st.Catalog, st.Diags().Sorted(), nil
}
