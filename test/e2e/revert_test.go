package e2e_test

import (
	"testing"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
)

// TestRevert: git revert gives the bytes that were before, the objects that
// were before, and asks no worker for them.
func TestRevert(t *testing.T) {
	w := newWorld(t, wholeCheckout)
	w.run()
	first, before := w.head(), w.essences("prod-eu", true)
	commit := w.push("checkout: more of everything", w.web("shop", "checkout", `needs: pay: service: "pay"
	http: public: true
	scale: {min: 3, max: 9}
	config: MODE: "bold"`))
	w.settled(commit)
	if changed := w.essences("prod-eu", true); len(changed) != len(before) {
		t.Fatalf("%d objects, want %d", len(changed), len(before))
	}
	gitIn(t, w.clone, "revert", "--no-edit", "HEAD")
	w.settled(w.pushHead())
	mustEqual(t, "live objects after the revert", before, w.essences("prod-eu", true))

	said := w.daemon.log.lines("revision evaluated")
	if last := said[len(said)-1]; last["rev"] != w.head() || last["evaluations"] != 0.0 {
		t.Errorf("the daemon says %v, want 0 evaluations at %s", last, w.head())
	}
	mustEqual(t, "rendered bytes", w.rendered(first), w.rendered(w.head()))
}

// rendered renders a revision from nothing: bytes by unit and object.
func (w *world) rendered(rev string) map[string]string {
	w.t.Helper()
	store, err := git.OpenRepository(w.clone)
	if err != nil {
		w.t.Fatal(err)
	}
	at, err := store.Resolve(rev)
	if err != nil {
		w.t.Fatal(err)
	}
	tree, err := store.Tree(at.Commit)
	if err != nil {
		w.t.Fatal(err)
	}
	pool := eval.NewPool("", 1)
	defer pool.Close()
	f := fleet.New(&eval.Evaluator{Pool: pool, Engine: "e2e"})
	if _, err := f.Advance(w.t.Context(), tree, fleet.Before(store, at.Commit)); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, u := range f.Units("") {
		bundle, err := f.Bundle(w.t.Context(), u)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, o := range bundle.Objects {
			out[u.Key.String()+" "+o.ID.String()] = string(o.Body)
		}
	}
	if len(out) == 0 {
		w.t.Fatalf("%s renders to nothing", rev)
	}
	return out
}
