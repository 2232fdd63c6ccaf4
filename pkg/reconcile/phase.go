package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/journal"
)

// turn brings the fleet to the present hour, at the revision it is at, once an
// environment should have fallen asleep or woken up. No commit tells of that, and
// none has to: what should be is a function of the revision and of the hour.
func (d *Daemon) turn(ctx context.Context) error {
	d.mu.Lock()
	rev := d.current
	d.mu.Unlock()
	if next := d.fleet.Turns(); next.IsZero() || d.opts.Now().Before(next) || rev.Commit.IsZero() {
		return nil
	}
	return d.adopt(ctx, rev)
}

// slept takes down which environments fell asleep or woke up.
func (d *Daemon) slept(change fleet.Change, revision string) {
	phases := d.fleet.Phases()
	for _, name := range change.Slept {
		phase := phases[name].String()
		d.opts.Log.Info("environment", "name", name, "phase", phase)
		d.opts.Journal.Append(context.Background(), journal.Record{
			Time: d.opts.Now(), Kind: journal.Phase, Revision: revision, Message: fmt.Sprintf("environment %s is %s", name, phase),
		})
	}
}

// longestNap bounds how long the daemon goes without a look at the clock, which
// may be put right meanwhile.
const longestNap = time.Minute

// rest waits until Git is to be looked at again; environments fall asleep and
// wake up meanwhile.
func (d *Daemon) rest(ctx context.Context, wait time.Duration) {
	end := time.After(wait)
	for {
		var turn <-chan time.Time
		if next := d.fleet.Turns(); !next.IsZero() {
			turn = time.After(max(time.Second, min(longestNap, next.Sub(d.opts.Now()))))
		}
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
			return
		case <-end:
			return
		case <-turn:
			if err := d.turn(ctx); err != nil {
				d.troubled(err)
			}
		}
	}
}
