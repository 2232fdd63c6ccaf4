package inventory

import (
	"testing"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// FuzzValue: whatever stands in a part of the inventory, loading it panics on
// nothing, and a value that cannot be read makes its unit unknown and never empty.
func FuzzValue(f *testing.F) {
	good, err := encode("prod/eu/a", "r", []item{{id: id(1), Owned: cluster.Owned{UID: "u"}}})
	if err != nil {
		f.Fatal(err)
	}
	key := keyOf("prod/eu/a")
	f.Add(key, good)
	f.Add(key, `{"unit":"prod/eu/a","objects":[["apps"`)
	f.Add(key, `{"unit":"prod/eu/b","objects":[]}`)
	f.Add("", "null")
	f.Fuzz(func(t *testing.T, key, value string) {
		m := newMemory()
		m.parts["inventory.s"] = Part{Name: "inventory.s", Shard: "s", Format: format, Version: "1", Data: map[string]string{key: value}}
		v := loaded(t, m)
		u, err := decode(key, value)
		if err != nil {
			if members, known := v.Units().Members(); known && len(members) > 0 {
				t.Errorf("%v, and yet the units are known: %v", err, members)
			}
			if _, known := v.Of("prod/eu/a").Members(); known && key == keyOf("prod/eu/a") {
				t.Errorf("%v, and yet the unit is known", err)
			}
			return
		}
		members, known := v.Of(u.name).Members()
		if !known || len(members) > len(u.items) {
			t.Errorf("%q: %d members, known %v, of %d", value, len(members), known, len(u.items))
		}
	})
}
