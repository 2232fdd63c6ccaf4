package e2e_test

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

// rewriteInventory changes what a cluster has recorded for a unit, by hand.
func (w *world) rewriteInventory(cluster, unit string, change func(string) string) {
	w.t.Helper()
	found := false
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		api := w.lab.admin[cluster].Resource(kinds()["ConfigMap"]).Namespace(w.system)
		list, err := api.List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, part := range list.Items {
			data, _, _ := unstructured.NestedStringMap(part.Object, "data")
			for key, value := range data {
				if !strings.Contains(value, `"`+unit+`"`) {
					continue
				}
				found = true
				data[key] = change(value)
				_ = unstructured.SetNestedStringMap(part.Object, data, "data")
				_, err = api.Update(context.Background(), &part, metav1.UpdateOptions{})
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("change what is recorded of %s by hand: %v", unit, err)
	}
	if !found {
		w.t.Fatalf("nothing is recorded of %s", unit)
	}
}

// TestUnknownKindIsNotAbsent: an object of a kind that the cluster does not serve
// may exist all the same. Its unit is not changed and forgets nothing, while the
// others go on.
func TestUnknownKindIsNotAbsent(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	w.daemon.stop()
	w.rewriteInventory("prod-eu", w.inProd("checkout"), func(value string) string {
		return strings.Replace(value, `"objects":[`, `"objects":[["example.com","Widget","`+w.space("shop", w.prod())+`","w","some-uid"],`, 1)
	})
	commit := w.push("checkout is not in prod, cart is strict", w.web("shop", "cart", `config: MODE: "strict"`).
		and(files{w.releasePath(w.prod(), "shop", "checkout"): gone}))
	from := w.lab.now(t)
	w.start(t.TempDir())
	w.waitUnit(w.inProd("checkout"), "failed", func(u status.Unit) bool { return u.Sync == status.Failed && strings.Contains(u.Message, "Widget") })
	w.waitUnit(w.inProd("cart"), "synced", func(u status.Unit) bool { return u.Sync == status.Synced && u.Revision == commit })
	w.mustDeleteNothing(from)
	if entry := w.inventoryOf("prod-eu", w.inProd("checkout")); !strings.Contains(entry, "Widget") || strings.Count(entry, `["`) < 6 {
		t.Errorf("the inventory forgot something: %s", entry)
	}
}

// TestDamagedRecordDeletesNothing: where one unit's record cannot be read, what
// the cluster has of ours is not known, and nothing at all is deleted there.
func TestDamagedRecordDeletesNothing(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	w.daemon.stop()
	w.rewriteInventory("prod-eu", w.inProd("pay"), func(string) string { return `{"unit":"` + w.inProd("pay") + `","objects":[[` })
	commit := w.push("cart is strict, and has no more than it needs", w.web("shop", "cart", `config: MODE: "strict"`).
		and(files{w.releasePath(w.prod(), "shop", "checkout"): gone}))
	from := w.lab.now(t)
	w.start(t.TempDir())
	w.waitUnit(w.inProd("cart"), "synced", func(u status.Unit) bool { return u.Sync == status.Synced && u.Revision == commit })
	w.waitUnit(w.inProd("pay"), "failed", func(u status.Unit) bool { return u.Sync == status.Failed && strings.Contains(u.Message, "inventory") })
	w.mustDeleteNothing(from)
	if w.live("prod-eu", "Deployment", w.space("shop", w.prod()), "checkout") == nil {
		t.Error("checkout is gone")
	}
}

// TestLockedByHand: one annotation by kubectl keeps an object, and what goes with
// it, from going with its service.
func TestLockedByHand(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	space := w.space("shop", w.prod())
	w.alter("prod-eu", "ConfigMap", space, "checkout", "somebody", func(o *unstructured.Unstructured) {
		all := o.GetAnnotations()
		all["fairway.dev/lock"] = "true"
		o.SetAnnotations(all)
	})
	from := w.lab.now(t)
	commit := w.push("checkout is not in prod", files{w.releasePath(w.prod(), "shop", "checkout"): gone})
	u := w.waitHeld(w.inProd("checkout"), plan.HoldProtected, commit)
	w.mustDeleteNothing(from)
	_, line := lineToAdd(t, u)
	w.settled(w.push("it may go", w.consenting(line)))
	if w.live("prod-eu", "ConfigMap", space, "checkout") != nil {
		t.Error("it is there")
	}
}
