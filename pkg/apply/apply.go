// Package apply carries out a plan: it writes what the plan says, in its order,
// and says what came of every step.
//
// It decides nothing. The inventory is widened before the first object is
// made and narrowed after a deletion is confirmed, so at any instant it holds
// everything that was ever created; every deletion goes through one gate.
package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// Target is the cluster a plan is carried out on.
type Target interface {
	Apply(ctx context.Context, r cluster.ApplyRequest) (cluster.Applied, error)
	Get(ctx context.Context, id object.ID, unit string) (cluster.Live, error)
	Delete(ctx context.Context, id object.ID, uid, resourceVersion string) error
	Observe(ids []object.ID) object.Set[object.ID, cluster.Entry]

	// ReadInventory reads what a unit owns, consistently.
	ReadInventory(ctx context.Context, unit string) object.Set[object.ID, string]
	Intend(ctx context.Context, shard, unit, revision string, ids []object.ID) error
	Confirm(unit string, id object.ID, uid string)
	Forget(unit string, id object.ID, uid string)
}

// Outcome is what came of one step.
type Outcome struct {
	ID     object.ID            `json:"id"`
	Action plan.Action          `json:"action"`
	Reason string               `json:"reason"`
	Fields []object.FieldChange `json:"fields,omitempty"`
	Err    error                `json:"-"`
	Error  string               `json:"error,omitempty"`
}

// Result is what was done to one unit.
type Result struct {
	Unit     catalog.UnitKey
	Revision string
	Outcomes []Outcome
	// Err joins what went wrong; nil when every step was carried out.
	Err  error
	Took time.Duration
}

// Writes counts the steps that changed the cluster.
func (r Result) Writes() int {
	n := 0
	for _, o := range r.Outcomes {
		if o.Err == nil && o.Action.Writes() {
			n++
		}
	}
	return n
}

// Applier carries out plans on one cluster.
type Applier struct {
	Target Target
	// Shard groups units in the inventory. Example: "prod.shop".
	Shard func(catalog.UnitKey) string
	// Parallel bounds the writes of one unit that run at a time.
	Parallel int
	// WaveTimeout bounds the wait for a wave to become healthy.
	WaveTimeout time.Duration
}

// Run carries out a plan. It stops at the first step that fails, but for
// steps of the same tier, which stand beside each other; what stands after
// may stand on what failed.
func (a *Applier) Run(ctx context.Context, p plan.Plan) Result {
	start := time.Now()
	r := Result{Unit: p.Unit, Revision: p.Revision}
	r.Err = a.run(ctx, p, &r)
	r.Took = time.Since(start)
	return r
}

func (a *Applier) run(ctx context.Context, p plan.Plan, r *Result) error {
	if p.Hold != nil || len(p.Steps) == 0 {
		return nil
	}
	if ids := creations(p.Steps); len(ids) > 0 {
		if err := a.Target.Intend(ctx, a.Shard(p.Unit), p.Unit.String(), p.Revision, ids); err != nil {
			return fmt.Errorf("record in the inventory what will be created: %w", err)
		}
	}
	var told error
	for i := 0; i < len(p.Steps); {
		end := i + 1
		for end < len(p.Steps) && p.Steps[end].Place == p.Steps[i].Place && p.Steps[end].Action.Writes() == p.Steps[i].Action.Writes() {
			end++
		}
		if i > 0 && !p.Steps[i].Place.SameWave(p.Steps[i-1].Place) && p.Steps[i].Action != plan.Prune {
			if err := a.await(ctx, p.Steps[:i]); err != nil {
				return errors.Join(told, err)
			}
		}
		outcomes := a.together(ctx, p, p.Steps[i:end])
		r.Outcomes = append(r.Outcomes, outcomes...)
		if err := joined(outcomes, true); err != nil {
			return errors.Join(told, err)
		}
		told = errors.Join(told, joined(outcomes, false))
		i = end
	}
	return errors.Join(told, a.cleanUp(ctx, p))
}

// joined collects the errors of writes, or of steps that only say something.
func joined(outcomes []Outcome, writes bool) error {
	var errs []error
	for _, o := range outcomes {
		if o.Err != nil && o.Action.Writes() == writes {
			errs = append(errs, o.Err)
		}
	}
	return errors.Join(errs...)
}

func creations(steps []plan.Step) []object.ID {
	var ids []object.ID
	for _, s := range steps {
		if s.Object != nil && s.Record {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// together carries out steps that need not wait for each other.
func (a *Applier) together(ctx context.Context, p plan.Plan, steps []plan.Step) []Outcome {
	out := make([]Outcome, len(steps))
	slots := make(chan struct{}, max(a.Parallel, 1))
	var wg sync.WaitGroup
	for i, s := range steps {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			err := a.step(ctx, p, s)
			out[i] = Outcome{ID: s.ID, Action: s.Action, Reason: s.Reason, Fields: s.Fields, Err: err}
			if err != nil {
				out[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	return out
}

// errConflict: an object of this name is there and belongs to somebody else.
var errConflict = errors.New("is there and is not ours; rename it, or have its owner give it up")

func (a *Applier) step(ctx context.Context, p plan.Plan, s plan.Step) error {
	unit := p.Unit.String()
	switch s.Action {
	case plan.Prune:
		return a.prune(ctx, unit, s)
	case plan.Release:
		a.Target.Forget(unit, s.ID, s.Owned)
		return nil
	case plan.Conflict:
		return fmt.Errorf("%s: %s: %w", s.ID, s.Reason, errConflict)
	case plan.Drift:
		return nil
	case plan.Run:
		if err := a.clearHook(ctx, unit, s); err != nil {
			return err
		}
	}
	applied, err := a.Target.Apply(ctx, cluster.ApplyRequest{Object: *s.Object, Unit: unit, Commit: p.Revision, Force: s.Force})
	if err != nil {
		return fmt.Errorf("%s %s: %w", s.Action, s.ID, err)
	}
	if s.Record || applied.Created {
		a.Target.Confirm(unit, s.ID, applied.UID)
	}
	return nil
}
