// Package inventory records in the cluster which objects each unit has, before
// they are created: at every instant it holds at least what is there. What may
// one day be deleted is decided from it and from nothing else.
//
// It lives in a few parts (ConfigMaps), one or more a shard, each unit whole in
// one of them. Writes are optimistic: a part that changed under us is read
// again and the change made again on what it says now. What cannot be read
// whole is unknown, and unknown never prunes:
//
//   - A part of a newer format makes its shard unknown and refuses writes.
//   - A damaged value makes its unit unknown and refuses to widen it.
//   - A part that was deleted by hand makes its shard unknown from the moment
//     that is noticed until the next write, which puts back all that memory
//     holds. A process that starts after such a deletion knows no entries, so
//     it deletes nothing; units record their objects again as they intend them.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Store keeps the parts. Its errors are those of package cluster:
// ErrNotFound for a part that is not there, ErrPrecondition for one that is
// there though it should not be, or in another version.
type Store interface {
	// List reads all parts, or fails.
	List(ctx context.Context) ([]Part, error)
	// Version reads the version of one part.
	Version(ctx context.Context, name string) (string, error)
	// Create makes a part and gives its version.
	Create(ctx context.Context, p Part) (string, error)
	// Patch sets some keys of a part, and removes those that are nil, if it
	// still has the version, and marks the part as of a format; it gives the new
	// version.
	Patch(ctx context.Context, name, version, format string, data map[string]*string) (string, error)
}

// Part is one stored piece of the inventory.
type Part struct {
	Name    string
	Shard   string
	Format  string
	Version string
	Data    map[string]string
}

// Inventory is safe for concurrent use.
type Inventory struct {
	store      Store
	flushAfter time.Duration
	log        *slog.Logger
	limit      int // bytes of a part

	mu     sync.Mutex
	loaded bool
	writes int // completed writes, so that a listing knows whether it is older
	units  map[string]*unit
	shards map[string]*shard
	idle   sync.Cond // signalled when a shard's writer ends
}

// New makes an inventory that knows nothing until Load.
func New(store Store, flushAfter time.Duration, log *slog.Logger) *Inventory {
	v := &Inventory{
		store: store, flushAfter: flushAfter, log: log, limit: 900 << 10,
		units: map[string]*unit{}, shards: map[string]*shard{},
	}
	v.idle.L = &v.mu
	return v
}

// Of says which objects a unit has or is about to have, with what is recorded
// of each.
func (v *Inventory) Of(name string) object.Set[object.ID, cluster.Owned] {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.why(name); err != nil {
		return object.Unknown[object.ID, cluster.Owned](err)
	}
	out := map[object.ID]cluster.Owned{}
	if u := v.units[name]; u != nil {
		for _, it := range u.items {
			out[it.id] = it.Owned
		}
	}
	return object.Known(out)
}

// Revision is the revision at which a unit's entries last grew; "" if it has none.
func (v *Inventory) Revision(name string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u := v.units[name]; u != nil {
		return u.revision
	}
	return ""
}

// why says why a unit's entries cannot be known; nil if they are.
func (v *Inventory) why(name string) error {
	if !v.loaded {
		return errors.New("inventory is not loaded")
	}
	if u := v.units[name]; u != nil {
		return u.shard.why(name)
	}
	for _, s := range v.shards {
		if err := s.why(name); err != nil {
			return err
		}
	}
	return nil
}

// Units lists the units that have entries, with their shards.
func (v *Inventory) Units() object.Set[string, string] {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.loaded {
		return object.Unknown[string, string](errors.New("inventory is not loaded"))
	}
	for _, s := range v.shards {
		if err := s.whole(); err != nil {
			return object.Unknown[string, string](err)
		}
	}
	out := make(map[string]string, len(v.units))
	for name, u := range v.units {
		if len(u.items) > 0 {
			out[name] = u.shard.name
		}
	}
	return object.Known(out)
}

// Intend records that a unit may create or take over some objects; where their
// deletion was decided, it no longer is. It returns when that is stored, at once
// if it is already. Calls for one shard at the same time share a write.
func (v *Inventory) Intend(ctx context.Context, shardName, name, revision string, objects []cluster.Intent) error {
	done, err := v.intend(shardName, &change{unit: name, revision: revision, add: objects, done: make(chan error, 1)})
	if err := waitFor(ctx, done, err); err != nil {
		return fmt.Errorf("record intent of %s: %w", name, err)
	}
	return nil
}

// intend queues a change, or answers at once where there is none to make.
func (v *Inventory) intend(shardName string, c *change) (<-chan error, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.loaded {
		return nil, errors.New("inventory is not loaded")
	}
	s, u := v.shard(shardName), v.units[c.unit]
	if u != nil {
		s = u.shard // a unit stays where it is, whoever owns it now
	}
	if err := s.closed(c.unit); err != nil {
		return nil, err
	}
	if len(c.add) == 0 || u != nil && u.holds(c.add) && !s.forgetting(c.unit) && s.why(c.unit) == nil {
		c.done <- nil
		return c.done, nil
	}
	s.pending = append(s.pending, c)
	v.start(s)
	return c.done, nil
}

// Confirm records the UID of an object that was created. It is written soon;
// until then the entry says "intended", which is as true.
func (v *Inventory) Confirm(name string, id object.ID, uid string) {
	v.later(&change{unit: name, confirm: true, id: id, uid: uid})
}

// Forget drops an object that a consistent read has shown to be gone. An
// entry that has another UID by now stays. It is written soon.
func (v *Inventory) Forget(name string, id object.ID, uid string) {
	v.later(&change{unit: name, forget: true, id: id, uid: uid})
}

func (v *Inventory) later(c *change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.units[c.unit]
	if u == nil || !c.alters(u.items) {
		return
	}
	if u.has(c.id) {
		u.items = c.to(u.items)
	}
	u.shard.pending = append(u.shard.pending, c)
	v.startLater(u.shard, v.flushAfter)
}

// Flush writes everything that is held back.
func (v *Inventory) Flush(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.shards {
		s.failed = nil
		v.start(s)
	}
	if err := v.waitIdle(ctx, v.writing); err != nil {
		return fmt.Errorf("flush inventory: %w", err)
	}
	var errs []error
	for _, s := range v.shards {
		errs = append(errs, s.failed)
	}
	return errors.Join(errs...)
}

// Close writes what is held back and starts no writes of its own any more.
func (v *Inventory) Close(ctx context.Context) error {
	err := v.Flush(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.shards {
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	return err
}
