package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// TestDatabaseNeedsConsent: a database that is taken out of a service's needs stays
// as it is, and the whole unit with it; put back, the unit goes on with the same one;
// and it goes by the line that the status tells to add.
func TestDatabaseNeedsConsent(t *testing.T) {
	const way = `resources: postgres: "in-cluster"`
	const needs = `needs: db: postgres: version: "17"`
	w := newWorld(t, func(w *world) files {
		return w.teamFile("shop").and(w.web("shop", "orders", needs)).and(w.release(w.prod(), "shop", "orders", "1.0.0")).and(w.consenting(way))
	})
	w.run()
	space, unit := w.space("shop", w.prod()), w.inProd("orders")
	kept := func() (out []string) {
		for name, o := range w.objects("prod-eu") {
			if holds := []string{"StatefulSet", "PersistentVolumeClaim"}; slices.Contains(holds, o.GetKind()) && o.GetNamespace() == space {
				out = append(out, name+" "+string(o.GetUID()))
			}
		}
		slices.Sort(out)
		return out
	}
	was := kept()
	if len(was) != 2 {
		t.Fatalf("the database is %q, want a StatefulSet and a claim", was)
	}

	from := w.lab.now(t)
	commit := w.push("no database", w.web("shop", "orders", `config: MODE: "without"`))
	u := w.waitHeld(unit, plan.HoldProtected, commit)
	if !strings.Contains(u.Message, "orders-db") {
		t.Errorf("the hold says %q and not what would go", u.Message)
	}
	w.mustDeleteNothing(from)
	mustEqual(t, "what holds the data", was, kept())
	told := fmt.Sprint(w.live("prod-eu", "ConfigMap", space, "orders").Object["data"])
	if !strings.Contains(told, "DB_HOST") || strings.Contains(told, "without") {
		t.Errorf("a unit that is held was written: %s", told)
	}

	commit = w.push("the database is back", w.web("shop", "orders", needs+"\n\tconfig: MODE: \"with\""))
	w.waitUnit(unit, "synced", func(u status.Unit) bool {
		return u.Sync == status.Synced && u.Health == "Healthy" && u.Desired == commit
	})
	mustEqual(t, "what holds the data", was, kept())
	w.mustDeleteNothing(from)

	commit = w.push("no database after all", w.web("shop", "orders", ""))
	_, line := lineToAdd(t, w.waitHeld(unit, plan.HoldProtected, commit))
	commit = w.push("the database may go", w.consenting(way+"\n\t"+line))
	w.waitUnit(unit, "synced", func(u status.Unit) bool { return u.Sync == status.Synced && u.Desired == commit })
	eventually(t, patience, "the database is gone", func() string { return strings.Join(kept(), ", ") })
	for _, r := range w.deleted(from) {
		if r.Object.Namespace != space || !strings.HasPrefix(r.Object.Name, "orders-db") {
			t.Errorf("deleted, and should not be: %s", r)
		}
	}
}
