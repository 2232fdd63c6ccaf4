package kube

import (
	"context"
	"sync"

	"github.com/fairway-dev/fairway/pkg/object"
)

// EventKind says what happened to an object. The greater one wins where
// several happened before the reader came.
type EventKind uint8

// What can happen to an object of ours.
const (
	// HealthChanged: it is doing better or worse, or is being deleted.
	HealthChanged EventKind = iota + 1
	// Appeared: it carries our label, and we did not put it there.
	Appeared
	// Drifted: the fields we own are no longer as we left them.
	Drifted
	// Deleted: it is gone, or has lost our label. A read tells which.
	Deleted
)

// String gives the kind of event as a word for logs.
func (k EventKind) String() string {
	switch k {
	case HealthChanged:
		return "health changed"
	case Appeared:
		return "appeared"
	case Drifted:
		return "drifted"
	case Deleted:
		return "deleted"
	}
	return "unknown event"
}

// Event says that an object may need a look. It carries no state: by the time
// it is read the index may know better.
type Event struct {
	ID   object.ID
	Unit string
	Kind EventKind
}

// events hands events from the watches to one reader without ever making a
// watch wait: what is not yet read is kept once an object.
type events struct {
	out    chan Event
	signal chan struct{}

	mu      sync.Mutex
	pending map[object.ID]Event
	order   []object.ID
}

func newEvents() *events {
	return &events{out: make(chan Event), signal: make(chan struct{}, 1), pending: map[object.ID]Event{}}
}

// Events delivers what happens to objects of ours, oldest first and joined by
// object. It is closed by Close.
func (c *Cluster) Events() <-chan Event { return c.events.out }

func (e *events) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old, waiting := e.pending[ev.ID]
	if !waiting {
		e.order = append(e.order, ev.ID)
	}
	ev.Kind = max(ev.Kind, old.Kind)
	e.pending[ev.ID] = ev
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

func (e *events) next() (Event, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.order) == 0 {
		e.order = nil
		return Event{}, false
	}
	id := e.order[0]
	e.order = e.order[1:]
	ev := e.pending[id]
	delete(e.pending, id)
	return ev, true
}

func (e *events) pump(ctx context.Context) {
	defer close(e.out)
	for {
		ev, ok := e.next()
		if !ok {
			select {
			case <-e.signal:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case e.out <- ev:
		case <-ctx.Done():
			return
		}
	}
}
