package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// TestMigration: a migration runs after what it needs and before the pods, once for
// each image; another number of replicas is one write and no migration.
func TestMigration(t *testing.T) {
	migrating := func(more string) string { return `migrate: args: ["migrate", "up"]` + "\n\t" + more }
	var from instant
	w := newWorld(t, func(w *world) files {
		from = w.lab.now(w.t)
		return w.teamFile("shop").and(w.everywhere("shop", "orders", migrating("scale: min: 1")))
	})
	w.run()
	space := w.space("shop", w.prod())
	w.mustWriteInOrder(from, space, "networkpolicies orders-migrate", "configmaps orders", "jobs orders-migrate", "deployments orders")
	first := w.live("prod-eu", "Job", space, "orders-migrate")
	if done, _, _ := unstructured.NestedInt64(first.Object, "status", "succeeded"); done != 1 {
		t.Errorf("the migration succeeded %d times before the unit was healthy", done)
	}

	from = w.lab.now(t)
	w.settled(w.push("another replica", w.everywhere("shop", "orders", migrating("scale: min: 3"))))
	for _, r := range w.writes(from) {
		if r.Object.Resource == "jobs" {
			t.Errorf("another number of replicas: %s", r)
		}
	}
	if again := w.live("prod-eu", "Job", space, "orders-migrate"); again.GetUID() != first.GetUID() {
		t.Error("another number of replicas had the migration run again")
	}

	from = w.lab.now(t)
	w.settled(w.push("another image", w.release(w.prod(), "shop", "orders", "2.0.0")))
	if again := w.live("prod-eu", "Job", space, "orders-migrate"); again.GetUID() == first.GetUID() {
		t.Error("another image had no migration run")
	}
	w.mustWriteInOrder(from, space, "configmaps orders", "jobs orders-migrate", "deployments orders")
}

// mustWriteInOrder holds the objects that were applied in a namespace of prod-eu
// to an order; others may be among them.
func (w *world) mustWriteInOrder(from instant, space string, names ...string) {
	w.t.Helper()
	var wrote []string
	for _, r := range w.writes(from) {
		name := r.Object.Resource + " " + r.Object.Name
		if r.Cluster == "prod-eu" && r.Object.Namespace == space && r.Verb == "patch" && slices.Contains(names, name) {
			wrote = append(wrote, name)
		}
	}
	if !slices.Equal(wrote, names) {
		w.t.Errorf("written in the order %q, want %q", wrote, names)
	}
}

// TestVolumes: the claims of a stateful service are objects of its unit, and its
// pods take them and no others; what a claim cannot become is refused aloud and
// changes nothing; claims that would go hold the unit, and so does its removal.
func TestVolumes(t *testing.T) {
	w := newWorld(t, func(w *world) files {
		return w.teamFile("shop").and(w.store(2, "10Gi")).and(w.release(w.prod(), "shop", "store", "1.0.0"))
	})
	w.run()
	space, unit := w.space("shop", w.prod()), w.inProd("store")
	claims := func() (out string) {
		for i := range 2 {
			c := w.live("prod-eu", "PersistentVolumeClaim", space, fmt.Sprintf("data-store-%d", i))
			size, _, _ := unstructured.NestedString(c.Object, "spec", "resources", "requests", "storage")
			phase, _, _ := unstructured.NestedString(c.Object, "status", "phase")
			out += fmt.Sprintf("%s %s %s %s, ", c.GetUID(), size, phase, c.GetAnnotations()["fairway.dev/unit"])
		}
		return out
	}
	was := claims()
	if strings.Count(was, "10Gi Bound "+unit) != 2 {
		t.Errorf("the claims are %s; want two of 10Gi, bound, of %s", was, unit)
	}

	from := w.lab.now(t)
	commit := w.push("less room", w.store(2, "5Gi"))
	u := w.waitUnit(unit, "refused", func(u status.Unit) bool { return u.Sync == status.Failed && u.Desired == commit })
	if u.Reason != "RefusedByCluster" || !strings.Contains(u.Message, "data-store-") {
		t.Errorf("a claim that should shrink is %s", describe(u))
	}
	w.mustDeleteNothing(from)
	mustEqual(t, "the claims", was, claims())

	commit = w.push("fewer replicas", w.store(1, "10Gi"))
	u = w.waitHeld(unit, plan.HoldProtected, commit)
	if !strings.Contains(u.Message, "data-store-1") {
		t.Errorf("the hold says %q and not which claim would go", u.Message)
	}
	commit = w.push("no store", files{w.servicePath("shop", "store"): gone, w.releasePath(w.prod(), "shop", "store"): gone})
	w.waitHeld(unit, plan.HoldProtected, commit)
	w.mustDeleteNothing(from)
	mustEqual(t, "the claims", was, claims())
	if w.live("prod-eu", "StatefulSet", space, "store") == nil {
		t.Error("the StatefulSet went without consent")
	}
}

// store declares a stateful service of the team shop.
func (w *world) store(replicas int, size string) files {
	return files{w.servicePath("shop", "store"): fmt.Sprintf(`package service

import "fairway.dev/platform/paths/stateful"

stateful.#Service & {
	name:        "store"
	description: "A service of a test, with data of its own."
	image:       "registry.example.com/test/store"
	replicas:    %d
	start:       "parallel"
	volumes: data: {path: "/var/lib/store", size: %q}
}
`, replicas, size)}
}
