package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// census remembers whether a cluster's deletions of one revision were counted,
// and what came of it. Within a revision they only become fewer.
type census struct {
	mu     sync.Mutex
	live   Live
	target target
	hold   *plan.Hold
}

// errMoving: a newer revision is being taken in, so that what was counted would
// be of two.
var errMoving = errors.New("a newer revision is being taken in")

// countedHold says what holds the deletions of a revision back on the whole cluster;
// nil lets them go. They are counted before the first of them is sent, from the
// inventory and from what is declared, which renders nothing. Where they are
// more than may go without a word and were agreed to, all of them are recorded
// as condemned before this returns, so that a crash among them asks nobody again.
func (l *loop) countedHold(ctx context.Context, live Live, goal target) (*plan.Hold, error) {
	l.census.mu.Lock()
	defer l.census.mu.Unlock()
	if l.census.live == live && l.census.target == goal {
		return l.census.hold, nil
	}
	if l.fleet.Generation() != goal.generation {
		return nil, errMoving
	}
	ours, all, err := l.pending(ctx, live, goal)
	if err != nil {
		return nil, fmt.Errorf("count the deletions on cluster %s: %w", l.name, err)
	}
	if l.fleet.Generation() != goal.generation {
		return nil, errMoving
	}
	hold, agreed := plan.Breaker(l.name, ours, all, l.fleet.ClusterConsent(live.UID(), l.name))
	if agreed {
		if err := condemnAll(ctx, live, all); err != nil {
			return nil, err
		}
	}
	l.census.live, l.census.target, l.census.hold = live, goal, hold
	return hold, nil
}

// pending lists what every unit of the cluster is about to delete, and counts
// the objects that are ours.
func (l *loop) pending(ctx context.Context, live Live, goal target) (ours int, all []plan.Pending, err error) {
	set := live.Units()
	units, known := set.Members()
	if !known {
		return 0, nil, set.Why()
	}
	inventories := map[catalog.UnitKey]map[object.ID]cluster.Owned{}
	for name := range units {
		inventory := live.Inventory(name)
		owned, known := inventory.Members()
		if !known {
			return 0, nil, inventory.Why()
		}
		ours += len(owned)
		if key, err := catalog.ParseUnitKey(name); err == nil && key.Cluster == l.name {
			inventories[key] = owned
		}
	}
	if err := live.Ensure(ctx, kindsIn(inventories)); err != nil && !errors.Is(err, cluster.ErrNoKind) {
		return 0, nil, err
	}
	for key, owned := range inventories {
		if p, counts := l.pendingOf(ctx, live, key, owned, goal); counts {
			all = append(all, p)
		}
	}
	return ours, all, nil
}

func kindsIn(inventories map[catalog.UnitKey]map[object.ID]cluster.Owned) []kube.Kind {
	kinds := map[kube.Kind]bool{}
	for _, owned := range inventories {
		for id := range owned {
			kinds[kube.Kind{Group: id.Group, Kind: id.Kind}] = true
		}
	}
	return slices.Collect(maps.Keys(kinds))
}

// pendingOf says what one unit is about to delete; false for one that deletes
// nothing, because it is held or was not removed for certain. An object that the
// index knows nothing of counts as there.
func (l *loop) pendingOf(ctx context.Context, live Live, key catalog.UnitKey, owned map[object.ID]cluster.Owned, goal target) (plan.Pending, bool) {
	want := l.fleet.Unit(key)
	if want != nil && want.Held() {
		return plan.Pending{}, false
	}
	declares := func(id object.ID) bool { return want != nil && want.Declares(id) }
	rest := maps.Clone(owned)
	maps.DeleteFunc(rest, func(id object.ID, _ cluster.Owned) bool { return declares(id) })
	if len(rest) == 0 {
		return plan.Pending{}, false
	}
	d := l.fleet.Wanted(live.UID(), key, want, goal.revision)
	if want == nil {
		reason, err := l.removal(key, live.Recorded(key.String()))
		if err != nil {
			return plan.Pending{}, false
		}
		d.Removed, d.Renamed = reason, l.renamed(ctx, live, key)
	}
	seen := entriesOf(key.String(), rest)
	if entries, known := live.Observe(slices.Collect(maps.Keys(rest))).Members(); known {
		clear(seen)
		for id, e := range entries {
			seen[id] = plan.Seen{Entry: e}
		}
	}
	view := plan.Live{Objects: object.Known(seen), Inventory: object.Known(rest)}
	d = fleet.Relate(l.fleet, live, l.removal, d, view)
	view.Inventory = object.Known(owned) // budgets are shares of all of it
	return plan.PendingOf(d, declares, want != nil && want.Objects == 0, view)
}

// condemnAll records every deletion that was agreed to for the cluster. Units of
// one shard share a write.
func condemnAll(ctx context.Context, live Live, all []plan.Pending) error {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, p := range all {
		if p.Asked || len(p.Fresh) == 0 {
			continue
		}
		uids := map[object.ID]string{}
		for _, d := range p.Fresh {
			uids[d.ID] = d.UID
		}
		wg.Go(func() {
			err := live.Condemn(ctx, p.Fresh[0].Unit, uids)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
