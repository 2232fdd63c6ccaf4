package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// brokenCheckout is a checkout with a mistake in line 12, beside which pay changes.
func brokenCheckout(w *world) files {
	return w.web("shop", "checkout", `needs: {pay: service: "pay", cart: service: "cart"}
	resources: memory: "lots"`).and(w.web("money", "pay", `config: MODE: "strict"`))
}

// TestInvalidServiceIsHeld: what is invalid stays at its last good state and
// says where, why, since when and what to do. Everybody else goes on, and
// nobody's network policy forgets the one that is held.
func TestInvalidServiceIsHeld(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	before := w.essences("prod-eu", true)
	from, began := w.lab.now(t), time.Now()
	commit := w.push("a mistake and a change", brokenCheckout(w))
	held := []string{w.inDev("checkout"), w.inProd("checkout")}
	w.settled(commit, held...)
	for _, name := range held {
		w.mustBeHeld(name, began)
	}
	w.mustHaveWrittenOnly(from, "pay", "configmaps", "deployments")
	data, _ := w.live("prod-eu", "ConfigMap", w.space("money", w.prod()), "pay").Object["data"].(map[string]any)
	if data["MODE"] != "strict" {
		t.Errorf("pay runs with %v, want the pushed MODE", data)
	}

	w.daemon.stop()
	from = w.lab.now(t)
	w.start(t.TempDir())
	w.settled(commit, held...)
	for _, name := range held {
		w.mustBeHeld(name, began)
	}
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("a restart without data wrote:\n  %s\nwant nothing", spelled(writes))
	}

	commit = w.push("mended", w.web("shop", "checkout", `needs: {pay: service: "pay", cart: service: "cart"}`).and(w.web("money", "pay", "")))
	w.settled(commit)
	if u := w.unit(w.inProd("checkout")); u.Sync != status.Synced || u.Message != "" {
		t.Errorf("after the fix: %s", describe(u))
	}
	mustEqual(t, "what is live after the fix", before, w.essences("prod-eu", true))
	if n := len(w.records(w.inProd("checkout"), journal.Unheld)); n != 1 {
		t.Errorf("the journal has %d records of the release, want 1", n)
	}
}

// mustBeHeld holds what the status of a broken checkout must say.
func (w *world) mustBeHeld(name string, since time.Time) {
	w.t.Helper()
	u := w.unit(name)
	place := w.servicePath("shop", "checkout") + ":12:21: resources.memory"
	switch {
	case u.Sync != status.Held || u.Reason != plan.HoldInvalid:
		w.t.Errorf("%s, want held for %s", describe(u), plan.HoldInvalid)
	case !strings.HasPrefix(u.Message, place):
		w.t.Errorf("message of %s: %q, want it to begin with %q", name, u.Message, place)
	case u.Hint == "":
		w.t.Errorf("%s has no hint", name)
	case u.Since.Before(since) || u.Since.After(time.Now()):
		w.t.Errorf("%s is held since %s, want since the push at %s", name, u.Since, since)
	}
}

// mustHaveWrittenOnly holds that only objects of one service were patched, one
// of each resource on each cluster.
func (w *world) mustHaveWrittenOnly(from instant, service string, resources ...string) {
	w.t.Helper()
	want := map[string]bool{}
	for _, r := range resources {
		for _, c := range clusters() {
			want[fmt.Sprintf("%s patch %s %s", c, r, service)] = true
		}
	}
	for _, r := range w.writes(from) {
		key := fmt.Sprintf("%s %s %s %s", r.Cluster, r.Verb, r.Object.Resource, r.Object.Name)
		if !want[key] {
			w.t.Errorf("written and not asked for, or twice: %s", r)
		}
		delete(want, key)
	}
	for key := range want {
		w.t.Errorf("not written: %s", key)
	}
}
