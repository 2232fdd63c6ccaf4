package kube

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube/internal/owned"
	"github.com/fairway-dev/fairway/pkg/object"
)

// index is what is known of the live objects of ours without asking. It is fed
// by the watches and by the answers to our own writes, whichever comes first,
// and keeps no manifests.
type index struct {
	judges atomic.Pointer[judges]

	hasher owned.Hasher
	events *events
	now    func() time.Time

	mu       sync.RWMutex
	kinds    map[schema.GroupKind]*kindIndex
	flights  map[object.ID]*flight
	restored map[string]cluster.Mark // clean marks from a file, by UID, until their object is seen
	taken    int64
	quiet    int64
}

// kindIndex is the part of the index for one kind.
type kindIndex struct {
	objects map[place]*record
	watch   *watching // nil while only writes feed it
}

// place names an object within its kind.
type place struct{ namespace, name string }

// flight is a write of ours on its way. Until its answer is in, watch events
// of the object cannot be judged, so they are judged when it ends, against
// what the answer said.
type flight struct {
	writes int
	base   *record
}

func newIndex(e *events, now func() time.Time) *index {
	return &index{
		events: e, now: now,
		kinds: map[schema.GroupKind]*kindIndex{}, flights: map[object.ID]*flight{},
		restored: map[string]cluster.Mark{},
	}
}

func (x *index) record(fields map[string]any, by string) record {
	return recordOf(&x.hasher, x.judging(), fields, by)
}

// kind gives the part for a kind. The caller holds the lock.
func (x *index) kind(gk schema.GroupKind) *kindIndex {
	k := x.kinds[gk]
	if k == nil {
		k = &kindIndex{objects: map[place]*record{}}
		x.kinds[gk] = k
	}
	return k
}

func (x *index) lookup(id object.ID) *record {
	k := x.kinds[groupKind(id)]
	if k == nil {
		return nil
	}
	return k.objects[place{id.Namespace, id.Name}]
}

// secretive reports whether an object's values are not for showing, as far as
// it was seen.
func (x *index) secretive(id object.ID) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	r := x.lookup(id)
	return object.Secretive(id) || r != nil && r.flags&sensitive != 0
}

func groupKind(id object.ID) schema.GroupKind {
	return schema.GroupKind{Group: id.Group, Kind: id.Kind}
}

// begin says that a write to an object is on its way; end, that its answer was taken in.
func (x *index) begin(id object.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := x.flights[id]
	if f == nil {
		f = &flight{base: x.lookup(id).copy()}
		x.flights[id] = f
	}
	f.writes++
}

func (x *index) end(id object.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := x.flights[id]
	if f.writes--; f.writes > 0 {
		return
	}
	delete(x.flights, id)
	x.tell(id, f.base, x.lookup(id))
}

// applied takes in the answer to a write: from now on the fields we own are
// clean as they are in it, even if a watch event told of a later state first.
func (x *index) applied(id object.ID, answer record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	objects := x.kind(groupKind(id)).objects
	key := place{shared(id.Namespace), id.Name}
	seen := objects[key]
	if seen != nil && newer(seen.cleanRV, answer.rv) {
		return // a later write of ours was answered first
	}
	answer.clean, answer.cleanRV = answer.mark, answer.rv
	if f := x.flights[id]; f != nil {
		f.base = answer.copy()
	}
	if seen == nil || seen.uid != answer.uid || newer(answer.rv, seen.rv) {
		objects[key] = &answer
		return
	}
	seen.clean, seen.cleanRV = answer.mark, answer.rv
	if seen.rv == answer.rv {
		// The same state, perhaps read in another API version: that reading is
		// the one that later events compare with.
		seen.clean = seen.mark
	}
}

// leaving says that the deletion of an object was asked for, so that its going is no news.
func (x *index) leaving(id object.ID, uid string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.lookup(id); r != nil && r.uid == uid {
		r.flags |= leaving
	}
}

// observed takes in a state told by a watch. What is older than what is known
// already is dropped.
func (x *index) observed(k *kindIndex, id object.ID, r record, first bool) {
	x.taken++
	key := place{shared(id.Namespace), id.Name}
	old := k.objects[key]
	switch {
	case old != nil && newer(old.rv, r.rv):
		x.quiet++
		return
	case old != nil && old.uid == r.uid:
		r.uid, r.clean, r.cleanRV = old.uid, old.clean, old.cleanRV
		r.flags |= old.flags & leaving
		if r.cleanRV == r.rv {
			r.clean = r.mark
		}
	default:
		r.clean = x.restored[r.uid]
		delete(x.restored, r.uid)
	}
	k.objects[key] = &r
	if !first {
		x.tell(id, old, &r)
	}
}

// gone takes in that an object was deleted or has lost our label.
func (x *index) gone(k *kindIndex, id object.ID, uid, rv string) {
	x.taken++
	key := place{id.Namespace, id.Name}
	old := k.objects[key]
	if old == nil || uid != "" && old.uid != uid || newer(old.rv, rv) {
		x.quiet++
		return
	}
	delete(k.objects, key)
	x.tell(id, old, nil)
}

// replaced takes in a whole listing of a kind as of a version. What the
// listing lacks is gone, unless a write of ours came after it.
func (x *index) replaced(gk schema.GroupKind, k *kindIndex, list []*seen, rv string, first bool) {
	listed := make(map[place]bool, len(list))
	for _, s := range list {
		listed[place{s.Namespace, s.Name}] = true
		x.observed(k, s.id(gk), s.record, first)
	}
	for key, old := range k.objects {
		if listed[key] || newer(old.rv, rv) {
			continue
		}
		delete(k.objects, key)
		x.tell(object.ID{Group: gk.Group, Kind: gk.Kind, Namespace: key.namespace, Name: key.name}, old, nil)
	}
}

// tell passes on what a change means to the unit, if it means anything.
func (x *index) tell(id object.ID, old, now *record) {
	if x.flights[id] != nil {
		return
	}
	kind := meaningOf(old, now)
	if kind == 0 {
		x.quiet++
		return
	}
	unit := ""
	if now != nil {
		unit = now.unit
	}
	if old != nil && old.unit != "" {
		unit = old.unit // whoever took the annotation away, the unit that had it must look
	}
	x.events.add(Event{ID: id, Unit: unit, Kind: kind})
}

func meaningOf(old, now *record) EventKind {
	switch {
	case old == nil && now == nil:
		return 0
	case old == nil:
		return Appeared
	case now == nil && old.flags&leaving != 0 && old.flags&deleting == 0:
		return 0 // it went at once, and who deleted it has seen that
	case now == nil:
		return Deleted
	case old.uid != now.uid:
		return Drifted
	case !now.isClean() && (old.mark != now.mark || old.isClean()), old.applied != now.applied:
		return Drifted
	case old.health != now.health, old.flags&deleting != now.flags&deleting, old.isClean() != now.isClean():
		return HealthChanged
	}
	return 0
}

func (r *record) copy() *record {
	if r == nil {
		return nil
	}
	c := *r
	return &c
}

// newer reports whether one resourceVersion is after another. They compare
// only where both are numbers; otherwise the one told last counts as newer,
// so the answer is no.
func newer(a, b string) bool {
	x, err := strconv.ParseUint(a, 10, 64)
	if err != nil {
		return false
	}
	y, err := strconv.ParseUint(b, 10, 64)
	return err == nil && x > y
}

// Observe says what is live of some objects without a request. It is unknown
// where a kind is not watched, not yet synced, or cut off for too long.
func (c *Cluster) Observe(ids []object.ID) object.Set[object.ID, cluster.Entry] {
	x := c.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make(map[object.ID]cluster.Entry, len(ids))
	var last schema.GroupKind
	for _, id := range ids {
		if gk := groupKind(id); gk != last {
			if err := x.blind(gk, c.opts.Grace); err != nil {
				return object.Unknown[object.ID, cluster.Entry](fmt.Errorf("observe %s: %w", id, err))
			}
			last = gk
		}
		if r := x.lookup(id); r != nil {
			out[id] = r.entry()
		}
	}
	return object.Known(out)
}

// MarkClean says that the fields we own of an object were found to be as
// desired when their mark was this.
func (c *Cluster) MarkClean(id object.ID, uid string, mark cluster.Mark) {
	c.index.mu.Lock()
	defer c.index.mu.Unlock()
	if r := c.index.lookup(id); r != nil && r.uid == uid {
		r.clean, r.cleanRV = mark, ""
	}
}

func (x *index) stats() Stats {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := Stats{Events: x.taken, Quiet: x.quiet}
	for _, k := range x.kinds {
		s.Entries += len(k.objects)
		if k.watch == nil {
			continue
		}
		s.Watches++
		if !k.watch.down.IsZero() {
			s.Broken++
		}
	}
	return s
}
