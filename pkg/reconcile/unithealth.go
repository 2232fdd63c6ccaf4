package reconcile

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/status"
)

// health brings a unit's health up to date from the index. Where the index cannot say it,
// as while one of the watches is cut off, it is asked again: what was news is not told twice.
func (l *loop) health(live Live, key catalog.UnitKey) {
	seen, known := observed(live, key)
	l.mu.Lock()
	if !known {
		if l.blurred == nil {
			l.blurred = map[catalog.UnitKey]bool{}
		}
		l.blurred[key] = true
		l.mu.Unlock()
		return
	}
	delete(l.blurred, key)
	worst, message := worstOf(seen)
	u := l.units[key]
	if u == nil || u.status.Health == worst && u.status.Message == message {
		l.mu.Unlock()
		return
	}
	u.status.Health = worst
	if u.status.Sync == status.Synced {
		u.status.Message = message
	}
	now := u.status
	l.mu.Unlock()
	l.metrics.Unit(now)
}

// observed are the objects that a unit owns, as the index has them; false where it cannot say.
func observed(live Live, key catalog.UnitKey) (map[object.ID]cluster.Entry, bool) {
	owned, known := live.Inventory(key.String()).Members()
	if !known {
		return nil, false
	}
	return live.Observe(slices.Collect(maps.Keys(owned))).Members()
}

// sharpen brings up to date what could not be seen when it was news.
func (l *loop) sharpen(live Live) {
	l.mu.Lock()
	keys := slices.Collect(maps.Keys(l.blurred))
	l.mu.Unlock()
	for _, key := range keys {
		l.health(live, key)
	}
}

// worstOf is the health of the object that is doing worst.
func worstOf(seen map[object.ID]cluster.Entry) (cluster.HealthStatus, string) {
	rank := map[cluster.HealthStatus]int{
		cluster.HealthUnknown: 0, cluster.Healthy: 1, cluster.Suspended: 2,
		cluster.Progressing: 3, cluster.Missing: 4, cluster.Degraded: 5,
	}
	worst, message, which := cluster.Healthy, "", object.ID{}
	for id, e := range seen {
		if rank[e.Health] > rank[worst] || e.Health == worst && message != "" && id.Compare(which) < 0 {
			worst, which, message = e.Health, id, id.String()+": "+e.Message
		}
	}
	return worst, message
}
