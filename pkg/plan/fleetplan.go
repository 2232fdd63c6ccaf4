package plan

import (
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Set is the plans of many units.
type Set struct {
	// Base and Revision are what is compared: live clusters for an empty Base.
	Base     string `json:"base,omitempty"`
	Revision string `json:"revision"`
	Plans    []Plan `json:"plans"`
	// Unchanged counts the units for which nothing has to be done.
	Unchanged int `json:"unchanged"`
}

// Collect sorts plans and sets those with nothing to say aside.
func Collect(base, revision string, plans []Plan) Set {
	s := Set{Base: base, Revision: revision, Plans: []Plan{}}
	for _, p := range plans {
		if p.Empty() {
			s.Unchanged++
			continue
		}
		s.Plans = append(s.Plans, p)
	}
	slices.SortFunc(s.Plans, func(a, b Plan) int { return cmp.Compare(a.Unit.String(), b.Unit.String()) })
	return s
}

// Counts adds up the steps by action, and the units that are held.
func (s Set) Counts() (actions map[Action]int, held int) {
	actions = map[Action]int{}
	for _, p := range s.Plans {
		if p.Hold != nil {
			held++
		}
		for _, step := range p.Steps {
			actions[step.Action]++
		}
	}
	return actions, held
}

// Digest identifies everything the plans do.
func (s Set) Digest() object.Digest {
	h := sha256.New()
	for _, p := range s.Plans {
		d := p.Digest()
		h.Write(d[:])
	}
	return object.Digest(h.Sum(nil))
}

// Assume is the live side as it would be if a revision had been applied and
// nothing touched since: what a plan between two revisions compares with.
func Assume(unit string, objects []object.Object) Live {
	seen := make(map[object.ID]Seen, len(objects))
	inventory := make(map[object.ID]cluster.Owned, len(objects))
	for i := range objects {
		o := &objects[i]
		seen[o.ID] = Seen{
			Entry:  cluster.Entry{UID: "assumed", Unit: unit, Applied: o.Digest, Clean: true},
			Before: o,
		}
		inventory[o.ID] = cluster.Owned{UID: "assumed"}
	}
	return Live{Objects: object.Known(seen), Inventory: object.Known(inventory)}
}
