package inventory

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unique"

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

// item is one object; the UID is empty while it is only intended.
type item struct {
	id  object.ID
	uid string
}

func (u *unit) has(id object.ID) bool { return find(u.items, id) >= 0 }

func (u *unit) hasAll(ids []object.ID) bool {
	if len(u.items) < len(ids) {
		return false
	}
	have := make(map[object.ID]bool, len(u.items))
	for _, it := range u.items {
		have[it.id] = true
	}
	for _, id := range ids {
		if !have[id] {
			return false
		}
	}
	return true
}

func find(items []item, id object.ID) int {
	return slices.IndexFunc(items, func(it item) bool { return it.id == id })
}

// change is one step in the life of a unit's entries. It can be made again on
// whatever the store says by then.
type change struct {
	unit     string
	revision string
	add      []object.ID
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
		return i < 0 || items[i].uid != c.uid
	case c.forget:
		return i >= 0 && c.matches(items[i])
	}
	return true
}

func (c *change) matches(it item) bool { return it.uid == "" || c.uid == "" || it.uid == c.uid }

// to gives the entries after the change, leaving the given ones as they are.
func (c *change) to(items []item) []item {
	items = slices.Clone(items)
	if len(c.add) > 0 {
		return union(items, c.added())
	}
	i := find(items, c.id)
	switch {
	case c.confirm && i < 0:
		return append(items, item{c.id, c.uid})
	case c.confirm:
		items[i].uid = c.uid
	case c.forget && i >= 0 && c.matches(items[i]):
		return slices.Delete(items, i, i+1)
	}
	return items
}

func (c *change) added() []item {
	out := make([]item, 0, len(c.add))
	for _, id := range c.add {
		out = append(out, item{id: id})
	}
	return out
}

// union keeps every entry of both, and a UID where either has one.
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
		case a[i].uid == "":
			a[i].uid = it.uid
		}
	}
	return a
}

// stored is the form of a unit in its part.
type stored struct {
	Unit     string      `json:"unit"`
	Revision string      `json:"revision,omitempty"`
	Objects  [][5]string `json:"objects"`
}

func encode(name, revision string, items []item) (string, error) {
	out := stored{Unit: name, Revision: revision, Objects: make([][5]string, 0, len(items))}
	sorted := slices.SortedFunc(slices.Values(items), func(a, b item) int { return a.id.Compare(b.id) })
	for _, it := range sorted {
		out.Objects = append(out.Objects, [5]string{it.id.Group, it.id.Kind, it.id.Namespace, it.id.Name, it.uid})
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
	for _, o := range in.Objects {
		if o[1] == "" || o[3] == "" {
			return nil, fmt.Errorf("read inventory %s: an entry has no kind or no name", key)
		}
		id := object.ID{Group: shared(o[0]), Kind: shared(o[1]), Namespace: shared(o[2]), Name: o[3]}
		u.items = append(u.items, item{id, o[4]})
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
