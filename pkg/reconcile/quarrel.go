package reconcile

import (
	"fmt"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// quarrels counts how often each object was put back. Where another controller
// changes it again each time, two machines would write against each other for
// ever (CON-12); after a few times that ends in a truce: the change is
// reported, and one more attempt is made now and then, because whoever wrote
// may have stopped (CON-7).
type quarrels struct {
	mu   sync.Mutex
	last map[object.ID][]time.Time // when it was put back, the latest times
}

// freeHeals is how often in quarrelWindow an object is put back at once; after
// that, only every truce.
const (
	freeHeals     = 3
	quarrelWindow = 15 * time.Minute
	truce         = 5 * time.Minute
)

// until says when an object may be put back next; zero for now.
func (q *quarrels) until(id object.ID, now time.Time) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	times := q.last[id]
	if len(times) < freeHeals || now.Sub(times[0]) > quarrelWindow {
		return time.Time{}
	}
	if next := times[len(times)-1].Add(truce); next.After(now) {
		return next
	}
	return time.Time{}
}

// note counts that an object was put back.
func (q *quarrels) note(id object.ID, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last == nil {
		q.last = map[object.ID][]time.Time{}
	}
	times := append(q.last[id], now)
	q.last[id] = times[max(len(times)-freeHeals, 0):]
	if len(q.last) > 1000 {
		for id, times := range q.last {
			if now.Sub(times[len(times)-1]) > quarrelWindow {
				delete(q.last, id)
			}
		}
	}
}

// putsBack reports whether a step only undoes what somebody did by hand.
func putsBack(s plan.Step) bool {
	return s.Action == plan.Heal || s.Action == plan.Create && s.Reason == plan.DeletedByHand
}

// calm takes out of a plan what would go on with a quarrel, and has the unit
// looked at again when the truce is over.
func (l *loop) calm(key catalog.UnitKey, p plan.Plan) plan.Plan {
	now := l.now()
	for i := range p.Steps {
		s := &p.Steps[i]
		if !putsBack(*s) {
			continue
		}
		next := l.quarrels.until(s.ID, now)
		if next.IsZero() {
			continue
		}
		s.Action, s.Object, s.Force, s.Record, s.Contested = plan.Drift, nil, false, false, true
		s.Reason += fmt.Sprintf("; it was put back %d times and changed again each time", freeHeals)
		l.queue.add(next, key)
	}
	return p
}

// noteHeals counts what a pass put back.
func (l *loop) noteHeals(p plan.Plan, r apply.Result) {
	back := map[object.ID]bool{}
	for _, s := range p.Steps {
		back[s.ID] = putsBack(s)
	}
	for _, o := range r.Outcomes {
		if o.Err == nil && back[o.ID] {
			l.quarrels.note(o.ID, l.now())
		}
	}
}
