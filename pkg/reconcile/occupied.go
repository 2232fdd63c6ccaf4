package reconcile

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// occupied reports whether a team's unit that is to go has to wait for others in its
// namespace; then it is looked at again.
func (l *loop) occupied(live Live, key catalog.UnitKey, d plan.Desired) bool {
	in := l.inside(live, key, d)
	if in == "" {
		return false
	}
	l.note(key, func(s *status.Unit) {
		s.Sync, s.Reason, s.Message = status.Removing, "DeletionWaits", "it goes after "+in+", which is in its namespace"
	})
	l.queue.add(l.now().Add(firstRetry), key)
	return true
}

// inside names a unit that has objects in the namespace of a team's unit which is to
// go; "" for none. What is in there goes first, in the name of an account that goes with
// the namespace; and what does not go, as it is held or not known to be removed, is not
// to be deleted with what is around it.
func (l *loop) inside(live Live, key catalog.UnitKey, d plan.Desired) string {
	if _, team := key.Team(); !team || d.Removed == "" {
		return ""
	}
	own, known := live.Inventory(key.String()).Members()
	units, all := live.Units().Members()
	if !known || !all {
		return "what is not known"
	}
	spaces := map[string]bool{}
	for id := range own {
		if id.Kind == "Namespace" && id.Group == "" && len(l.fleet.Declaring(key.Cluster, id)) == 0 { // else it moves, and all stays
			spaces[id.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		other, err := catalog.ParseUnitKey(name)
		if err != nil || other == key || other.Cluster != key.Cluster || other.Environment != key.Environment {
			continue
		}
		objects, known := live.Inventory(name).Members()
		in := func(id object.ID) bool { return spaces[id.Namespace] }
		if !known || slices.ContainsFunc(slices.Collect(maps.Keys(objects)), in) {
			return name
		}
	}
	return ""
}
