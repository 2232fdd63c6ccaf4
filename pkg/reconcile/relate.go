package reconcile

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/render"
)

// Removal proves that a unit which nothing declares was removed on purpose, or
// says why that cannot be said. recorded is the revision at which its objects
// were recorded last.
type Removal func(key catalog.UnitKey, recorded string) (reason string, err error)

// relations is what a unit's plan must know of other units: who has what it
// declares, and who declares what it has.
type relations struct {
	fleet   *Fleet
	live    Live
	removal Removal
}

// Relate adds to what should be of a unit how it stands to the other units of
// its cluster: objects that move are handed over and never deleted.
func Relate(f *Fleet, live Live, removal Removal, d plan.Desired, l plan.Live) plan.Desired {
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

// Wanted is what should be of a unit, without its objects and the other units.
func (f *Fleet) Wanted(live Live, key catalog.UnitKey, want *render.Unit, revision string) plan.Desired {
	d := plan.Desired{Unit: key, Revision: revision, Drift: f.Drift(key.Environment)}
	if want != nil {
		d.Invalid = proposed(key.Environment, want.Diags)
	}
	_, d.Fleeting = catalog.PreviewOf(key.Environment)
	f.published.RLock()
	defer f.published.RUnlock()
	name := key.Cluster + "/" + key.Service
	rules, declared := f.rules[key.Environment]
	d.Locks, d.Adopt = rules.Locks, rules.Adopt[name]
	d.Locked = slices.Contains(rules.Locks, name)
	d.Consent = f.clusterConsent(live, key.Cluster)
	if declared {
		d.Consent.File = "environments/" + key.Environment + "/environment.cue"
		d.Consent.Line = `consents: "` + name + `": "%s"`
	}
	if given := rules.Consents[name]; given != "" {
		d.Consent.Given = append(d.Consent.Given, given)
	}
	return d
}

// clusterConsent is what was agreed to for a whole cluster. The caller holds
// published.
func (f *Fleet) clusterConsent(live Live, name string) plan.Consent {
	return plan.Consent{
		Cluster: live.UID(), Given: slices.Sorted(maps.Keys(f.consents[name])),
		File: "platform/clusters/" + name + "/cluster.cue", Line: `consents: "%s": "why these may go"`,
	}
}

// Declaring lists the units that declare an object on a cluster.
func (f *Fleet) Declaring(cluster string, id object.ID) []catalog.UnitKey {
	f.published.RLock()
	defer f.published.RUnlock()
	return slices.Clone(f.declaring[render.Identity(cluster, id)])
}

// mentions reports whether a file of a unit's service has both the kind and the name
// of an object in it, or cannot be read. It is asked of what does not evaluate, where
// nothing better is known of what it declares; and only of units that could hold the
// object, so that no team keeps another's from going.
func (f *Fleet) mentions(u *render.Unit, id object.ID) bool {
	tree := f.Tree()
	if tree == nil || u.Key.Own() || u.Namespace() != id.Namespace {
		return false
	}
	found := false
	err := fs.WalkDir(tree.FS(), path.Dir(u.Source), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		raw, err := tree.ReadFile(name)
		found = found || bytes.Contains(raw, []byte(id.Kind)) && bytes.Contains(raw, []byte(id.Name))
		if found {
			return fs.SkipAll
		}
		return err
	})
	return found || err != nil && !errors.Is(err, fs.ErrNotExist)
}

// broken lists the units of a cluster that cannot be evaluated at present.
func (f *Fleet) broken(cluster string) []*render.Unit {
	f.published.RLock()
	defer f.published.RUnlock()
	var out []*render.Unit
	for key := range f.held {
		if key.Cluster == cluster {
			out = append(out, f.standing[key])
		}
	}
	slices.SortFunc(out, func(a, b *render.Unit) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	return out
}

// show makes one unit what the loops go by; nil for one that went. The caller
// holds published.
func (f *Fleet) show(key catalog.UnitKey, now *render.Unit) {
	if old := f.standing[key]; old != nil {
		for _, id := range old.Identities() {
			f.declaring[id] = slices.DeleteFunc(f.declaring[id], func(k catalog.UnitKey) bool { return k == key })
			if len(f.declaring[id]) == 0 {
				delete(f.declaring, id)
			}
		}
	}
	delete(f.standing, key)
	delete(f.held, key)
	if now == nil {
		return
	}
	f.standing[key] = now
	if now.Held() {
		f.held[key] = true
	}
	for _, id := range now.Identities() {
		f.declaring[id] = append(f.declaring[id], key)
	}
}

// entriesOf are an inventory's objects as they would be seen if all were there
// and as they were left: what an index that cannot answer stands for.
func entriesOf(unit string, owned map[object.ID]cluster.Owned) map[object.ID]plan.Seen {
	out := make(map[object.ID]plan.Seen, len(owned))
	for id, o := range owned {
		out[id] = plan.Seen{Entry: cluster.Entry{UID: o.UID, Unit: unit}}
	}
	return out
}
