package plan_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// drawn is a random desired and live side, each object of either in any state.
func drawn(t *rapid.T) (plan.Desired, side) {
	d := wants()
	d.Held, d.Elsewhere = map[object.ID]plan.Holder{}, map[object.ID]catalog.UnitKey{}
	d.Consent = plan.Consent{Cluster: "cluster-uid", File: "environments/prod/environment.cue", Line: `consents: "eu/checkout": %q`}
	other := catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "other"}
	d.Drift = rapid.SampledFrom([]catalog.DriftMode{catalog.Heal, catalog.Report}).Draw(t, "drift")
	s := newSide()
	for i := range rapid.IntRange(0, 30).Draw(t, "objects") {
		version := func(v int) object.Object {
			name, data := fmt.Sprint("o", i), fields{"data": fields{"a": fmt.Sprint(v)}}
			if i%5 == 4 {
				return made("v1", "PersistentVolumeClaim", name, data)
			}
			return made("v1", []string{"ConfigMap", "Secret", "Service"}[i%3], name, data)
		}
		was := version(0)
		if rapid.IntRange(0, 3).Draw(t, "declared") > 0 {
			o := version(rapid.IntRange(0, 1).Draw(t, "version"))
			d.Objects = append(d.Objects, o)
		}
		uid := fmt.Sprint("uid", i)
		if rapid.IntRange(0, 2).Draw(t, "there") > 0 {
			seen := plan.Seen{Entry: cluster.Entry{
				UID: rapid.SampledFrom([]string{uid, uid, uid, "made-anew"}).Draw(t, "uid"), ResourceVersion: "7",
				Unit:    rapid.SampledFrom([]string{shop().String(), shop().String(), shop().String(), "prod/eu/other", ""}).Draw(t, "owner"),
				Applied: was.Digest, Clean: rapid.Bool().Draw(t, "clean"), Deleting: rapid.IntRange(0, 6).Draw(t, "deleting") == 0,
			}}
			if !seen.Clean && rapid.Bool().Draw(t, "read") {
				f := edited(was, fields{"a": rapid.SampledFrom([]string{"0", "9"}).Draw(t, "live")})
				seen.Live = &cluster.Live{ID: was.ID, Fields: f, Owned: f}
			}
			s.seen[was.ID] = seen
		}
		if recorded := rapid.SampledFrom([]string{uid, uid, uid, "", "none"}).Draw(t, "recorded"); recorded != "none" {
			fact := rapid.IntRange(0, 9).Draw(t, "fact")
			s.inventory[was.ID] = cluster.Owned{UID: recorded, Adopted: fact == 0, Condemned: fact == 1 && recorded != ""}
		}
		switch rapid.IntRange(0, 9).Draw(t, "elsewhere") {
		case 0:
			d.Elsewhere[was.ID] = other
		case 1:
			d.Held[was.ID] = plan.Holder{Unit: other, Gives: rapid.Bool().Draw(t, "gives")}
		case 2:
			d.Adopt = append(d.Adopt, was.ID.Kind+"/"+was.ID.Name)
		case 3:
			s.change(was, func(s *plan.Seen) { s.Locked = s.UID != "" })
			if s.seen[was.ID].UID == "" {
				delete(s.seen, was.ID)
			}
		}
	}
	d.Locks = rapid.SampledFrom([][]string{nil, nil, {"Service"}}).Draw(t, "locks")
	d.Locked = rapid.IntRange(0, 9).Draw(t, "locked") == 0
	if rapid.IntRange(0, 3).Draw(t, "removed") == 0 {
		d = removed(d)
	}
	return d, s
}

// Nothing is ever pruned that the inventory does not list, by UID where it has
// one, and that does not name the unit itself; nor what was adopted, what another
// unit declares, and, unless it was condemned before, what is protected or locked,
// or more than the budget allows.
func TestOnlyWhatIsOursIsPruned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t)
		p := plan.Compute(d, s.live())
		declared, undecided := map[object.ID]bool{}, 0
		for _, o := range d.Objects {
			declared[o.ID] = d.Removed == ""
		}
		for _, step := range p.Steps {
			if step.Action != plan.Prune {
				continue
			}
			owned, listed := s.inventory[step.ID]
			uid := owned.UID
			seen, there := s.seen[step.ID]
			_, elsewhere := d.Elsewhere[step.ID]
			guarded := object.Protected(step.ID) || d.Locked || seen.Locked || slices.Contains(d.Locks, step.ID.Kind)
			if !owned.Condemned {
				undecided++
			}
			switch {
			case owned.Adopted, elsewhere, guarded && !owned.Condemned, step.Condemn:
				t.Fatalf("%s is pruned; recorded %+v, elsewhere %v, guarded %v", step.ID, owned, elsewhere, guarded)
			case !listed, !there, uid != "" && uid != seen.UID, seen.Unit != shop().String(), declared[step.ID]:
				t.Fatalf("%s is pruned; listed %v (%q), live %+v, declared %v", step.ID, listed, uid, seen.Entry, declared[step.ID])
			case step.UID != seen.UID || step.ResourceVersion != seen.ResourceVersion:
				t.Fatalf("%s is pruned without what it was seen as", step.ID)
			}
		}
		if d.Removed == "" && (undecided > max(5, len(s.inventory)/5) || undecided > 0 && len(d.Objects) == 0) {
			t.Fatalf("%d of %d are pruned, %d are declared", undecided, len(s.inventory), len(d.Objects))
		}
	})
}

func TestUnknownAndHeldDoNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t)
		why := errors.New("no answer")
		noObjects, noInventory := s.live(), s.live()
		noObjects.Objects = object.Unknown[object.ID, plan.Seen](why)
		noInventory.Inventory = object.Unknown[object.ID, cluster.Owned](why)
		for _, l := range []plan.Live{noObjects, noInventory, {}} {
			if p := plan.Compute(d, l); len(p.Steps) > 0 || p.Hold == nil || p.Hold.Reason != plan.HoldUnknown {
				t.Fatalf("an unknown live side gives %+v", p)
			}
		}
		if d.Removed != "" {
			return
		}
		d.Invalid = diag.List{{Severity: diag.Error, Message: "wrong"}}
		if p := plan.Compute(d, s.live()); len(p.Steps) > 0 || p.Hold == nil || p.Hold.Reason != plan.HoldInvalid {
			t.Fatalf("a held unit gives %+v", p)
		}
	})
}

func TestHeldPlansHaveNoSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t)
		if p := plan.Compute(d, s.live()); p.Hold != nil && len(p.Steps) > 0 {
			t.Fatalf("held with steps: %+v", p)
		}
	})
}

// carryOut does to a model what the applier does to a cluster.
func carryOut(s side, p plan.Plan) side {
	next := side{seen: maps.Clone(s.seen), inventory: maps.Clone(s.inventory)}
	for _, step := range p.Steps {
		switch step.Action {
		case plan.Wait:
			delete(next.seen, step.ID) // what was waited for has happened
			delete(next.inventory, step.ID)
		case plan.Create, plan.Update, plan.Heal:
			uid := next.seen[step.ID].UID
			if uid == "" {
				uid = "new-" + step.ID.Name
			}
			next.seen[step.ID] = plan.Seen{Entry: cluster.Entry{UID: uid, Unit: shop().String(), Applied: step.Object.Digest, Clean: true}}
			next.inventory[step.ID] = cluster.Owned{UID: uid}
		case plan.Prune:
			delete(next.seen, step.ID)
			delete(next.inventory, step.ID)
		case plan.Release:
			delete(next.inventory, step.ID)
		}
	}
	return next
}

// What is left after a plan was carried out is only what somebody else has to
// do: a conflict to resolve, a change that is reported.
func TestAppliedPlanLeavesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t)
		p := plan.Compute(d, s.live())
		if p.Hold != nil {
			return
		}
		again := plan.Compute(d, carryOut(s, p).live())
		if again.Hold != nil {
			t.Fatalf("held after it was applied: %+v", again.Hold)
		}
		for _, step := range again.Steps {
			if step.Action != plan.Conflict && step.Action != plan.Drift {
				t.Fatalf("after it was applied there is still %s %s: %s\nfirst %v", step.Action, step.ID, step.Reason, p)
			}
		}
	})
}

// The same arguments give the same plan, in whatever order they come; the digest
// is that of what is done.
func TestComputeIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, s := drawn(t)
		p := plan.Compute(d, s.live())
		shuffled := d
		shuffled.Objects = rapid.Permutation(d.Objects).Draw(t, "order")
		again := plan.Compute(shuffled, side{seen: maps.Clone(s.seen), inventory: maps.Clone(s.inventory)}.live())
		if p.Digest() != again.Digest() || !slices.EqualFunc(p.Steps, again.Steps, sameStep) {
			t.Fatalf("another order gives another plan:\n%+v\n%+v", p.Steps, again.Steps)
		}
		other, t2 := drawn(t)
		q := plan.Compute(other, t2.live())
		if equal := slices.EqualFunc(p.Steps, q.Steps, sameStep); equal != (p.Digest() == q.Digest()) {
			t.Fatalf("equal steps %v, equal digests %v", equal, !equal)
		}
	})
}

// sameStep compares what a step does.
func sameStep(a, b plan.Step) bool {
	digest := func(s plan.Step) object.Digest {
		if s.Object == nil {
			return object.Digest{}
		}
		return s.Object.Digest
	}
	return a.ID == b.ID && a.Action == b.Action && digest(a) == digest(b) && a.UID == b.UID && a.Force == b.Force
}
