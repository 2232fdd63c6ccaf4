package campaign

import (
	"context"
	"fmt"
	"time"

	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/proxy"
	"github.com/fairway-dev/fairway/test/faults/world"
)

func sum(a, b map[string]oracle.Counts) map[string]oracle.Counts {
	out := map[string]oracle.Counts{}
	for _, m := range []map[string]oracle.Counts{a, b} {
		for key, c := range m {
			have := out[key]
			out[key] = oracle.Counts{Creates: have.Creates + c.Creates, Updates: have.Updates + c.Updates, Deletes: have.Deletes + c.Deletes}
		}
	}
	return out
}

// Sleep waits for some time up to a limit, by chance.
func (r *Run) Sleep(ctx context.Context, limit time.Duration) error {
	return pause(ctx, time.Duration(r.Random.Int64N(int64(limit))))
}

// Settle waits until everything is as wanted, and is no verdict: what hinders
// is told by the caller, or by what is judged in the end.
func (r *Run) Settle(ctx context.Context, limit time.Duration) error {
	_, err := settle(ctx, r.World, r.Want.Units, limit)
	return err
}

// Movable reports whether Git may move on to the next step while the daemon has
// not seen this one: a unit that the next step holds would be held elsewhere.
func Movable(ref *Reference, step int) bool {
	if step+1 >= len(ref.Steps) {
		return false
	}
	return !stuck(ref.Steps[step+1])
}

// Move lets the next step happen as well. What both lead to is wanted from now on.
func (r *Run) Move() error {
	if err := r.Advance(); err != nil {
		return err
	}
	next := r.Ref.Steps[r.Step]
	next.Counts = sum(r.Want.Counts, next.Counts)
	r.Want = next
	return nil
}

// Relist has every watch end as a server ends one that is too old, so that
// everything is listed anew. It waits for each of them: one that is opened
// later would go on where it was, and never hear of what it missed.
func (r *Run) Relist(ctx context.Context) error {
	r.Rules.Set(proxy.Rule{ID: "relist", Match: proxy.Match{Servers: world.Clusters(), Verbs: []string{"watch"}}, Do: proxy.Action{Kind: proxy.Gone}})
	r.CutWatches()
	err := eventually(ctx, time.Minute, func() string {
		told := map[proxy.Stream]bool{}
		for _, call := range r.Rules.Fired("relist") {
			told[call.Stream()] = true
		}
		for _, name := range world.Clusters() {
			for _, stream := range r.Proxy(name).Watched(r.Daemon.Since()) {
				if !told[stream] {
					return fmt.Sprintf("%v was not opened again", stream)
				}
			}
		}
		return ""
	})
	r.Rules.Clear()
	if err != nil && ctx.Err() == nil {
		r.Wrong("when watches had ended: %v", err)
		return nil
	}
	return err
}

// CutWatches ends all watches once.
func (r *Run) CutWatches() {
	for _, name := range world.Clusters() {
		r.Proxy(name).CutWatches()
	}
}

// eventually polls until a condition gives "".
func eventually(ctx context.Context, limit time.Duration, condition func() string) error {
	began := time.Now()
	for {
		missing := condition()
		if missing == "" {
			return nil
		}
		if time.Since(began) > limit {
			return fmt.Errorf("not within %s: %s", limit, missing)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
