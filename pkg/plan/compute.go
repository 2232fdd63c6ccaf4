package plan

import (
	"fmt"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/diag"
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
	} else if p.Hold = holdOf(d); p.Hold != nil {
		return p
	}
	desired := map[object.ID]bool{}
	var hooks []Step
	for i := range d.Objects {
		o := &d.Objects[i]
		desired[o.ID] = true
		place := wave.Of(*o)
		if place.Hook {
			if step, due := runHook(d, o, place, inventory, live); due {
				hooks = append(hooks, step)
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
	prunes := prune(d, func(id object.ID) bool { return desired[id] }, inventory, live)
	if p.Hold = agreed(d, prunes, len(inventory)); p.Hold != nil {
		p.Steps = nil
		return p
	}
	p.sort(prunes)
	return p
}

// holdOf says whether what is declared keeps the unit as it is.
func holdOf(d Desired) *Hold {
	if d.Invalid.Errors() {
		errors := slices.DeleteFunc(d.Invalid.Sorted(), func(m diag.Diag) bool { return m.Severity != diag.Error })
		first := errors[0]
		return &Hold{
			Reason: HoldInvalid, Message: fmt.Sprintf("%s: %s", first.Pos, first.Message),
			Hint: first.Hint, Diags: d.Invalid,
		}
	}
	return d.Renamed
}

// changes reports whether the steps amount to a sync, at which hooks run.
func changes(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return s.Action == Create || s.Action == Update })
}

// runHook says what a sync does about a hook; false where it does nothing. One
// that runs once is let be while it runs, and when it did well.
func runHook(d Desired, o *object.Object, place wave.Place, inventory map[object.ID]cluster.Owned, live map[object.ID]Seen) (Step, bool) {
	_, listed := inventory[o.ID]
	seen, there := live[o.ID]
	s := Step{ID: o.ID, Action: Run, Reason: "hook of this sync", Object: o, Place: place, Record: !listed || !there}
	if there {
		free := d
		free.Locked = false // a lock of the unit is no lock on the runs of its hooks, whose own policy says when they go
		s.Guarded = free.guarded(o.ID, seen)
		if !owns(d.Unit, o.ID, seen, inventory) {
			s.Action, s.Reason, s.Object = Conflict, "an object of this name is there and is not ours", nil
			return s, place.Phase != wave.Skipped
		}
		s.UID, s.ResourceVersion = seen.UID, seen.ResourceVersion
		if place.Once && seen.Applied == o.Digest && !seen.Deleting && seen.Health != cluster.Degraded {
			s.Action, s.Reason = Await, "was begun before and has not ended"
			return s, seen.Health == cluster.Progressing
		}
	}
	return s, place.Phase != wave.Skipped
}

// DeletedByHand is the reason of a step for an object that was there, is
// declared, and is gone.
const DeletedByHand = "was deleted by hand"

// compare says what has to be done to bring one object about.
func compare(d Desired, o *object.Object, inventory map[object.ID]cluster.Owned, live map[object.ID]Seen) (Step, bool) {
	owned, listed := inventory[o.ID]
	s := Step{ID: o.ID, Object: o, Record: !listed || owned.UID == "" || owned.Condemned}
	seen, there := live[o.ID]
	switch {
	case !there:
		s.Action, s.Reason, s.Record = Create, "declared and not there", true
		if owned.UID != "" && !owned.Condemned {
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
	case (!listed || owned.UID != "" && owned.UID != seen.UID) && seen.Unit == d.Unit.String() && seen.Managed:
		s.Action, s.Reason, s.Record = Update, "its record in the inventory was lost; it is recorded again", true
		s.UID, s.Adopt = seen.UID, d.adopts(o.ID)
		return s, true
	case !owns(d.Unit, o.ID, seen, inventory):
		return takeOver(d, s, seen), true
	case owned.Condemned:
		s.Action, s.Reason = Update, "is declared again, and its deletion was decided before"
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

// takeOver says what becomes of a declared object that is live and not the
// unit's: it moves here if its unit gave it up, it is adopted if the environment
// says so, and else it is a conflict.
func takeOver(d Desired, s Step, seen Seen) Step {
	holder, held := d.Held[s.ID]
	switch {
	case held && holder.Gives:
		s.Action, s.Reason = Update, fmt.Sprintf("moves here from %s, which does not declare it any more", holder.Unit)
		s.From = holder.Unit
	case !held && d.adopts(s.ID):
		s.Action, s.Reason, s.Adopt = Update, "was there before and is adopted, as environment "+d.Unit.Environment+" says", true
	default:
		s.Action, s.Object = Conflict, nil
		s.Reason = "an object of this name is there and is not ours"
		if held {
			s.Reason = "belongs to " + holder.Unit.String()
		} else if seen.Unit != "" {
			s.Reason = "belongs to " + seen.Unit
		}
		return s
	}
	s.UID, s.Force, s.Record = seen.UID, true, true
	s.Fields = difference(s.ID, before(seen), s.Object.Fields())
	return s
}

// owns reports whether a live object is this unit's: the object says so itself
// and the inventory knows it, by UID where that was confirmed.
func owns(unit catalog.UnitKey, id object.ID, seen Seen, inventory map[object.ID]cluster.Owned) bool {
	owned, listed := inventory[id]
	return listed && seen.Unit == unit.String() && (owned.UID == "" || owned.UID == seen.UID)
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
	return object.Redact(id, object.Diff(before, after), before, after)
}

// prune lists what the inventory has and the declaration has not.
func prune(d Desired, declares func(object.ID) bool, inventory map[object.ID]cluster.Owned, live map[object.ID]Seen) []Step {
	reason := "not declared any more"
	if d.Removed != "" {
		reason = d.Removed
	}
	var steps []Step
	for id, owned := range inventory {
		if d.Removed == "" && declares(id) {
			continue
		}
		seen, there := live[id]
		s := Step{ID: id, Action: Prune, Reason: reason, Owned: owned.UID, UID: seen.UID, ResourceVersion: seen.ResourceVersion, Place: wave.PlaceOf(id)}
		s.Condemned, s.Guarded = owned.Condemned, d.guarded(id, seen)
		if !there {
			s.Action, s.Reason = Release, "already gone"
		} else {
			s = spare(d, s, owned, seen)
		}
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b Step) int { return a.ID.Compare(b.ID) })
	return steps
}

// spare turns a deletion into what it must be instead where the object is not
// ours, was adopted, lives on in another unit, or goes already.
func spare(d Desired, s Step, owned cluster.Owned, seen Seen) Step {
	heir, moves := d.Elsewhere[s.ID]
	same := owned.UID == "" || owned.UID == seen.UID
	switch {
	case moves && same && seen.Unit == heir.String():
		s.Action, s.Reason, s.GiveUp = Release, "moved to "+heir.String(), GiveUpFields
	case seen.Unit != d.Unit.String() || !same:
		s.Action, s.Reason = Release, "an object of this name is there and is not ours"
	case moves:
		s.Action, s.Reason = Wait, fmt.Sprintf("%s declares it, or names it and does not evaluate, and has not taken it over yet", heir)
	case owned.Adopted:
		s.Action, s.Reason, s.GiveUp = Release, "was there before us and stays", GiveUpMarks
	case seen.Deleting:
		s.Action, s.Reason = Wait, "is being deleted"
		if seen.Message != "" {
			s.Reason += ": " + seen.Message
		}
	}
	return s
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
