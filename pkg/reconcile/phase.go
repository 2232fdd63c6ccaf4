package reconcile

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/schedule"
)

// Phase is whether an environment that has a schedule sleeps.
type Phase struct {
	Asleep bool `json:"asleep"`
	// Until is when that changes; zero if it does not.
	Until time.Time `json:"until,omitzero"`
}

// String says it in a few words. Example: "asleep until 2026-12-01T06:00:00Z".
func (p Phase) String() string {
	word := "awake"
	if p.Asleep {
		word = "asleep"
	}
	if p.Until.IsZero() {
		return word
	}
	return word + " until " + p.Until.UTC().Format(time.RFC3339)
}

// sleep finds which environments sleep now, and gives those for which that is
// new. One whose schedule cannot be read stays awake. The caller holds mu.
func (f *Fleet) sleep() []string {
	asleep := map[string]bool{}
	f.next = map[string]Phase{}
	if f.Now == nil {
		return f.units.Sleep(asleep)
	}
	now := f.Now()
	for name, env := range f.declared.Catalog.Environments {
		if env.Sleep == nil {
			continue
		}
		s, err := schedule.Parse(*env.Sleep)
		if err != nil {
			continue // said where declarations are checked
		}
		sleeps, until := s.At(now)
		f.next[name] = Phase{Asleep: sleeps, Until: until}
		if sleeps {
			asleep[name] = true
		}
	}
	return f.units.Sleep(asleep)
}

// Phases tells of each environment that has a schedule whether it sleeps.
func (f *Fleet) Phases() map[string]Phase {
	f.published.RLock()
	defer f.published.RUnlock()
	return maps.Clone(f.phases)
}

// turns is when the next environment falls asleep or wakes up; zero for never.
func (f *Fleet) turns() time.Time {
	var next time.Time
	for _, p := range f.Phases() {
		if !p.Until.IsZero() && (next.IsZero() || p.Until.Before(next)) {
			next = p.Until
		}
	}
	return next
}

// turn brings the fleet to the present hour, at the revision it is at, once an
// environment should have fallen asleep or woken up. No commit tells of that, and
// none has to: what should be is a function of the revision and of the hour.
func (d *Daemon) turn(ctx context.Context) error {
	d.mu.Lock()
	rev := d.current
	d.mu.Unlock()
	if next := d.fleet.turns(); next.IsZero() || d.opts.Now().Before(next) || rev.Commit.IsZero() {
		return nil
	}
	return d.adopt(ctx, rev)
}

// slept takes down which environments fell asleep or woke up.
func (d *Daemon) slept(change Change, revision string) {
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
		if next := d.fleet.turns(); !next.IsZero() {
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
