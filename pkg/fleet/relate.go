package fleet

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// Removal proves that a unit which nothing declares was removed on purpose, or
// says why that cannot be said. recorded is the revision at which its objects
// were recorded last.
type Removal func(key catalog.UnitKey, recorded string) (reason string, err error)

// Inventories are what a cluster's inventories hold of each unit.
type Inventories interface {
	// Inventory is what a unit has recorded as its own.
	Inventory(unit string) object.Set[object.ID, cluster.Owned]
	// Units are those that have an inventory, with the revision each was recorded at.
	Units() object.Set[string, string]
	// Recorded is the revision at which a unit's objects were recorded last.
	Recorded(unit string) string
}

// relations is what a unit's plan must know of other units: who has what it
// declares, and who declares what it has.
type relations struct {
	fleet   *Fleet
	live    Inventories
	removal Removal
}

// Relate adds to what should be of a unit how it stands to the other units of
// its cluster: objects that move are handed over and never deleted.
func Relate(f *Fleet, live Inventories, removal Removal, d plan.Desired, l plan.Live) plan.Desired {
	r := relations{f, live, removal}
	seen, alive := l.Objects.Members()
	inventory, known := l.Inventory.Members()
	if !alive || !known {
		return d // the plan will be held
	}
	d.Held, d.Elsewhere = map[object.ID]plan.Holder{}, map[object.ID]catalog.UnitKey{}
	declared := map[object.ID]bool{}
	for _, o := range d.Objects {
		declared[o.ID] = true
		s, there := seen[o.ID]
		if !there || s.Unit == d.Unit.String() {
			continue
		}
		if holder, held := r.holder(d, o.ID, s); held {
			d.Held[o.ID] = holder
		}
	}
	for id := range inventory {
		if declared[id] && d.Removed == "" {
			continue
		}
		if heir, found := r.heir(d.Unit, id); found {
			d.Elsewhere[id] = heir
		}
	}
	return d
}

// holder finds the unit that has a live object in its inventory: first the one
// that the object names, and before an adoption any other.
func (r relations) holder(d plan.Desired, id object.ID, s plan.Seen) (plan.Holder, bool) {
	if key, err := catalog.ParseUnitKey(s.Unit); err == nil && key.Cluster == d.Unit.Cluster && r.has(key, id, s) {
		return plan.Holder{Unit: key, Gives: r.gives(key, id)}, true
	}
	if len(d.Adopt) == 0 {
		return plan.Holder{}, false
	}
	units, known := r.live.Units().Members()
	if !known {
		return plan.Holder{Unit: d.Unit}, true // whose it is cannot be said
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		key, err := catalog.ParseUnitKey(name)
		if err == nil && key != d.Unit && r.has(key, id, s) {
			return plan.Holder{Unit: key}, true
		}
	}
	return plan.Holder{}, false
}

// has reports whether a unit's inventory lists the live object. What is not
// known counts as listed: nothing is taken from a unit on a guess.
func (r relations) has(key catalog.UnitKey, id object.ID, s plan.Seen) bool {
	owned, known := r.live.Inventory(key.String()).Members()
	if !known {
		return true
	}
	entry, listed := owned[id]
	return listed && (entry.UID == s.UID || entry.UID == "" && s.Unit == key.String())
}

// gives reports whether a unit does not declare an object any more, for certain:
// it evaluates and leaves it out, or Git proves that it was removed.
func (r relations) gives(key catalog.UnitKey, id object.ID) bool {
	owned, known := r.live.Inventory(key.String()).Members()
	if !known || owned[id].Condemned {
		return false // what is being deleted is not handed over on its way
	}
	if want := r.fleet.Unit(key); want != nil {
		return !want.Held() && !want.Declares(id)
	}
	_, err := r.removal(key, r.live.Recorded(key.String()))
	return err == nil
}

// heir finds another unit of the cluster that declares an object, or that cannot be
// evaluated at present and has begun to take it over or has files that name it.
func (r relations) heir(from catalog.UnitKey, id object.ID) (catalog.UnitKey, bool) {
	for _, key := range r.fleet.Declaring(from.Cluster, id) {
		if key != from {
			return key, true
		}
	}
	for _, u := range r.fleet.broken(from.Cluster) {
		owned, known := r.live.Inventory(u.Key.String()).Members()
		_, listed := owned[id]
		if u.Key != from && (!known || listed || r.fleet.mentions(u, id)) {
			return u.Key, true
		}
	}
	return catalog.UnitKey{}, false
}
