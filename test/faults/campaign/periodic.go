package campaign

import (
	"context"
	"fmt"
	"time"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/world"
)

// Periodic is a whole workload while the daemon is killed again and again. One
// step follows the other at a pace, whether the daemon has got anywhere or not;
// what comes of it in the end is judged, and then it must rest for a while.
type Periodic struct {
	Every, Pace, Rest time.Duration
}

// All is the line of the table that it fills.
func (p Periodic) All() Fault {
	return Fault{ID: "W0", What: fmt.Sprintf("the standard workload, killed every %s, then %s of rest", p.Every, p.Rest), Cases: []Case{{Fault: "W0", Name: p.name()}}}
}

func (p Periodic) name() string {
	return fmt.Sprintf("killed every %s, a step every %s", p.Every, p.Pace)
}

// Run takes a company through a workload.
func (p Periodic) Run(ctx context.Context, lab *world.Lab, ref *Reference) (Outcome, error) {
	out := Outcome{Fault: "W0", Name: p.name(), Tried: true}
	w, err := lab.New(ref.Template, world.Options{})
	if err != nil {
		return out, err
	}
	defer w.Close()
	last := len(ref.Steps) - 1
	r := &Run{World: w, Ref: ref, Want: ref.Steps[last]}
	for _, s := range ref.Steps[:last] {
		r.Want.Counts = sum(r.Want.Counts, s.Counts)
	}
	from, err := w.Now()
	if err != nil {
		return out, err
	}
	if err := r.killEvery(ctx, p); err != nil {
		return out, err
	}
	over := time.Now()
	if err := r.recover(ctx); err != nil {
		return out, err
	}
	out.Converged, out.Kills = time.Since(over), w.Daemon.Starts()-1
	requests, err := r.judge(ctx, from)
	if err != nil {
		return out, err
	}
	if err := r.rest(ctx, p.Rest); err != nil {
		return out, err
	}
	out.Deletes, out.Diverged = len(oracle.Deletions(requests)), r.found
	return out, nil
}

// killEvery goes from step to step and kills the daemon at the end of every period.
func (r *Run) killEvery(ctx context.Context, p Periodic) error {
	if err := r.Daemon.Start(); err != nil {
		return err
	}
	kill, step := time.NewTicker(p.Every), time.NewTicker(p.Pace)
	defer kill.Stop()
	defer step.Stop()
	for r.Step < len(r.Ref.Steps)-1 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-step.C:
			if err := r.Advance(); err != nil {
				return err
			}
		case <-kill.C:
			r.Daemon.Kill()
			if err := r.Restart(ctx); err != nil {
				return err
			}
		}
	}
	r.Daemon.Kill()
	return r.Restart(ctx)
}

// afterthoughts is how long after everything is as it should be the daemon may
// still be about to note that in its records.
const afterthoughts = 15 * time.Second

// rest holds that a daemon that has converged, and has noted that, asks for no
// change for a while.
func (r *Run) rest(ctx context.Context, calm time.Duration) error {
	if err := pause(ctx, afterthoughts); err != nil {
		return err
	}
	from, err := r.Now()
	if err != nil {
		return err
	}
	if err := pause(ctx, calm); err != nil {
		return err
	}
	requests, err := r.Since(from)
	if err != nil {
		return err
	}
	for _, q := range requests {
		if q.Mutates() {
			r.Wrong("at rest, within %s: %s", calm, q)
		}
	}
	return nil
}
