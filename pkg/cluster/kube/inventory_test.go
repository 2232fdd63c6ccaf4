package kube_test

import (
	"fmt"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
)

func testInventory(t *testing.T, b *bench) {
	ctx := b.ctx(t)
	if err := b.LoadInventory(ctx); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	for n := range 40 {
		done.Go(func() {
			unit := fmt.Sprintf("prod/prod-eu/u%d", n)
			if err := b.Intend(ctx, "prod.shop", unit, "r1", []cluster.Intent{{ID: b.config(t, unit, "").ID}, {ID: b.deployment(t, unit, 1).ID}}); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	counts := b.Requests()
	writes := counts["patch configmaps"] + counts["post configmaps"]
	if writes > 20 {
		t.Errorf("40 intents at once took %d writes", writes)
	}
	t.Logf("40 intents at once took %d writes", writes)
	again := b.connect(t, kube.Options{})
	if err := again.LoadInventory(ctx); err != nil {
		t.Fatal(err)
	}
	id := b.config(t, "prod/prod-eu/u7", "").ID
	got, known := again.Inventory("prod/prod-eu/u7").Members()
	if !known || len(got) != 2 || got[id] != (cluster.Owned{}) {
		t.Errorf("another process reads %v, %v", got, known)
	}
	b.Confirm("prod/prod-eu/u7", id, "uid-7")
	if err := b.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if got, known := again.ReadInventory(ctx, "prod/prod-eu/u7").Members(); !known || got[id].UID != "uid-7" {
		t.Errorf("a consistent read gives %v, %v; want the UID confirmed by the other process", got, known)
	}
	if units, _ := again.Units().Members(); len(units) != 40 {
		t.Errorf("%d units, want 40", len(units))
	}
}

func testInventoryLost(t *testing.T, b *bench) {
	ctx := b.ctx(t)
	if err := b.LoadInventory(ctx); err != nil {
		t.Fatal(err)
	}
	if err := b.Intend(ctx, "prod.shop", b.unit, "r1", []cluster.Intent{{ID: b.config(t, "a", "").ID}}); err != nil {
		t.Fatal(err)
	}
	parts, err := b.admin.CoreV1().ConfigMaps("").List(ctx, metav1.ListOptions{LabelSelector: "fairway.dev/store=inventory"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts.Items {
		if p.Namespace == "fairway-testonlab-inventory-lost" {
			if err := b.admin.CoreV1().ConfigMaps(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, known := b.ReadInventory(ctx, b.unit).Members(); known {
		t.Error("an inventory deleted by hand is known")
	}
	if err := b.Intend(ctx, "prod.shop", b.unit, "r2", []cluster.Intent{{ID: b.config(t, "b", "").ID}}); err != nil {
		t.Fatal(err)
	}
	if got, known := b.ReadInventory(ctx, b.unit).Members(); !known || len(got) != 2 {
		t.Errorf("after the next intent: %v, %v; want both entries", got, known)
	}
}
