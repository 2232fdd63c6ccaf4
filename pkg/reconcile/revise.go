package reconcile

import (
	"context"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// revise tells the loop of a new revision and the units it changed. Work on
// units that changed again is cut short: the newest revision wins.
func (l *loop) revise(ctx context.Context, t target, changed, removed []catalog.UnitKey) {
	l.mu.Lock()
	first := l.target.revision == ""
	l.target = t
	var keys []catalog.UnitKey
	if first {
		for _, u := range l.fleet.Units(l.name) {
			keys = append(keys, u.Key)
		}
	}
	waiting := l.waiting()
	for _, key := range append(append(keys, changed...), removed...) {
		if key.Cluster != l.name {
			continue
		}
		keys = append(keys, key)
		u := l.unit(key)
		u.want, u.failures = l.fleet.Unit(key), 0
		u.status.Desired = t.revision
		if u.status.Sync != status.Applying {
			u.status.Sync, u.status.Since = status.Applying, l.now()
		}
		if u.cancel != nil {
			u.cancel()
		}
	}
	keys = append(keys, waiting...)
	live := l.live
	l.mu.Unlock()
	if live != nil {
		live.SetHealth(l.fleet.Health())
	}
	if first && live != nil {
		l.all()
		return
	}
	l.queue.add(l.now(), keys...)
	if live != nil {
		go l.review(ctx, live, t)
	}
}

// review has all units say so when the whole cluster is held at a revision.
func (l *loop) review(ctx context.Context, live Live, t target) {
	if hold, err := l.ratchet.allow(ctx, live, t); err == nil && hold != nil {
		l.all()
	}
}

// waiting lists the units that did not get where they should be: a revision that
// does not change them may say that they may, by consent or by what their
// neighbours declare. The caller holds mu.
func (l *loop) waiting() []catalog.UnitKey {
	var out []catalog.UnitKey
	for key, u := range l.units {
		switch u.status.Sync {
		case status.Failed, status.Removing:
			out = append(out, key)
		case status.Held:
			if u.status.Reason != plan.HoldInvalid {
				out = append(out, key)
			}
		}
	}
	return out
}
