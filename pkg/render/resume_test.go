package render_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/render"
)

// kept is a fleet that was kept, and the cache it is in.
func kept(t *testing.T) (*world, company, files, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "results")
	results, err := cache.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := eval.NewPool("", 2)
	t.Cleanup(func() { pool.Close(); results.Close() })
	base, c := realPlatform(t), newCompany()
	w := newWorld(t, &eval.Evaluator{Pool: pool, Cache: results, Engine: "test"}, t.TempDir())
	w.advance(c.write(base))
	(&render.Renderer{Evaluator: w.eval}).Keep(w.es, w.st)
	if err := results.Flush(); err != nil {
		t.Fatal(err)
	}
	return w, c, base, file
}

func (w *world) resume(e *eval.Evaluator) (*eval.State, *render.State, bool) {
	w.t.Helper()
	tree, err := w.store.Tree(w.head)
	if err != nil {
		w.t.Fatal(err)
	}
	return (&render.Renderer{Evaluator: e}).Resume(context.Background(), tree)
}

// A start from what was kept looks at what changed since and at nothing else.
func TestResumedFleetLooksAtWhatChanged(t *testing.T) {
	w, c, base, _ := kept(t)
	es, st, ok := w.resume(w.eval)
	if !ok {
		t.Fatal("nothing was kept")
	}
	if declared, delta := w.step(es, st); delta.Looked != 0 || declared.Evaluations != 0 || len(declared.Services) != 0 {
		t.Errorf("nothing changed: looked at %d units and the services %v", delta.Looked, declared.Services)
	}
	r := &render.Renderer{Evaluator: w.eval}
	for key, u := range st.Units {
		if b, ok := r.Cached(u); !ok || len(b.Objects) != u.Objects || u.Namespace() != w.st.Units[key].Namespace() {
			t.Errorf("%s: its objects are not at hand", key)
		}
	}
	w.push(c.with(func(s *service) { s.Port = 9000 }, "beta/stock").write(base))
	if es, st, ok = w.resume(w.eval); !ok {
		t.Fatal("nothing was kept")
	}
	declared, delta := w.step(es, st)
	if declared.Evaluations != 1 || len(declared.Services) != 1 || delta.Evaluations != 6 {
		t.Errorf("one service changed: %d declarations, %d units evaluated, services %v", declared.Evaluations, delta.Evaluations, declared.Services)
	}
	if diff := cmp.Diff(w.full(), look(es, st), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-full +resumed)\n%s", diff)
	}
}

func (w *world) full() view {
	es, st := eval.NewState(), render.NewState()
	w.step(es, st)
	return look(es, st)
}

// What one engine kept, or under another platform, or of another fleet, is
// nothing to start from.
func TestWhatOthersKeptIsNotResumed(t *testing.T) {
	w, c, base, _ := kept(t)
	for name, change := range map[string]func(*eval.Evaluator){
		"engine": func(e *eval.Evaluator) { e.Engine = "other" },
		"fleet":  func(e *eval.Evaluator) { e.Fleet = "other" },
		"cache":  func(e *eval.Evaluator) { e.Cache = nil },
	} {
		e := &eval.Evaluator{Pool: w.eval.Pool, Cache: w.eval.Cache, Engine: w.eval.Engine}
		change(e)
		if _, _, ok := w.resume(e); ok {
			t.Errorf("resumed from another %s", name)
		}
	}
	other := maps.Clone(base)
	other["platform/paths/web/objects.cue"] += "\n// a remark\n"
	w.push(c.write(other))
	if _, _, ok := w.resume(w.eval); ok {
		t.Error("resumed from another platform")
	}
}

// Whatever is damaged in what was kept, it is not believed: a start gives the
// fleet there is.
func TestDamagedFleetIsNotBelieved(t *testing.T) {
	w, _, _, file := kept(t)
	want := w.full()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const from = 6000 // the record is longer than this and the last one
	refused := 0
	for at := len(whole) - from; at < len(whole); at += 211 {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x40
		other := filepath.Join(t.TempDir(), "results")
		if err := os.WriteFile(other, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		results, err := cache.Open(other)
		if err != nil {
			t.Fatal(err)
		}
		es, st, ok := w.resume(&eval.Evaluator{Pool: w.eval.Pool, Cache: results, Engine: w.eval.Engine})
		results.Close()
		if !ok {
			refused++
			continue
		}
		w.step(es, st)
		if diff := cmp.Diff(want, look(es, st), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("damaged at %d of %d (-full +resumed)\n%s", at, len(whole), diff)
		}
	}
	if refused == 0 {
		t.Error("no damage reached what was kept")
	}
}

// A service was broken when the fleet was kept, and is removed by the time the
// next process starts: what it needed must not go on knowing it as a caller.
func TestResumedFleetForgetsWhatABrokenServiceNeeded(t *testing.T) {
	w, c, base, _ := kept(t)
	w.advance(c.with(func(s *service) { s.Broken = "bound" }, "alpha/front").write(base))
	w.keep()
	c.Services = maps.Clone(c.Services)
	delete(c.Services, "alpha/front")
	w.push(c.write(base))
	es, st, ok := w.resume(w.eval)
	if !ok {
		t.Fatal("nothing was kept")
	}
	w.step(es, st)
	if diff := cmp.Diff(w.full(), look(es, st), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-full +resumed)\n%s", diff)
	}
}
