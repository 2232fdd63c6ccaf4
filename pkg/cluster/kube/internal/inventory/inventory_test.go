package inventory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// memory is a Store that can fail before or after it has done what was asked.
type memory struct {
	mu     sync.Mutex
	parts  map[string]Part
	next   int
	writes int
	fault  func() (before, after bool)
	gate   chan struct{} // writes wait for it if set
}

var errFault = errors.New("injected fault")

func newMemory() *memory { return &memory{parts: map[string]Part{}} }

func (m *memory) faults() (bool, bool) {
	if m.fault == nil {
		return false, false
	}
	return m.fault()
}

func (m *memory) List(context.Context) ([]Part, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, _ := m.faults(); before {
		return nil, errFault
	}
	var out []Part
	for _, p := range m.parts {
		p.Data = maps.Clone(p.Data)
		out = append(out, p)
	}
	return out, nil
}

func (m *memory) Version(_ context.Context, name string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.parts[name]
	if !ok {
		return "", cluster.ErrNotFound
	}
	return p.Version, nil
}

func (m *memory) Create(_ context.Context, p Part) (string, error) {
	return m.write(p.Name, func(old *Part) (Part, error) {
		if old != nil {
			return p, cluster.ErrPrecondition
		}
		return p, nil
	})
}

func (m *memory) Patch(_ context.Context, name, version, format string, data map[string]*string) (string, error) {
	return m.write(name, func(old *Part) (Part, error) {
		switch {
		case old == nil:
			return Part{}, cluster.ErrNotFound
		case old.Version != version:
			return *old, cluster.ErrPrecondition
		}
		p := *old
		p.Data, p.Format = maps.Clone(p.Data), format
		for k, v := range data {
			if delete(p.Data, k); v != nil {
				p.Data[k] = *v
			}
		}
		return p, nil
	})
}

func (m *memory) write(name string, to func(*Part) (Part, error)) (string, error) {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, after := m.faults()
	if before {
		return "", errFault
	}
	var old *Part
	if p, ok := m.parts[name]; ok {
		old = &p
	}
	p, err := to(old)
	if err != nil {
		return "", err
	}
	m.next++
	m.writes++
	p.Version = strconv.Itoa(m.next)
	m.parts[name] = p
	if after {
		return "", errFault
	}
	return p.Version, nil
}

// holds reports whether the store itself has an entry.
func (m *memory) holds(unit string, id object.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.parts {
		if value, ok := p.Data[keyOf(unit)]; ok {
			u, err := decode(keyOf(unit), value)
			if err == nil && u.has(id) {
				return true
			}
		}
	}
	return false
}

func intents(ids ...object.ID) []cluster.Intent {
	var out []cluster.Intent
	for _, id := range ids {
		out = append(out, cluster.Intent{ID: id})
	}
	return out
}

func id(n int) object.ID {
	return object.ID{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: fmt.Sprintf("d%d", n)}
}

func loaded(t testing.TB, m *memory) *Inventory {
	t.Helper()
	v := New(m, 5*time.Millisecond, slog.New(slog.DiscardHandler))
	if err := v.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestUnknownUntilLoaded(t *testing.T) {
	v := New(newMemory(), time.Second, slog.New(slog.DiscardHandler))
	if _, known := v.Of("a").Members(); known {
		t.Error("an inventory that was never loaded is known")
	}
	if err := v.Intend(t.Context(), "s", "a", "r", intents(id(1))); err == nil {
		t.Error("an inventory that was never loaded took an intent")
	}
}

func TestIntendConfirmForget(t *testing.T) {
	m := newMemory()
	v := loaded(t, m)
	ctx := t.Context()
	if err := v.Intend(ctx, "prod.shop", "prod/eu/a", "r1", intents(id(1), id(2))); err != nil {
		t.Fatal(err)
	}
	if err := v.Intend(ctx, "prod.shop", "prod/eu/a", "r2", intents(id(2))); err != nil || m.writes != 1 {
		t.Fatalf("an intent that is stored already: %d writes, %v; want 1 write", m.writes, err)
	}
	v.Confirm("prod/eu/a", id(1), "u1")
	v.Confirm("prod/eu/a", id(2), "u2")
	v.Forget("prod/eu/a", id(2), "another")
	v.Forget("prod/eu/a", id(1), "u1")
	if err := v.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if m.writes != 2 {
		t.Errorf("%d writes, want 2: what is lazy is written together", m.writes)
	}
	for _, w := range []*Inventory{v, loaded(t, m)} {
		got, known := w.Of("prod/eu/a").Members()
		if !known || len(got) != 1 || got[id(2)].UID != "u2" {
			t.Errorf("inventory: got %v, want d2 with u2", got)
		}
	}
	units, _ := v.Units().Members()
	if units["prod/eu/a"] != "prod.shop" {
		t.Errorf("units: got %v", units)
	}
}

// What is made anew has no UID until it is there: whoever finds it after a crash
// must not take it for a stranger because the one before had another.
func TestMadeAnew(t *testing.T) {
	m := newMemory()
	v := loaded(t, m)
	ctx := t.Context()
	if err := v.Intend(ctx, "prod.shop", "prod/eu/a", "r1", []cluster.Intent{{ID: id(1), UID: "u1", Adopted: true}, {ID: id(2), UID: "u2"}}); err != nil {
		t.Fatal(err)
	}
	if err := v.Condemn(ctx, "prod/eu/a", map[object.ID]string{id(2): "u2"}); err != nil {
		t.Fatal(err)
	}
	if err := v.Intend(ctx, "prod.shop", "prod/eu/a", "r2", []cluster.Intent{{ID: id(1), Anew: true}, {ID: id(2), Anew: true}}); err != nil {
		t.Fatal(err)
	}
	got, _ := loaded(t, m).Of("prod/eu/a").Members()
	if want := map[object.ID]cluster.Owned{id(1): {}, id(2): {}}; !maps.Equal(got, want) {
		t.Errorf("stored before it is made: got %+v, want %+v", got, want)
	}
}

func TestGroupCommit(t *testing.T) {
	m := newMemory()
	m.gate = make(chan struct{})
	v := loaded(t, m)
	var done sync.WaitGroup
	for n := range 100 {
		done.Go(func() {
			if err := v.Intend(t.Context(), "s", fmt.Sprintf("prod/eu/u%d", n), "r", intents(id(n))); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // let them queue up behind the gate
	close(m.gate)
	done.Wait()
	if m.writes > 3 {
		t.Errorf("100 intents of one shard took %d writes, want 3 at most", m.writes)
	}
	for n := range 100 {
		if !m.holds(fmt.Sprintf("prod/eu/u%d", n), id(n)) {
			t.Errorf("intent %d returned and is not stored", n)
		}
	}
}

// Whatever fails and whoever writes besides, an intent that returned without
// an error is in the store, and stays there until it is forgotten.
func TestSupersetUnderFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		rnd := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		m.fault = func() (bool, bool) { return rnd.Intn(6) == 0, rnd.Intn(6) == 0 }
		open := func() *Inventory {
			v := New(m, time.Hour, slog.New(slog.DiscardHandler))
			v.limit = 600
			for v.Load(context.Background()) != nil {
			}
			return v
		}
		v := open()
		type owned struct {
			unit string
			id   object.ID
		}
		must := map[owned]bool{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			o := owned{"prod/eu/" + string(rune('a'+rapid.IntRange(0, 3).Draw(t, "unit"))), id(rapid.IntRange(0, 8).Draw(t, "object"))}
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				if v.Intend(context.Background(), "s", o.unit, "r", intents(o.id)) == nil {
					must[o] = true
				}
			case 3:
				v.Confirm(o.unit, o.id, "u-"+o.id.Name)
			case 4:
				v.Forget(o.unit, o.id, "")
				delete(must, o)
			case 5:
				if rapid.Bool().Draw(t, "crash") {
					v = open() // what was lazy is lost with the process
				} else {
					v.Flush(context.Background())
				}
			}
			for o := range must {
				if !m.holds(o.unit, o.id) {
					t.Fatalf("%s of %s was recorded and is gone", o.id, o.unit)
				}
			}
		}
	})
}

func TestTwoWriters(t *testing.T) {
	m := newMemory()
	a, b := loaded(t, m), loaded(t, m)
	for n := range 10 {
		for i, v := range []*Inventory{a, b} {
			if err := v.Intend(t.Context(), "s", fmt.Sprintf("prod/eu/u%d", i), "r", intents(id(n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range 10 {
		for i := range 2 {
			if !m.holds(fmt.Sprintf("prod/eu/u%d", i), id(n)) {
				t.Errorf("entry %d of writer %d was overwritten by the other", n, i)
			}
		}
	}
}

func TestSplitsBeforeItIsFull(t *testing.T) {
	m := newMemory()
	v := loaded(t, m)
	v.limit = 2000
	for n := range 60 {
		if err := v.Intend(t.Context(), "s", fmt.Sprintf("prod/eu/u%d", n%6), "r", intents(id(n))); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.parts) < 2 {
		t.Fatalf("%d parts, want several", len(m.parts))
	}
	for name, p := range m.parts {
		size := 0
		for k, value := range p.Data {
			size += len(k) + len(value)
		}
		if size > v.limit {
			t.Errorf("part %s has %d bytes, more than %d", name, size, v.limit)
		}
	}
	again := loaded(t, m)
	for n := range 60 {
		if got, _ := again.Of(fmt.Sprintf("prod/eu/u%d", n%6)).Members(); len(got) != 10 {
			t.Fatalf("unit %d has %d entries, want 10", n%6, len(got))
		}
	}
}

func TestNewerFormatIsUnknown(t *testing.T) {
	m := newMemory()
	m.parts["inventory.s"] = Part{Name: "inventory.s", Shard: "s", Format: "3", Version: "1"}
	v := loaded(t, m)
	if _, known := v.Of("prod/eu/a").Members(); known {
		t.Error("a unit is known though it may be in a part that cannot be read")
	}
	if err := v.Intend(t.Context(), "s", "prod/eu/a", "r", intents(id(1))); err == nil {
		t.Error("a part of a newer format was written to")
	}
	if _, known := v.Units().Members(); known {
		t.Error("units are known though a part cannot be read")
	}
}

func TestDamagedValueIsUnknown(t *testing.T) {
	m := newMemory()
	v := loaded(t, m)
	for _, unit := range []string{"prod/eu/a", "prod/eu/b"} {
		if err := v.Intend(t.Context(), "s", unit, "r", intents(id(1))); err != nil {
			t.Fatal(err)
		}
	}
	m.parts["inventory.s"].Data[keyOf("prod/eu/a")] = `{"unit":"prod/eu/a","objects":[["apps"`
	v = loaded(t, m)
	if _, known := v.Of("prod/eu/a").Members(); known {
		t.Error("a damaged unit is known")
	}
	if got, known := v.Of("prod/eu/b").Members(); !known || len(got) != 1 {
		t.Errorf("its neighbour: got %v, %v; want 1 entry", got, known)
	}
	if err := v.Intend(t.Context(), "s", "prod/eu/a", "r", intents(id(2))); err == nil {
		t.Error("a damaged unit was overwritten")
	}
}

// Deleted by hand: unknown as soon as it is noticed, and whole again after the
// next write.
func TestLostPart(t *testing.T) {
	m := newMemory()
	v := loaded(t, m)
	for _, unit := range []string{"prod/eu/a", "prod/eu/b"} {
		if err := v.Intend(t.Context(), "s", unit, "r", intents(id(1))); err != nil {
			t.Fatal(err)
		}
	}
	delete(m.parts, "inventory.s")
	if err := v.Check(t.Context(), "prod/eu/a"); err != nil {
		t.Fatal(err)
	}
	if _, known := v.Of("prod/eu/a").Members(); known {
		t.Error("a unit is known though its inventory was deleted")
	}
	if err := v.Intend(t.Context(), "s", "prod/eu/a", "r", intents(id(2))); err != nil {
		t.Fatal(err)
	}
	if !m.holds("prod/eu/a", id(1)) || !m.holds("prod/eu/a", id(2)) || !m.holds("prod/eu/b", id(1)) {
		t.Error("the next write did not put back all that was known")
	}
	if _, known := v.Of("prod/eu/b").Members(); !known {
		t.Error("still unknown after it was written again")
	}
}

func TestCheckSeesAnotherWriter(t *testing.T) {
	m := newMemory()
	a, b := loaded(t, m), loaded(t, m)
	if err := a.Intend(t.Context(), "s", "prod/eu/a", "r", intents(id(1))); err != nil {
		t.Fatal(err)
	}
	b.Load(t.Context())
	if err := a.Intend(t.Context(), "s", "prod/eu/a", "r", intents(id(2))); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(t.Context(), "prod/eu/a"); err != nil {
		t.Fatal(err)
	}
	if got, _ := b.Of("prod/eu/a").Members(); len(got) != 2 {
		t.Errorf("after a check: %d entries, want 2", len(got))
	}
}
