package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// pollEvery is how often the index, which costs no request, is looked at while waiting.
const pollEvery = 20 * time.Millisecond

// clearHook deletes an earlier run of a hook, waits until it is gone, and records
// that another will be made.
func (a *Applier) clearHook(ctx context.Context, p plan.Plan, s plan.Step) error {
	unit := p.Unit.String()
	if s.UID == "" || !s.Place.DeleteBefore {
		return nil
	}
	if _, err := a.deleteGate(ctx, unit, s); err != nil {
		return err
	}
	err := a.until(ctx, func() (bool, error) {
		_, err := a.Target.Get(ctx, s.ID, unit)
		if errors.Is(err, cluster.ErrNotFound) {
			return true, nil
		}
		return false, err
	}, "wait for the earlier run of "+s.ID.String()+" to go")
	if err != nil {
		return err
	}
	return a.Target.Intend(ctx, a.Shard(p.Unit), unit, p.Revision, []cluster.Intent{{ID: s.ID, Anew: true}})
}

// await waits until everything applied so far is healthy.
func (a *Applier) await(ctx context.Context, done []plan.Step) error {
	var ids []object.ID
	for _, s := range done {
		if s.Object != nil && (s.Action.Writes() || s.Action == plan.Await) {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var waiting string
	err := a.until(ctx, func() (bool, error) {
		var err error
		waiting, err = a.unhealthy(ids)
		return waiting == "" && err == nil, err
	}, "wait for the wave to be healthy")
	if err != nil && waiting != "" {
		return fmt.Errorf("%w (%s)", err, waiting)
	}
	return err
}

// unhealthy names the first object that is not healthy yet. An object that
// failed for good is an error.
func (a *Applier) unhealthy(ids []object.ID) (string, error) {
	seen, known := a.Target.Observe(ids).Members()
	if !known {
		return "its state is not known", nil
	}
	for _, id := range ids {
		e, there := seen[id]
		switch {
		case !there:
			return id.String() + " is not seen yet", nil
		case e.Health == cluster.Degraded:
			return "", fmt.Errorf("%s is degraded: %s", id, e.Message)
		case e.Health == cluster.Progressing:
			return id.String() + ": " + e.Message, nil
		}
	}
	return "", nil
}

func (a *Applier) until(ctx context.Context, done func() (bool, error), what string) error {
	ctx, cancel := context.WithTimeout(ctx, a.WaveTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// cleanUp deletes hooks that succeeded and ask for it.
func (a *Applier) cleanUp(ctx context.Context, p plan.Plan) error {
	var hooks []plan.Step
	for _, s := range p.Steps {
		if s.Action == plan.Run && s.Place.DeleteAfter {
			hooks = append(hooks, s)
		}
	}
	if len(hooks) == 0 {
		return nil
	}
	if err := a.await(ctx, hooks); err != nil {
		return err
	}
	for _, s := range hooks {
		if _, err := a.prune(ctx, p.Unit.String(), s); err != nil {
			return err
		}
	}
	return nil
}
