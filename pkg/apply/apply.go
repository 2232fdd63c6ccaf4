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
	ReadInventory(ctx context.Context, unit string) object.Set[object.ID, cluster.Owned]
	Intend(ctx context.Context, shard, unit, revision string, objects []cluster.Intent) error
	Condemn(ctx context.Context, unit string, uids map[object.ID]string) error
	Confirm(unit string, id object.ID, uid string)
	Forget(unit string, id object.ID, uid string)

	// Yield gives up a unit's fields of an object, Release its marks on it.
	Yield(ctx context.Context, id object.ID, uid, unit string) error
	Release(ctx context.Context, id object.ID, uid, unit string) error
}

// Outcome is what came of one step.
type Outcome struct {
	ID     object.ID            `json:"id"`
	Action plan.Action          `json:"action"`
	Reason string               `json:"reason"`
	Fields []object.FieldChange `json:"fields,omitempty"`
	Err    error                `json:"-"`
	Error  string               `json:"error,omitempty"`
	// Left tells that a deleted object is there still, held by a finalizer.
	Left bool `json:"left,omitempty"`
	// Requests are the audit ids of what was sent for it.
	Requests []string `json:"requests,omitempty"`
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

// Opener decrypts what is sealed, at the last moment. What it gives is written and
// forgotten.
type Opener interface {
	Open(object.Object) (object.Object, error)
}

// Applier carries out plans on one cluster.
type Applier struct {
	Target Target
	// Secrets opens sealed objects; nil has no keys.
	Secrets Opener
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
	if err := a.opens(p); err != nil {
		return err
	}
	if objects := intents(p.Steps); len(objects) > 0 {
		if err := a.Target.Intend(ctx, a.Shard(p.Unit), p.Unit.String(), p.Revision, objects); err != nil {
			return fmt.Errorf("record in the inventory what will be created: %w", err)
		}
	}
	var told error
	condemned := false
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
		if p.Steps[i].Action == plan.Prune && !condemned {
			if err := a.condemn(ctx, p); err != nil {
				return errors.Join(told, err)
			}
			condemned = true
		}
		outcomes := a.together(ctx, p, i, end)
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

// intents are the objects that the inventory must have before they are written.
func intents(steps []plan.Step) []cluster.Intent {
	var out []cluster.Intent
	for _, s := range steps {
		if s.Object != nil && s.Record {
			out = append(out, cluster.Intent{ID: s.ID, UID: s.UID, Adopted: s.Adopt, Anew: s.Anew()})
		}
	}
	return out
}

// together carries out the steps from begin to end, which need not wait for
// each other.
func (a *Applier) together(ctx context.Context, p plan.Plan, begin, end int) []Outcome {
	steps := p.Steps[begin:end]
	out := make([]Outcome, len(steps))
	slots := make(chan struct{}, max(a.Parallel, 1))
	var wg sync.WaitGroup
	for i, s := range steps {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			cause := cluster.CauseOf(ctx).Step(begin + i)
			left, err := a.step(cluster.WithCause(ctx, cause), p, s)
			out[i] = Outcome{
				ID: s.ID, Action: s.Action, Reason: s.Reason, Fields: s.Fields, Err: err, Left: left, Requests: cause.Sent(),
			}
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

// step carries out one step. It reports whether an object that was deleted is
// there still.
func (a *Applier) step(ctx context.Context, p plan.Plan, s plan.Step) (left bool, err error) {
	unit := p.Unit.String()
	switch s.Action {
	case plan.Prune:
		return a.prune(ctx, unit, s)
	case plan.Release:
		return false, a.release(ctx, unit, s)
	case plan.Conflict:
		return false, fmt.Errorf("%s: %s: %w", s.ID, s.Reason, errConflict)
	case plan.Drift, plan.Wait, plan.Await:
		return false, nil
	case plan.Run:
		if err := a.clearHook(ctx, p, s); err != nil {
			return false, err
		}
	}
	return false, a.write(ctx, p, s)
}

func (a *Applier) write(ctx context.Context, p plan.Plan, s plan.Step) error {
	o, err := a.open(*s.Object)
	if err != nil {
		return err
	}
	r := cluster.ApplyRequest{Object: o, Unit: p.Unit.String(), Commit: p.Revision, Force: s.Force}
	if s.Adopt || s.From != (catalog.UnitKey{}) {
		r.UID = s.UID // it is that very object that is taken over
	}
	applied, err := a.Target.Apply(ctx, r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", s.Action, s.ID, err)
	}
	if s.Action == plan.Create && !applied.Created && applied.Shared {
		return a.withdraw(ctx, p, s, applied.UID)
	}
	if s.Record || applied.Created {
		a.Target.Confirm(p.Unit.String(), s.ID, applied.UID)
	}
	return nil
}

// withdraw takes back what was written on an object that was to be created and
// turned out to be there: somebody made it after we looked, and it is theirs.
// Written without force, our fields were all new ones, so that without them it is
// as it was.
func (a *Applier) withdraw(ctx context.Context, p plan.Plan, s plan.Step, uid string) error {
	err := a.Target.Yield(ctx, s.ID, uid, p.Unit.String())
	return errors.Join(fmt.Errorf("create %s: somebody made it meanwhile: %w", s.ID, errConflict), err)
}

// release lets an object go that stays: first what we have on it, then the entry.
// One that was not seen must be gone for certain: a listing can leave out what
// is there, and what is forgotten is never removed.
func (a *Applier) release(ctx context.Context, unit string, s plan.Step) error {
	var err error
	switch s.GiveUp {
	case plan.GiveUpNothing:
		if s.UID == "" {
			err = a.gone(ctx, unit, s)
		}
	case plan.GiveUpFields:
		err = a.Target.Yield(ctx, s.ID, s.UID, unit)
	case plan.GiveUpMarks:
		err = a.Target.Release(ctx, s.ID, s.UID, unit)
	}
	if err != nil && !errors.Is(err, cluster.ErrNotFound) {
		return err
	}
	a.Target.Forget(unit, s.ID, s.Owned)
	return nil
}

// gone reads an object afresh, and refuses if it is there and still the unit's.
func (a *Applier) gone(ctx context.Context, unit string, s plan.Step) error {
	live, err := a.Target.Get(ctx, s.ID, unit)
	if err != nil {
		return err
	}
	if object.Annotation(live.Fields, object.AnnotationUnit) == unit && (s.Owned == "" || s.Owned == live.UID) {
		return fmt.Errorf("forget %s: it was not seen and is there; it is looked at again", s.ID)
	}
	return nil
}
