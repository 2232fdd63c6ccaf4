package plan

import (
	"fmt"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/wave"
)

// Compute makes the plan of one unit. It has no clock and asks nobody: the
// same arguments give the same plan.
func Compute(d Desired, l Live) Plan {
	p := Plan{Unit: d.Unit, Revision: d.Revision, Removed: d.Removed}
	inventory, known := l.Inventory.Members()
	if !known {
		p.Hold = &Hold{Reason: HoldUnknown, Message: fmt.Sprintf("the inventory cannot be read: %v", l.Inventory.Why())}
		return p
	}
	live, known := l.Objects.Members()
	if !known {
		p.Hold = &Hold{Reason: HoldUnknown, Message: fmt.Sprintf("live objects cannot be read: %v", l.Objects.Why())}
		return p
	}
	if d.Removed != "" {
		d.Objects = nil
	} else if p.Hold = holdOf(d, inventory); p.Hold != nil {
		return p
	}
	desired := map[object.ID]bool{}
	var hooks []Step
	for i := range d.Objects {
		o := &d.Objects[i]
		desired[o.ID] = true
		place := wave.Of(*o)
		if place.Hook {
			if place.Phase != wave.Skipped {
				hooks = append(hooks, runHook(d, o, place, inventory, live))
			}
			continue
		}
		step, differs := compare(d, o, inventory, live)
		if !differs {
			p.Unchanged++
			continue
		}
		step.Place = place
		p.Steps = append(p.Steps, step)
	}
	if changes(p.Steps) {
		p.Steps = append(p.Steps, hooks...)
	}
	prunes := prune(d, desired, inventory, live)
	if p.Hold = budget(d, prunes, len(inventory)); p.Hold != nil {
		p.Steps = nil
		return p
	}
	p.sort(prunes)
	return p
}

// holdOf says whether what is declared keeps the unit as it is.
func holdOf(d Desired, inventory map[object.ID]string) *Hold {
	if d.Invalid.Errors() {
		first := d.Invalid.Sorted()[0]
		return &Hold{
			Reason: HoldInvalid, Message: fmt.Sprintf("%s: %s", first.Pos, first.Message),
			Hint: first.Hint, Diags: d.Invalid,
		}
	}
	if len(d.Objects) == 0 && len(inventory) > 0 {
		return &Hold{
			Reason:  HoldEmpty,
			Message: fmt.Sprintf("the unit is declared and renders to nothing; its %d objects stay", len(inventory)),
			Hint:    "remove its release to remove it",
		}
	}
	return nil
}

// changes reports whether the steps amount to a sync, at which hooks run.
func changes(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return s.Action == Create || s.Action == Update })
}

func runHook(d Desired, o *object.Object, place wave.Place, inventory map[object.ID]string, live map[object.ID]Seen) Step {
	_, listed := inventory[o.ID]
	s := Step{ID: o.ID, Action: Run, Reason: "hook of this sync", Object: o, Place: place, Record: !listed}
	if seen, there := live[o.ID]; there {
		if !owns(d.Unit, o.ID, seen, inventory) {
			s.Action, s.Reason, s.Object = Conflict, "an object of this name is there and is not ours", nil
			return s
		}
		s.UID, s.ResourceVersion = seen.UID, seen.ResourceVersion
	}
	return s
}

// DeletedByHand is the reason of a step for an object that was there, is
// declared, and is gone.
const DeletedByHand = "was deleted by hand"

// compare says what has to be done to bring one object about.
func compare(d Desired, o *object.Object, inventory map[object.ID]string, live map[object.ID]Seen) (Step, bool) {
	uid, listed := inventory[o.ID]
	s := Step{ID: o.ID, Object: o, Record: !listed || uid == ""}
	seen, there := live[o.ID]
	switch {
	case !there:
		s.Action, s.Reason = Create, "declared and not there"
		if uid != "" {
			s.Reason = DeletedByHand
			if d.Drift == catalog.Report {
				s.Action, s.Object = Drift, nil
			}
			return s, true
		}
		s.Fields = difference(o.ID, nil, o.Fields())
		return s, true
	case seen.Deleting:
		return Step{}, false // wait until it is gone; its deletion is an event
	case !listed && seen.Unit == d.Unit.String() && seen.Managed:
		s.Action, s.Reason = Update, "its record in the inventory was lost; it is recorded again"
		return s, true
	case !owns(d.Unit, o.ID, seen, inventory):
		s.Action, s.Object = Conflict, nil
		s.Reason = "an object of this name is there and is not ours"
		if seen.Unit != "" {
			s.Reason = "belongs to " + seen.Unit
		}
		return s, true
	case seen.Applied != o.Digest:
		s.Action, s.Reason = Update, "what is declared changed"
		s.Fields = difference(o.ID, before(seen), o.Fields())
		s.Force = !seen.Clean && d.Drift != catalog.Report // somebody else may hold fields of ours
		return s, true
	case seen.Clean:
		return Step{}, false
	}
	return drift(d, s, seen)
}

// owns reports whether a live object is this unit's: the object says so itself
// and the inventory knows it, by UID where that was confirmed.
func owns(unit catalog.UnitKey, id object.ID, seen Seen, inventory map[object.ID]string) bool {
	uid, listed := inventory[id]
	return listed && seen.Unit == unit.String() && (uid == "" || uid == seen.UID)
}

// before is what the field differences start from: what we last applied, or
// what is live.
func before(seen Seen) map[string]any {
	if seen.Before != nil {
		return seen.Before.Fields()
	}
	if seen.Live != nil {
		return seen.Live.Owned
	}
	return nil
}

func difference(id object.ID, before, after map[string]any) []object.FieldChange {
	return object.Redact(id, object.Diff(before, after))
}

// prune lists what the inventory has and the declaration has not.
func prune(d Desired, desired map[object.ID]bool, inventory map[object.ID]string, live map[object.ID]Seen) []Step {
	reason := "not declared any more"
	if d.Removed != "" {
		reason = d.Removed
	}
	var steps []Step
	for id, uid := range inventory {
		if desired[id] {
			continue
		}
		seen, there := live[id]
		s := Step{ID: id, Action: Prune, Reason: reason, Owned: uid, UID: seen.UID, ResourceVersion: seen.ResourceVersion, Place: wave.PlaceOf(id)}
		switch {
		case !there:
			s.Action, s.Reason = Release, "already gone"
		case seen.Unit != d.Unit.String() || uid != "" && uid != seen.UID:
			s.Action, s.Reason = Release, "an object of this name is there and is not ours"
		case seen.Deleting:
			s.Reason = "is being deleted"
		}
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b Step) int { return a.ID.Compare(b.ID) })
	return steps
}

// budget holds a plan that deletes more than a declared unit may lose at once,
// or that deletes what takes other things with it.
func budget(d Desired, prunes []Step, inventory int) *Hold {
	n := 0
	for _, s := range prunes {
		if s.Action != Prune {
			continue
		}
		n++
		if object.Protected(s.ID) {
			return &Hold{
				Reason:  HoldProtected,
				Message: fmt.Sprintf("%s would be deleted, and with it what it holds; it stays", s.ID),
				Hint:    "delete it by hand once nothing needs it",
			}
		}
	}
	if limit := max(5, inventory/5); d.Removed == "" && n > limit {
		return &Hold{
			Reason:  HoldBudget,
			Message: fmt.Sprintf("%d of %d objects would be deleted from a unit that is still declared; at most %d may go at once", n, inventory, limit),
			Hint:    "remove them in smaller steps, or remove the unit's release if it should go",
		}
	}
	return nil
}

// sort puts the steps in the order they are carried out: what is applied by
// phase, wave and tier, then what goes, in reverse.
func (p *Plan) sort(prunes []Step) {
	slices.SortStableFunc(p.Steps, func(a, b Step) int {
		if c := a.Place.Compare(b.Place); c != 0 {
			return c
		}
		return a.ID.Compare(b.ID)
	})
	slices.SortStableFunc(prunes, func(a, b Step) int { return b.Place.Compare(a.Place) })
	p.Steps = append(p.Steps, prunes...)
}
