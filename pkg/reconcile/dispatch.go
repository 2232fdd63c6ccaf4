package reconcile

import (
	"context"
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/object"
)

// active is how many units of a cluster are in work at a time. Most of them
// wait for a wave; the writes are bounded by the applier's slots.
const active = 256

// dispatch starts work on what is due, and says when more will be.
func (l *loop) dispatch(ctx context.Context, live Live) time.Time {
	l.metrics.QueueDepth.WithLabelValues(l.name).Set(float64(l.queue.depth()))
	l.mu.Lock()
	ready := l.target.revision != ""
	l.mu.Unlock()
	if !ready {
		return time.Time{}
	}
	keys, next := l.queue.take(l.now(), active)
	if len(keys) < manyUnits {
		l.start(ctx, live, keys, nil)
		return next
	}
	l.work.Go(func() { l.start(ctx, live, keys, l.survey(ctx, live, keys)) })
	return next
}

// manyUnits is from how many units on it pays to look ahead for all at once.
const manyUnits = 4

func (l *loop) start(ctx context.Context, live Live, keys []catalog.UnitKey, seen *survey) {
	for _, key := range keys {
		ctx, cancel := context.WithCancel(ctx)
		l.mu.Lock()
		l.unit(key).cancel = cancel
		l.mu.Unlock()
		l.work.Go(func() {
			defer cancel()
			l.reconcile(ctx, live, key, seen)
			l.queue.done(key)
		})
	}
}

// survey looks for what exists already of the objects that units will create.
// Where it fails, each unit looks for itself.
func (l *loop) survey(ctx context.Context, live Live, keys []catalog.UnitKey) *survey {
	s := &survey{asked: map[object.ID]bool{}}
	var ids []object.ID
	for _, key := range keys {
		want := l.fleet.Unit(key)
		owned, known := live.Inventory(key.String()).Members()
		if want == nil || want.Held() || !known || len(owned) > 0 {
			continue
		}
		b, err := l.fleet.Bundle(ctx, want)
		if err != nil {
			continue
		}
		for _, o := range b.Objects {
			s.asked[o.ID] = true
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, known := live.Absent(ctx, ids).Members()
	if !known {
		return nil
	}
	s.found = found
	return s
}
