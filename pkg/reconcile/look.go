package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/health"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// Live is the live side as the loop and the CLI use it; *kube.Cluster is it.
type Live interface {
	apply.Target
	As(user string) cluster.Writer
	UID() string
	Ping(ctx context.Context) error
	LoadInventory(ctx context.Context) error
	Inventory(unit string) object.Set[object.ID, cluster.Owned]
	Units() object.Set[string, string]
	Recorded(unit string) string
	LoadRatchet(ctx context.Context) (cluster.Ratchet, error)
	SaveRatchet(ctx context.Context, r cluster.Ratchet) (cluster.Ratchet, error)
	Ensure(ctx context.Context, kinds []kube.Kind) error
	Absent(ctx context.Context, ids []object.ID) object.Set[object.ID, cluster.Entry]
	MarkClean(id object.ID, uid string, mark cluster.Mark)
	SaveMarks(path string) error
	LoadMarks(path string) error
	SetHealth(rules []*health.Rules)
	Events() <-chan kube.Event
	Stats() kube.Stats
	Close()
}

// Glance is what was seen of a unit's objects.
type Glance struct {
	plan.Live
	// marks identify the live content of objects that had to be read.
	marks map[object.ID]cluster.Live
}

// Look sees what is live of a unit: its inventory and the objects it should
// have. Objects that are as we left them cost no request; with read set, what
// will change is read as well, to show it field by field.
func Look(ctx context.Context, live Live, key catalog.UnitKey, objects []object.Object, read bool, seen *survey) Glance {
	unit := key.String()
	g := Glance{marks: map[object.ID]cluster.Live{}}
	g.Inventory = live.Inventory(unit)
	owned, known := g.Inventory.Members()
	if !known {
		return g
	}
	entries, err := observe(ctx, live, objects, owned, seen)
	if err != nil {
		g.Objects = object.Unknown[object.ID, plan.Seen](err)
		return g
	}
	out := make(map[object.ID]plan.Seen, len(entries))
	for id, e := range entries {
		out[id] = plan.Seen{Entry: e}
	}
	for _, o := range objects {
		s, there := out[o.ID]
		if !there || s.Unit != unit || s.Clean && (s.Applied == o.Digest || !read) {
			continue
		}
		l, err := live.Get(ctx, o.ID, unit)
		switch {
		case errors.Is(err, cluster.ErrNotFound):
			delete(out, o.ID)
			continue
		case err != nil:
			g.Objects = object.Unknown[object.ID, plan.Seen](err)
			return g
		}
		s.Live, s.UID, s.ResourceVersion = &l, l.UID, l.ResourceVersion
		out[o.ID] = s
		g.marks[o.ID] = l
	}
	g.Objects = object.Known(out)
	return g
}

// observe finds what exists among desired and owned objects: in the index what
// is ours, by a consistent read what may be somebody else's.
func observe(ctx context.Context, live Live, objects []object.Object, owned map[object.ID]cluster.Owned, seen *survey) (map[object.ID]cluster.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, observeLimit)
	defer cancel()
	ids := slices.Collect(maps.Keys(owned))
	kinds := map[kube.Kind]bool{}
	for id := range owned {
		kinds[kube.Kind{Group: id.Group, Kind: id.Kind}] = true
	}
	for _, o := range objects {
		delete(kinds, kube.Kind{Group: o.ID.Group, Kind: o.ID.Kind})
		kinds[kube.KindOf(o)] = true
		if _, listed := owned[o.ID]; !listed {
			ids = append(ids, o.ID)
		}
	}
	if err := live.Ensure(ctx, slices.Collect(maps.Keys(kinds))); err != nil && !errors.Is(err, cluster.ErrNoKind) {
		return nil, fmt.Errorf("watch what the unit holds: %w", err)
	}
	ours := live.Observe(ids)
	entries, known := ours.Members()
	if !known {
		return nil, ours.Why()
	}
	var foreign []object.ID
	for _, o := range objects {
		if _, there := entries[o.ID]; there {
			continue
		}
		if e, there, asked := seen.find(o.ID); !asked {
			foreign = append(foreign, o.ID)
		} else if there {
			entries[o.ID] = e
		}
	}
	if len(foreign) == 0 {
		return entries, nil
	}
	absent := live.Absent(ctx, foreign)
	others, known := absent.Members()
	if !known {
		return nil, absent.Why()
	}
	maps.Copy(entries, others)
	return entries, nil
}

// observeLimit bounds the wait for a kind's first listing.
const observeLimit = 30 * time.Second

// survey is one look at what exists of many units' objects before they are
// created, so that a first sync asks once a namespace and kind, and not once
// an object.
type survey struct {
	asked map[object.ID]bool
	found map[object.ID]cluster.Entry
}

// find says whether an object was asked for, and whether it is there.
func (s *survey) find(id object.ID) (e cluster.Entry, there, asked bool) {
	if s == nil || !s.asked[id] {
		return e, false, false
	}
	e, there = s.found[id]
	return e, there, true
}

// KindsOf lists the kinds of some objects.
func KindsOf(objects []object.Object) []kube.Kind {
	seen := map[kube.Kind]bool{}
	for _, o := range objects {
		seen[kube.KindOf(o)] = true
	}
	return slices.Collect(maps.Keys(seen))
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
