package plan_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// place is a cluster with one object and two units that may have it.
type place struct {
	object      object.Object
	unit        string // who the object names; "" for no object
	uid         string
	inventories map[catalog.UnitKey]map[object.ID]cluster.Owned
	declares    map[catalog.UnitKey]bool
	deletions   int
}

func from() catalog.UnitKey {
	return catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "from"}
}
func to() catalog.UnitKey { return catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "to"} }

// plan is one unit's, with what reconcile tells it of the other.
func (p *place) plan(unit catalog.UnitKey) plan.Plan {
	other := from()
	if unit == other {
		other = to()
	}
	d := plan.Desired{Unit: unit, Held: map[object.ID]plan.Holder{}, Elsewhere: map[object.ID]catalog.UnitKey{}}
	id := p.object.ID
	if p.declares[unit] {
		d.Objects = []object.Object{p.object}
	} else {
		d.Removed = "it was removed"
	}
	if _, has := p.inventories[other][id]; has && p.unit == other.String() {
		d.Held[id] = plan.Holder{Unit: other, Gives: !p.declares[other]}
	}
	if p.declares[other] {
		d.Elsewhere[id] = other
	}
	seen := map[object.ID]plan.Seen{}
	if p.unit != "" {
		seen[id] = plan.Seen{Entry: cluster.Entry{UID: p.uid, ResourceVersion: "1", Unit: p.unit, Applied: p.object.Digest, Clean: true, Managed: p.unit == unit.String()}}
	}
	return plan.Compute(d, plan.Live{Objects: object.Known(seen), Inventory: object.Known(p.inventories[unit])})
}

// writes are the writes of a plan, in order; a crash may come between any two.
func (p *place) writes(unit catalog.UnitKey, made plan.Plan) []func() {
	id, inventory := p.object.ID, p.inventories[unit]
	var out []func()
	for _, s := range made.Steps {
		switch s.Action {
		case plan.Create, plan.Update:
			out = append(out, func() { inventory[id] = cluster.Owned{UID: s.UID} }, func() {
				if p.unit == "" {
					p.uid += "+"
				}
				p.unit = unit.String()
			}, func() { inventory[id] = cluster.Owned{UID: p.uid} })
		case plan.Prune:
			out = append(out, func() { p.unit = ""; p.deletions++ }, func() { delete(inventory, id) })
		case plan.Release:
			out = append(out, func() {}, func() { delete(inventory, id) })
		}
	}
	return out
}

// Whichever unit declares the object, and however often that changes, and at
// whatever write the process dies: the object stays the same one, nothing is
// deleted, and in the end the one that declares it has it alone.
func TestHandoverSurvivesCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := config("moving", fields{"a": "1"})
		p := &place{object: o, unit: from().String(), uid: "uid", inventories: map[catalog.UnitKey]map[object.ID]cluster.Owned{
			from(): {o.ID: {UID: "uid"}}, to(): {},
		}, declares: map[catalog.UnitKey]bool{to(): true}}
		for range rapid.IntRange(0, 12).Draw(t, "passes") {
			unit := rapid.SampledFrom([]catalog.UnitKey{from(), to()}).Draw(t, "unit")
			writes := p.writes(unit, p.plan(unit))
			for _, write := range writes[:rapid.IntRange(0, len(writes)).Draw(t, "before the crash")] {
				write()
			}
			if rapid.IntRange(0, 4).Draw(t, "revert") == 0 {
				p.declares[from()], p.declares[to()] = p.declares[to()], p.declares[from()]
			}
		}
		for range 4 {
			for _, unit := range []catalog.UnitKey{to(), from()} {
				for _, write := range p.writes(unit, p.plan(unit)) {
					write()
				}
			}
		}
		owner, other := to(), from()
		if p.declares[from()] {
			owner, other = other, owner
		}
		if p.deletions > 0 || p.uid != "uid" || p.unit != owner.String() {
			t.Fatalf("%d deletions, UID %s, it names %s and not %s", p.deletions, p.uid, p.unit, owner)
		}
		if len(p.inventories[other]) != 0 || p.inventories[owner][o.ID].UID != "uid" {
			t.Fatalf("inventories: %v", p.inventories)
		}
	})
}
