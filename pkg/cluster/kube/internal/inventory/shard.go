package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// format is the version of what is written; format 1, which knew no facts beside
// the UID, can be read as well.
const (
	format    = "2"
	formatOne = "1"
)

// shard is the units that are stored together, one environment and team.
type shard struct {
	name    string
	parts   []*part
	pending []*change
	batch   []*change // being written
	running bool
	timer   *time.Timer
	failed  error // of the last write
}

// part is what is known of one stored part.
type part struct {
	name    string
	version string // empty while it is not stored
	size    int
	lost    error            // it was stored, and is no longer
	unknown error            // it is of a format we cannot read
	damaged map[string]error // values that cannot be read, by key
}

// whole says why a shard cannot be enumerated; nil if it can.
func (s *shard) whole() error {
	for _, p := range s.parts {
		if err := errors.Join(p.lost, p.unknown); err != nil {
			return err
		}
		for _, err := range p.damaged {
			return err
		}
	}
	return nil
}

// why says why the entries of one unit cannot be known; nil if they are.
func (s *shard) why(unit string) error {
	for _, p := range s.parts {
		if err := errors.Join(p.lost, p.unknown, p.damaged[keyOf(unit)]); err != nil {
			return err
		}
	}
	return nil
}

// forgetting reports whether an entry of a unit is about to be removed or
// condemned, so that "it is stored" may not be true for long.
func (s *shard) forgetting(unit string) bool {
	forgets := func(c *change) bool { return (c.forget || c.condemn != nil) && c.unit == unit }
	return slices.ContainsFunc(s.batch, forgets) || slices.ContainsFunc(s.pending, forgets)
}

// closed says why nothing may be recorded for a unit: what is stored for it
// cannot be read, so a write could lose some of it.
func (s *shard) closed(unit string) error {
	for _, p := range s.parts {
		if err := errors.Join(p.unknown, p.damaged[keyOf(unit)]); err != nil {
			return err
		}
	}
	return nil
}

// shard gives the shard of a name. The caller holds the lock.
func (v *Inventory) shard(name string) *shard {
	s := v.shards[name]
	if s == nil {
		s = &shard{name: name}
		v.shards[name] = s
	}
	return s
}

// partName names the n-th part of a shard. Example: "inventory.prod.shop.1".
func partName(shard string, n int) string {
	name := "inventory." + shard
	if n > 0 {
		name += "." + strconv.Itoa(n)
	}
	return name
}

// Load reads the whole inventory, or fails and leaves what was known.
func (v *Inventory) Load(ctx context.Context) error {
	for {
		v.mu.Lock()
		before := v.writes
		v.mu.Unlock()
		parts, err := v.store.List(ctx)
		if err != nil {
			return fmt.Errorf("load inventory: %w", err)
		}
		if done, err := v.installIf(ctx, before, parts); done || err != nil {
			return err
		}
	}
}

// installIf installs a listing unless a write ended after it was begun or is
// still going on: the listing may be older than that. It then waits for the
// write, so that the next listing is not.
func (v *Inventory) installIf(ctx context.Context, before int, parts []Part) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.writes == before && !v.writing() {
		v.install(parts)
		return true, nil
	}
	if err := v.waitIdle(ctx, v.writing); err != nil {
		return false, fmt.Errorf("load inventory: %w", err)
	}
	return false, nil
}

func (v *Inventory) writing() bool {
	for _, s := range v.shards {
		if s.running {
			return true
		}
	}
	return false
}

// waitIdle waits, with the lock held, until nothing is busy.
func (v *Inventory) waitIdle(ctx context.Context, busy func() bool) error {
	stop := context.AfterFunc(ctx, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.idle.Broadcast()
	})
	defer stop()
	for busy() {
		if err := ctx.Err(); err != nil {
			return err
		}
		v.idle.Wait()
	}
	return nil
}

// install takes a listing for the truth. Changes not yet written are made
// again on it; a part that is known and not in it was lost.
func (v *Inventory) install(list []Part) {
	old := v.shards
	units := v.units
	v.shards, v.units = map[string]*shard{}, map[string]*unit{}
	slices.SortFunc(list, func(a, b Part) int { return strings.Compare(a.Name, b.Name) })
	for _, stored := range list {
		v.installPart(stored)
	}
	for name, s := range old {
		now := v.shard(name)
		now.pending, now.batch, now.running = s.pending, s.batch, s.running
		now.timer, now.failed = s.timer, s.failed
		v.keepLost(now, s, units)
		for _, c := range slices.Concat(now.batch, now.pending) {
			if u := v.units[c.unit]; u != nil && c.done == nil && u.has(c.id) {
				u.items = c.to(u.items)
			}
		}
	}
	v.loaded = true
}

func (v *Inventory) installPart(in Part) {
	s := v.shard(in.Shard)
	p := &part{name: in.Name, version: in.Version, damaged: map[string]error{}}
	s.parts = append(s.parts, p)
	if in.Format != format && in.Format != formatOne {
		p.unknown = fmt.Errorf("inventory %s is of format %q, and only %q and %q can be read", in.Name, in.Format, formatOne, format)
		return
	}
	for key, value := range in.Data {
		p.size += len(key) + len(value)
		u, err := decode(key, value)
		if err != nil {
			p.damaged[key] = fmt.Errorf("%s: %w", in.Name, err)
			continue
		}
		if twin := v.units[u.name]; twin != nil {
			u.items = union(u.items, twin.items)
			u.also = append(twin.also, twin.part)
		}
		u.shard, u.part = s, p
		v.units[u.name] = u
	}
}

// keepLost carries parts over that were stored before and are gone now, with
// their units: they are unknown, and the next write puts them back.
func (v *Inventory) keepLost(now, before *shard, units map[string]*unit) {
	for _, p := range before.parts {
		if p.version == "" && p.lost == nil || slices.ContainsFunc(now.parts, func(q *part) bool { return q.name == p.name }) {
			continue
		}
		p.version = ""
		if p.lost == nil {
			p.lost = fmt.Errorf("inventory %s was deleted by someone: %w", p.name, cluster.ErrNotFound)
			v.log.Error("inventory is lost; nothing of it is pruned until it is written again", "object", p.name)
		}
		now.parts = append(now.parts, p)
		for name, u := range units {
			if u.part == p && v.units[name] == nil {
				u.shard, u.also = now, nil
				v.units[name] = u
			}
		}
	}
}

// Check makes sure that what is known of a unit's shard is what is stored,
// reading it again where it is not. A write of our own at the same time is
// waited for and looked at again.
func (v *Inventory) Check(ctx context.Context, name string) error {
	for range 3 {
		same, err := v.same(ctx, name)
		if err != nil {
			return fmt.Errorf("check inventory of %s: %w", name, err)
		}
		if same {
			return nil
		}
		v.mu.Lock()
		err = v.waitIdle(ctx, func() bool { u := v.units[name]; return u != nil && u.shard.running })
		v.mu.Unlock()
		if err != nil {
			return fmt.Errorf("check inventory of %s: %w", name, err)
		}
	}
	return v.Load(ctx)
}

// same reports whether each part of a unit's shard is stored in the version
// that is known, which our own write may have moved on meanwhile.
func (v *Inventory) same(ctx context.Context, name string) (bool, error) {
	for _, part := range v.partsOf(name) {
		stored, err := v.store.Version(ctx, part)
		if errors.Is(err, cluster.ErrNotFound) {
			stored = "none"
		} else if err != nil {
			return false, err
		}
		if !v.knows(name, part, stored) {
			return false, nil
		}
	}
	return true, nil
}

func (v *Inventory) partsOf(name string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	if u := v.units[name]; u != nil {
		for _, p := range u.shard.parts {
			out = append(out, p.name)
		}
	}
	return out
}

func (v *Inventory) knows(name, partName, version string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.units[name]
	return u != nil && slices.ContainsFunc(u.shard.parts, func(p *part) bool {
		return p.name == partName && p.version == version
	})
}
