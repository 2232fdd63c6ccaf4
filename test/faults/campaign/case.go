// Package campaign is the table of faults: what is done to the daemon, at which
// point of which workload, how often, and whether it came through.
//
// A case is one fault at one step of a workload. Cases of different steps share
// a company: it goes from step to step, and at each step one fault happens,
// what it leads to is judged, and only a company that came through goes on.
package campaign

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
	"github.com/fairway-dev/fairway/test/faults/world"
)

// Case is one fault at one step.
type Case struct {
	// Fault is its line in the table. Example: "F1".
	Fault string
	// Name is the same in every campaign. Example: "found: local patch deployments shop/cart #1: before-send".
	Name string
	// Step is when it happens.
	Step int
	// Rules are in force from before the step until the fault is over.
	Rules []proxy.Rule
	// Fires names the rule that must have acted for the case to count; "" for none.
	Fires string
	// Before and After do what rules cannot: before the step's commit is there,
	// and once it is. Nil for nothing, and for AwaitFault.
	Before, After func(ctx context.Context, r *Run) error
	// Company says what the company must be like; cases with different ones do not share it.
	Company world.Options
	// Allow is what may be done beyond what the step does without faults.
	Allow map[string]oracle.Counts
}

// Run is a case that happens.
type Run struct {
	*world.World
	Case Case
	Ref  *Reference
	Want Expected
	// Random is decided by the case's name and the campaign's seed.
	Random *rand.Rand

	mu     sync.Mutex
	found  []string // what went wrong so far
	missed bool     // the moment for the fault never came
}

// Wrong notes what went wrong. The case goes on, so that everything is found.
func (r *Run) Wrong(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = append(r.found, r.Shared(fmt.Sprintf(format, args...)))
}

// Outcome is what came of a case.
type Outcome struct {
	Fault string `json:"fault"`
	Name  string `json:"case"`
	// Tried is false where the moment for the fault never came.
	Tried    bool     `json:"tried"`
	Diverged []string `json:"diverged,omitempty"`
	// Converged is how long it took from the end of the fault until everything
	// was as it should be.
	Converged time.Duration `json:"converged"`
	// Kills are the daemon's deaths, Deletes the deletions asked for.
	Kills   int `json:"kills,omitempty"`
	Deletes int `json:"deletes,omitempty"`
}

// run has a case happen to a company that has come through all steps before.
func (r *Run) run(ctx context.Context) (Outcome, error) {
	out := Outcome{Fault: r.Case.Fault, Name: r.Case.Name}
	from, err := r.Now()
	if err != nil {
		return out, err
	}
	starts := r.Daemon.Starts()
	if err := r.happen(ctx); err != nil {
		return out, err
	}
	out.Tried = !r.missed && (r.Case.Fires == "" || len(r.Rules.Fired(r.Case.Fires)) > 0)
	over := time.Now()
	if err := r.recover(ctx); err != nil {
		return out, err
	}
	out.Converged, out.Kills = time.Since(over), r.Daemon.Starts()-starts
	requests, err := r.judge(ctx, from)
	out.Deletes, out.Diverged = len(oracle.Deletions(requests)), r.found
	return out, err
}

// happen lets the step and the fault happen.
func (r *Run) happen(ctx context.Context) error {
	r.Rules.Set(r.Case.Rules...)
	if r.Case.Before != nil {
		if err := r.Case.Before(ctx, r); err != nil {
			return fmt.Errorf("before the step: %w", err)
		}
	}
	if err := r.Advance(); err != nil {
		return err
	}
	after := r.Case.After
	if after == nil {
		after = AwaitFault
	}
	if err := after(ctx, r); err != nil {
		return fmt.Errorf("after the commit: %w", err)
	}
	r.Rules.Clear()
	return nil
}

// AwaitFault waits until the fault has happened, or the moment for it has
// passed, looks at what a killed daemon left, and starts it again.
func AwaitFault(ctx context.Context, r *Run) error {
	began := time.Now()
	for r.Daemon.Running() && len(r.Rules.Fired(r.Case.Fires)) == 0 && time.Since(began) < settleLimit {
		if head, units, err := said(r.World); err == nil && head == r.Head() && unlike(r.Want.Units, units) == "" && time.Since(began) > 2*shortCalm {
			return nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	// The rule acts before the daemon is dead.
	for wait := time.Now(); r.kills() && r.Daemon.Running() && time.Since(wait) < 10*time.Second; {
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return r.Restart(ctx)
}

func (r *Run) kills() bool {
	return slices.ContainsFunc(r.Case.Rules, func(rule proxy.Rule) bool {
		return rule.ID == r.Case.Fires && rule.Do.Kind == proxy.Kill && rule.Do.Phase != proxy.ResetNoKill
	})
}

// Restart looks at what the dead daemon left, and starts it again. It does
// nothing to one that runs.
func (r *Run) Restart(ctx context.Context) error {
	if r.Daemon.Running() {
		return nil
	}
	if err := r.Corpse(ctx); err != nil {
		return err
	}
	return r.Daemon.Start()
}

// Corpse holds that every object of ours is in the inventory while no daemon runs.
func (r *Run) Corpse(ctx context.Context) error {
	r.Quiesce()
	objects, err := r.Live(ctx)
	if err != nil {
		return err
	}
	for _, missing := range oracle.Unrecorded(objects, r.System()) {
		r.Wrong("when the daemon was dead, %s", missing)
	}
	return nil
}

// recover waits until all is as it should be.
func (r *Run) recover(ctx context.Context) error {
	if !r.Daemon.Running() {
		r.Wrong("the daemon does not run: %s", r.Daemon.Broken())
		return nil
	}
	r.Daemon.Wake()
	if _, err := settle(ctx, r.World, r.Want.Units, settleLimit); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Wrong("%v", err)
	}
	return nil
}

// judge looks at what came of it.
func (r *Run) judge(ctx context.Context, from world.Moment) ([]oracle.Request, error) {
	if err := quiet(ctx, r.World, shortCalm, 60*time.Second); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.Wrong("%v", err)
	}
	if broken := r.Daemon.Broken(); broken != "" {
		r.Wrong("the daemon is broken: %s", broken)
	}
	objects, err := r.Live(ctx)
	if err != nil {
		return nil, err
	}
	for _, missing := range oracle.Unrecorded(objects, r.System()) {
		r.Wrong("in the end, %s", missing)
	}
	state, err := oracle.StateOf(slices.DeleteFunc(objects, func(l oracle.Live) bool { return l.GetNamespace() == r.System() }), r.Shared)
	if err != nil {
		return nil, err
	}
	for _, line := range r.Ref.Mask.Differences(r.Want.State, state) {
		r.Wrong("in the end, %s", line)
	}
	requests, err := r.Since(from)
	if err != nil {
		return nil, err
	}
	allowed := sum(r.Want.Counts, r.Case.Allow)
	for _, line := range slices.Concat(oracle.Extra(allowed, oracle.Count(requests, r.Shared)), oracle.Unconditional(requests)) {
		r.Wrong("%s", line)
	}
	return requests, r.refs()
}

// refs holds that nobody but the steps moved anything in Git.
func (r *Run) refs() error {
	refs, err := r.Refs()
	if err != nil {
		return err
	}
	want := "refs/heads/main " + r.Head()
	for i, commit := range r.Commits {
		want += fmt.Sprintf("\nrefs/steps/%d %s", i, commit)
	}
	a, b := sortedLines(refs), sortedLines(want)
	if !slices.Equal(a, b) {
		r.Wrong("the refs are %q, want %q", a, b)
	}
	return nil
}
