package reconcile

import (
	"slices"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// queue holds the units that want a look, each once, with the time from which
// it may be had. A unit that is being worked on waits until that ends. Teams'
// own units and the cluster's go first, because others stand on them.
type queue struct {
	mu     sync.Mutex
	due    map[catalog.UnitKey]time.Time
	busy   map[catalog.UnitKey]bool
	signal chan struct{}
}

func newQueue() *queue {
	return &queue{due: map[catalog.UnitKey]time.Time{}, busy: map[catalog.UnitKey]bool{}, signal: make(chan struct{}, 1)}
}

// add wants a unit looked at, no later than at the time given.
func (q *queue) add(at time.Time, keys ...catalog.UnitKey) {
	q.mu.Lock()
	for _, key := range keys {
		if old, waiting := q.due[key]; !waiting || at.Before(old) {
			q.due[key] = at
		}
	}
	q.mu.Unlock()
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

// take hands out the units that are due, so many that at most limit are in work,
// and says when the next
// one will be; zero where none waits. While an own unit is due or in work, only
// such are handed out.
func (q *queue) take(now time.Time, limit int) (keys []catalog.UnitKey, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	free := limit - len(q.busy)
	if free < min(limit/4, len(q.due)) {
		return nil, next // looking through all that is due pays for many at once
	}
	ownFirst := false
	for key := range q.busy {
		if key.Own() {
			ownFirst = true
		}
	}
	var own, services []catalog.UnitKey
	for key, at := range q.due {
		switch {
		case q.busy[key]:
		case at.After(now):
			if next.IsZero() || at.Before(next) {
				next = at
			}
		case key.Own():
			own = append(own, key)
		default:
			services = append(services, key)
		}
	}
	keys = own
	if len(own) == 0 && !ownFirst {
		keys = services
	}
	slices.SortFunc(keys, func(a, b catalog.UnitKey) int { return q.due[a].Compare(q.due[b]) })
	keys = keys[:min(len(keys), free)]
	for _, key := range keys {
		delete(q.due, key)
		q.busy[key] = true
	}
	return keys, next
}

// done ends the work on a unit.
func (q *queue) done(key catalog.UnitKey) {
	q.mu.Lock()
	delete(q.busy, key)
	q.mu.Unlock()
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

// depth is how many units wait or are in work.
func (q *queue) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.due) + len(q.busy)
}
