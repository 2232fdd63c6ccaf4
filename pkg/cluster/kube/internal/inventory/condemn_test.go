package inventory

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

func owned(t *testing.T, v *Inventory, unit string) map[object.ID]cluster.Owned {
	t.Helper()
	got, known := v.Of(unit).Members()
	if !known {
		t.Fatalf("%s is not known: %v", unit, v.Of(unit).Why())
	}
	return got
}

// What is recorded beside the UID survives another process; condemned is only the
// UID that was meant; what is intended again is not condemned any more.
func TestFacts(t *testing.T) {
	ctx := t.Context()
	m := newMemory()
	v := loaded(t, m)
	if err := v.Intend(ctx, "s", "prod/eu/a", "r", []cluster.Intent{{ID: id(1), UID: "u1", Adopted: true}, {ID: id(2)}, {ID: id(3)}, {ID: id(4)}}); err != nil {
		t.Fatal(err)
	}
	v.Confirm("prod/eu/a", id(2), "u2")
	v.Confirm("prod/eu/a", id(3), "u3")
	if err := v.Condemn(ctx, "prod/eu/a", map[object.ID]string{id(1): "u1", id(2): "u2", id(3): "another", id(4): "u4"}); err != nil {
		t.Fatal(err)
	}
	want := map[object.ID]cluster.Owned{
		id(1): {UID: "u1", Adopted: true}, id(2): {UID: "u2", Condemned: true}, id(3): {UID: "u3"}, id(4): {UID: "u4", Condemned: true},
	}
	for _, w := range []*Inventory{v, loaded(t, m)} {
		if diff := cmp.Diff(want, owned(t, w, "prod/eu/a")); diff != "" {
			t.Errorf("facts (-want +got)\n%s", diff)
		}
	}
	if err := v.Intend(ctx, "s", "prod/eu/a", "r", intents(id(2))); err != nil {
		t.Fatal(err)
	}
	if got := owned(t, loaded(t, m), "prod/eu/a")[id(2)]; got != (cluster.Owned{UID: "u2"}) {
		t.Errorf("intended again: %+v", got)
	}
	v.Confirm("prod/eu/a", id(4), "made-anew")
	if got := owned(t, v, "prod/eu/a")[id(4)]; got != (cluster.Owned{UID: "made-anew"}) {
		t.Errorf("another object of a condemned one's name: %+v", got)
	}
	if err := v.Condemn(ctx, "prod/eu/nobody", map[object.ID]string{id(1): "u1"}); err == nil {
		t.Error("objects of a unit without entries were condemned")
	}
}

// A part of format 1 is read, and is of the new format once it is written to:
// who knows no facts must not read it any more.
func TestFormatOneIsReadAndLeft(t *testing.T) {
	m := newMemory()
	m.parts["inventory.s"] = Part{Name: "inventory.s", Shard: "s", Format: "1", Version: "1", Data: map[string]string{
		"prod_eu_a": `{"unit":"prod/eu/a","revision":"r","objects":[["apps","Deployment","shop","d1","u1"]]}`,
	}}
	v := loaded(t, m)
	if got := owned(t, v, "prod/eu/a")[id(1)]; got != (cluster.Owned{UID: "u1"}) {
		t.Errorf("read: %+v", got)
	}
	if err := v.Condemn(t.Context(), "prod/eu/a", map[object.ID]string{id(1): "u1"}); err != nil {
		t.Fatal(err)
	}
	if p := m.parts["inventory.s"]; p.Format != "2" || !strings.Contains(p.Data["prod_eu_a"], `"u1","c"]`) {
		t.Errorf("written: %+v", p)
	}
}

// A fact that nobody here knows makes its unit unknown: it may be a reason not to delete.
func TestUnknownFactIsUnknown(t *testing.T) {
	m := newMemory()
	m.parts["inventory.s"] = Part{Name: "inventory.s", Shard: "s", Format: "2", Version: "1", Data: map[string]string{
		"prod_eu_a": `{"unit":"prod/eu/a","objects":[["apps","Deployment","shop","d1","u1","z"]]}`,
		"prod_eu_b": `{"unit":"prod/eu/b","objects":[["apps","Deployment","shop","d2","u2","a"]]}`,
	}}
	v := loaded(t, m)
	if _, known := v.Of("prod/eu/a").Members(); known {
		t.Error("a unit with an unknown fact is known")
	}
	if got := owned(t, v, "prod/eu/b")[id(2)]; !got.Adopted {
		t.Errorf("its neighbour: %+v", got)
	}
}

// Of two copies that differ, left by a move that was cut off, the one that
// deletes less is believed.
func TestUnionDeletesLess(t *testing.T) {
	got := union(
		[]item{{id(1), cluster.Owned{UID: "u1", Condemned: true}}, {id(2), cluster.Owned{UID: "u2", Adopted: true}}},
		[]item{{id(1), cluster.Owned{UID: "u1"}}, {id(2), cluster.Owned{UID: "u2"}}},
	)
	if got[0].Condemned || !got[1].Adopted {
		t.Errorf("got %+v", got)
	}
}

// FuzzDecode: whatever stands in the cluster under a unit's key is read or
// refused, and what is read is written back as it was.
func FuzzDecode(f *testing.F) {
	f.Add("prod_eu_a", `{"unit":"prod/eu/a","revision":"r","objects":[["apps","Deployment","shop","d1","u1"]]}`)
	f.Add("prod_eu_a", `{"unit":"prod/eu/a","objects":[["","ConfigMap","shop","d1","u1","ac"]]}`)
	f.Add("prod_eu_a", `{"unit":"prod/eu/a","objects":[["","ConfigMap"]]}`)
	f.Add("prod_eu_a", `{"unit":"prod/eu/a","objects":[null,[""],["","K","","n","u","zz"]]}`)
	f.Add("", `[]`)
	f.Fuzz(func(t *testing.T, key, value string) {
		u, err := decode(key, value)
		if err != nil {
			return
		}
		again, err := encode(u.name, u.revision, u.items)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := decode(key, again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		if len(back.items) != len(u.items) {
			t.Fatalf("%d entries became %d", len(u.items), len(back.items))
		}
		for _, it := range u.items {
			if i := find(back.items, it.id); i < 0 || back.items[i] != it {
				t.Fatalf("%+v is lost", it)
			}
		}
	})
}

// FuzzInstall: no set of stored parts makes the inventory panic, or be known
// where a part cannot be read.
func FuzzInstall(f *testing.F) {
	f.Add("1", "prod_eu_a", `{"unit":"prod/eu/a","objects":[["","K","","n","u"]]}`, "2", "x", "{}")
	f.Add("9", "prod_eu_a", `{"unit":"prod/eu/a","objects":[]}`, "", "prod_eu_a", `{"unit":"prod/eu/a"}`)
	f.Fuzz(func(t *testing.T, formatA, keyA, valueA, formatB, keyB, valueB string) {
		m := newMemory()
		m.parts["inventory.a"] = Part{Name: "inventory.a", Shard: "a", Format: formatA, Version: "1", Data: map[string]string{keyA: valueA}}
		m.parts["inventory.b"] = Part{Name: "inventory.b", Shard: "a", Format: formatB, Version: "1", Data: map[string]string{keyB: valueB}}
		v := loaded(t, m)
		_, known := v.Units().Members()
		readable := func(f string) bool { return f == "1" || f == "2" }
		if known && !(readable(formatA) && readable(formatB)) {
			t.Fatalf("formats %q and %q are known", formatA, formatB)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := v.Intend(ctx, "a", "prod/eu/a", "r", intents(id(1))); errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err) // refused or not, it comes back
		}
	})
}
