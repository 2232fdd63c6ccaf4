package inventory

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unique"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// unit is what is recorded of one unit.
type unit struct {
	name     string
	shard    *shard
	part     *part   // where it is stored; nil if nowhere yet
	also     []*part // where an older copy is stored, left by a move that was cut off
	revision string
	size     int // bytes in its part
	items    []item
}

// item is one object.
type item struct {
	id object.ID
	cluster.Owned
}

func (u *unit) has(id object.ID) bool { return find(u.items, id) >= 0 }

// holds reports whether recording what is intended would change nothing.
func (u *unit) holds(intents []cluster.Intent) bool {
	if len(u.items) < len(intents) {
		return false
	}
	have := make(map[object.ID]cluster.Owned, len(u.items))
	for _, it := range u.items {
		have[it.id] = it.Owned
	}
	for _, in := range intents {
		o, there := have[in.ID]
		if !there || o.Condemned || o != intended(o, in) {
			return false
		}
	}
	return true
}

// intended is an entry after it was intended (again).
func intended(o cluster.Owned, in cluster.Intent) cluster.Owned {
	if in.Anew || in.UID != "" && o.UID != in.UID {
		o = cluster.Owned{UID: in.UID}
	}
	o.Adopted, o.Condemned = o.Adopted || in.Adopted, false
	return o
}

func find(items []item, id object.ID) int {
	return slices.IndexFunc(items, func(it item) bool { return it.id == id })
}

// change is one step in the life of a unit's entries. It can be made again on
// whatever the store says by then.
type change struct {
	unit     string
	revision string
	add      []cluster.Intent
	condemn  map[object.ID]string
	confirm  bool
	forget   bool
	id       object.ID
	uid      string
	done     chan error // nil where nobody waits
}

// alters reports whether the change would make a difference.
func (c *change) alters(items []item) bool {
	i := find(items, c.id)
	switch {
	case c.confirm:
		return i < 0 || items[i].UID != c.uid
	case c.forget:
		return i >= 0 && c.matches(items[i])
	}
	return true
}

func (c *change) matches(it item) bool { return it.UID == "" || c.uid == "" || it.UID == c.uid }

// to gives the entries after the change, leaving the given ones as they are.
func (c *change) to(items []item) []item {
	items = slices.Clone(items)
	switch {
	case len(c.add) > 0:
		return c.added(items)
	case len(c.condemn) > 0:
		return condemned(items, c.condemn)
	}
	i := find(items, c.id)
	switch {
	case c.confirm && i < 0:
		return append(items, item{c.id, cluster.Owned{UID: c.uid}})
	case c.confirm && items[i].UID != c.uid:
		// Another object by now: what was known of the old one is not true of it.
		items[i].Owned = cluster.Owned{UID: c.uid, Adopted: items[i].Adopted && items[i].UID == ""}
	case c.forget && i >= 0 && c.matches(items[i]):
		return slices.Delete(items, i, i+1)
	}
	return items
}

// added widens the entries by what is intended.
func (c *change) added(items []item) []item {
	at := make(map[object.ID]int, len(items))
	for i, it := range items {
		at[it.id] = i
	}
	for _, in := range c.add {
		i, there := at[in.ID]
		if !there {
			i = len(items)
			at[in.ID] = i
			items = append(items, item{id: in.ID})
		}
		items[i].Owned = intended(items[i].Owned, in)
	}
	return items
}

// union keeps every entry of both, and a UID where either has one. Of two that
// differ it believes what deletes less.
func union(a, b []item) []item {
	at := make(map[object.ID]int, len(a))
	for i, it := range a {
		at[it.id] = i
	}
	for _, it := range b {
		i, ok := at[it.id]
		switch {
		case !ok:
			at[it.id] = len(a)
			a = append(a, it)
		default:
			a[i].UID = cmp.Or(a[i].UID, it.UID)
			a[i].Adopted = a[i].Adopted || it.Adopted
			a[i].Condemned = a[i].Condemned && it.Condemned
		}
	}
	return a
}

// stored is the form of a unit in its part. An object is its group, kind,
// namespace, name and UID, and from format 2 on, where there is anything to be
// said, its facts: a letter each.
type stored struct {
	Unit     string     `json:"unit"`
	Revision string     `json:"revision,omitempty"`
	Objects  [][]string `json:"objects"`
}

// The letters of facts.
const (
	factAdopted   = "a"
	factCondemned = "c"
)

func encodeItem(it item) []string {
	out := []string{it.id.Group, it.id.Kind, it.id.Namespace, it.id.Name, it.UID}
	facts := ""
	if it.Adopted {
		facts += factAdopted
	}
	if it.Condemned {
		facts += factCondemned
	}
	if facts != "" {
		out = append(out, facts)
	}
	return out
}

func decodeItem(o []string) (item, error) {
	if len(o) != 5 && len(o) != 6 {
		return item{}, fmt.Errorf("an entry has %d parts", len(o))
	}
	if o[1] == "" || o[3] == "" {
		return item{}, errors.New("an entry has no kind or no name")
	}
	it := item{object.ID{Group: shared(o[0]), Kind: shared(o[1]), Namespace: shared(o[2]), Name: o[3]}, cluster.Owned{UID: o[4]}}
	for _, fact := range strings.Join(o[5:], "") {
		switch string(fact) {
		case factAdopted:
			it.Adopted = true
		case factCondemned:
			it.Condemned = it.UID != ""
		default:
			return item{}, fmt.Errorf("an entry has the fact %q, which nobody here knows", fact)
		}
	}
	return it, nil
}

func encode(name, revision string, items []item) (string, error) {
	out := stored{Unit: name, Revision: revision, Objects: make([][]string, 0, len(items))}
	sorted := slices.SortedFunc(slices.Values(items), func(a, b item) int { return a.id.Compare(b.id) })
	for _, it := range sorted {
		out.Objects = append(out.Objects, encodeItem(it))
	}
	b, err := json.Marshal(out)
	return string(b), err
}

func decode(key, value string) (*unit, error) {
	var in stored
	if err := json.Unmarshal([]byte(value), &in); err != nil {
		return nil, fmt.Errorf("read inventory %s: %w", key, err)
	}
	if in.Unit == "" || keyOf(in.Unit) != key {
		return nil, fmt.Errorf("read inventory %s: it is of unit %q", key, in.Unit)
	}
	u := &unit{name: in.Unit, revision: in.Revision, size: len(key) + len(value)}
	u.items = make([]item, 0, len(in.Objects))
	twice := make(map[object.ID]bool, len(in.Objects))
	for _, o := range in.Objects {
		it, err := decodeItem(o)
		if err != nil {
			return nil, fmt.Errorf("read inventory %s: %w", key, err)
		}
		if twice[it.id] {
			return nil, fmt.Errorf("read inventory %s: %s is in it twice", key, it.id)
		}
		twice[it.id] = true
		u.items = append(u.items, it)
	}
	return u, nil
}

// shared keeps one copy of a string that many entries have.
func shared(s string) string { return unique.Make(s).Value() }

// keyOf is the key a unit is stored under: its name with "_" for "/", or a
// hash where that would be no key or could be another unit's.
func keyOf(name string) string {
	if len(name) > 240 || name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '/')
	}) {
		return "hash_" + object.Sum([]byte(name)).String()
	}
	return strings.ReplaceAll(name, "/", "_")
}
