package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// writeTimeout bounds one round of writing; attempts, the conflicts in it.
const (
	writeTimeout = 30 * time.Second
	attempts     = 8
)

// start has a shard's changes written, now. The caller holds the lock.
func (v *Inventory) start(s *shard) {
	if s.running || len(s.pending) == 0 {
		return
	}
	s.running = true
	go v.run(s.name)
}

func (v *Inventory) startLater(s *shard, after time.Duration) {
	if s.timer != nil || s.running {
		return
	}
	name := s.name
	s.timer = time.AfterFunc(after, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		now := v.shard(name)
		now.timer = nil
		v.start(now)
	})
}

// run writes a shard until nothing is pending. What arrives during a write is
// in the next one together.
func (v *Inventory) run(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for {
		s := v.shard(name)
		batch := s.pending
		s.pending, s.batch = nil, batch
		if len(batch) == 0 {
			s.running = false
			break
		}
		v.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		err := v.write(ctx, name, batch)
		cancel()
		v.mu.Lock()
		if v.finish(v.shard(name), batch, err) {
			break
		}
	}
	v.idle.Broadcast()
}

// finish tells those who wait and keeps what nobody waits for when the write
// failed. It reports whether the writer should rest.
func (v *Inventory) finish(s *shard, batch []*change, err error) bool {
	s.failed, s.batch = err, nil
	var kept []*change
	for _, c := range batch {
		if c.done != nil {
			c.done <- err
		} else if err != nil {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return false
	}
	s.pending = append(kept, s.pending...)
	if slices.ContainsFunc(s.pending, func(c *change) bool { return c.done != nil }) {
		return false
	}
	s.running = false
	v.startLater(s, 10*v.flushAfter)
	return true
}

// write makes a batch of changes on the stored shard, again for as long as
// others change it meanwhile.
func (v *Inventory) write(ctx context.Context, name string, batch []*change) error {
	for range attempts {
		v.mu.Lock()
		p, err := v.plan(name, batch)
		v.mu.Unlock()
		if err != nil {
			return err
		}
		err = v.carryOut(ctx, p)
		if err == nil {
			return nil
		}
		if !errors.Is(err, cluster.ErrPrecondition) && !errors.Is(err, cluster.ErrNotFound) {
			return err
		}
		list, err := v.store.List(ctx)
		if err != nil {
			return fmt.Errorf("load inventory again: %w", err)
		}
		v.mu.Lock()
		v.installShard(name, list)
		v.mu.Unlock()
	}
	return fmt.Errorf("write inventory %s: %w", name, cluster.ErrPrecondition)
}

// installShard takes one shard out of a listing; the others may be written
// meanwhile, so what is known of them stays.
func (v *Inventory) installShard(name string, list []Part) {
	others := slices.DeleteFunc(list, func(p Part) bool { return p.Shard != name })
	sub := &Inventory{shards: map[string]*shard{name: v.shard(name)}, units: map[string]*unit{}, log: v.log}
	for unit, u := range v.units {
		if u.shard.name == name {
			sub.units[unit] = u
			delete(v.units, unit)
		}
	}
	sub.install(others)
	v.shards[name] = sub.shards[name]
	for unit, u := range sub.units {
		v.units[unit] = u
	}
}

// plan is what a batch comes to: the units after it, and the parts to write.
// A unit that moves is written to its new part before it is taken out of the
// old one: cut off between the two it is in both, which reads as the union.
type plan struct {
	shard *shard
	units []*unit
	sets  []*set
	moves []*set // what moves leave behind, written after all sets
}

// set is one write of one part, and by how many bytes it grows.
type set struct {
	part *part
	data map[string]*string
	grow int
}

func (v *Inventory) plan(name string, batch []*change) (*plan, error) {
	s := v.shard(name)
	for _, p := range s.parts {
		if p.unknown != nil {
			return nil, p.unknown
		}
	}
	after := map[string]*unit{}
	var order []string
	for _, c := range batch {
		u := after[c.unit]
		if u == nil {
			u = &unit{name: c.unit, shard: s}
			if old := v.units[c.unit]; old != nil {
				*u = *old
			}
			after[c.unit] = u
			order = append(order, c.unit)
		}
		u.items = c.to(u.items)
		if c.revision != "" {
			u.revision = c.revision
		}
	}
	p := &plan{shard: s}
	for _, name := range order {
		if err := v.place(p, after[name]); err != nil {
			return nil, err
		}
	}
	v.restore(p)
	return p, nil
}

// place decides in which part a unit goes, and takes it out of every other.
func (v *Inventory) place(p *plan, u *unit) error {
	key := keyOf(u.name)
	value, err := encode(u.name, u.revision, u.items)
	if err != nil {
		return fmt.Errorf("write inventory of %s: %w", u.name, err)
	}
	size := len(key) + len(value)
	if size > v.limit {
		return fmt.Errorf("write inventory of %s: %d objects are more than one part can hold", u.name, len(u.items))
	}
	old := u.part
	if len(u.items) == 0 {
		u.part = nil
		put(&p.sets, old, key, nil, -u.size)
	} else if u.part = v.room(p, u, size); u.part == old {
		put(&p.sets, old, key, &value, size-u.size)
	} else {
		put(&p.sets, u.part, key, &value, size)
		put(&p.moves, old, key, nil, -u.size)
	}
	u.size = size
	for _, twin := range u.also {
		if twin != u.part && slices.Contains(p.shard.parts, twin) {
			put(&p.moves, twin, key, nil, 0)
		}
	}
	u.also = nil
	p.units = append(p.units, u)
	return nil
}

// put adds one key to the write of a part. There is none for a unit that was
// never stored.
func put(sets *[]*set, q *part, key string, value *string, grow int) {
	if q == nil {
		return
	}
	i := slices.IndexFunc(*sets, func(t *set) bool { return t.part == q })
	if i < 0 {
		i = len(*sets)
		*sets = append(*sets, &set{part: q, data: map[string]*string{}})
	}
	(*sets)[i].data[key] = value
	(*sets)[i].grow += grow
}

// room finds the part that a unit fits in, its own before others, or a new one.
func (v *Inventory) room(p *plan, u *unit, size int) *part {
	if u.part != nil && p.size(u.part)-u.size+size <= v.limit {
		return u.part
	}
	for _, q := range p.shard.parts {
		if q != u.part && p.size(q)+size <= v.limit {
			return q
		}
	}
	n := len(p.shard.parts)
	for slices.ContainsFunc(p.shard.parts, func(q *part) bool { return q.name == partName(p.shard.name, n) }) {
		n++
	}
	q := &part{name: partName(p.shard.name, n)}
	p.shard.parts = append(p.shard.parts, q)
	return q
}

// size is how many bytes a part will have, before anything moves out of it.
func (p *plan) size(q *part) int {
	for _, t := range p.sets {
		if t.part == q {
			return q.size + t.grow
		}
	}
	return q.size
}

// restore adds to the write of a lost part whatever else memory holds of it,
// so that it comes back whole.
func (v *Inventory) restore(p *plan) {
	for _, t := range slices.Concat(p.sets, p.moves) {
		if t.part.lost == nil {
			continue
		}
		for name, u := range v.units {
			key := keyOf(name)
			if _, ok := t.data[key]; ok || u.part != t.part {
				continue
			}
			if value, err := encode(name, u.revision, u.items); err == nil {
				t.data[key] = &value
			}
		}
	}
}

// carryOut writes the parts and then makes the plan what is known.
func (v *Inventory) carryOut(ctx context.Context, p *plan) error {
	for _, t := range slices.Concat(p.sets, p.moves) {
		if err := v.send(ctx, p.shard, t); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, u := range p.units {
		v.adopt(u)
	}
	return nil
}

// adopt makes a written unit what is known, but for what was confirmed or
// forgotten while it was being written.
func (v *Inventory) adopt(u *unit) {
	for _, c := range u.shard.pending {
		if c.unit == u.name && c.done == nil {
			u.items = c.to(u.items)
		}
	}
	if len(u.items) == 0 && u.part == nil {
		delete(v.units, u.name)
		return
	}
	v.units[u.name] = u
}

func (v *Inventory) send(ctx context.Context, s *shard, t *set) error {
	v.mu.Lock()
	name, version := t.part.name, t.part.version
	v.mu.Unlock()
	var err error
	if version == "" {
		version, err = v.store.Create(ctx, Part{Name: name, Shard: s.name, Format: format, Data: t.values()})
	} else {
		version, err = v.store.Patch(ctx, name, version, format, t.data)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writes++
	if err != nil {
		return fmt.Errorf("write inventory %s: %w", name, err)
	}
	t.part.version, t.part.lost = version, nil
	t.part.size += t.grow
	return nil
}

func (t *set) values() map[string]string {
	out := map[string]string{}
	for key, value := range t.data {
		if value != nil {
			out[key] = *value
		}
	}
	return out
}
