package kube_test

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
)

// testGiveUp hands an object from unit to unit, and lets an adopted one go: only
// what the giver alone declared goes, and it is always the one object that was meant.
func testGiveUp(t *testing.T, b *bench) {
	ctx := b.ctx(t)
	old := b.config(t, "moved", "old")
	first, err := b.Apply(ctx, kube.ApplyRequest{Object: old, Unit: b.unit})
	if err != nil {
		t.Fatal(err)
	}
	heir := b.unit + "2"
	taken := b.thing(t, "v1", "ConfigMap", "moved", `"data":{"b":"new"}`)
	if _, err := b.Apply(ctx, kube.ApplyRequest{Object: taken, Unit: heir, UID: "another", Force: true}); !errors.Is(err, cluster.ErrPrecondition) {
		t.Errorf("applied to an object of another UID: %v", err)
	}
	if _, err := b.Apply(ctx, kube.ApplyRequest{Object: taken, Unit: heir, UID: first.UID, Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.Yield(ctx, old.ID, "another", b.unit); !errors.Is(err, cluster.ErrPrecondition) {
		t.Errorf("gave up an object of another UID: %v", err)
	}
	if err := b.Yield(ctx, old.ID, first.UID, b.unit); err != nil {
		t.Fatal(err)
	}
	got, err := b.admin.CoreV1().ConfigMaps(b.ns).Get(ctx, "moved", metav1.GetOptions{})
	if err != nil || got.UID != types.UID(first.UID) || len(got.Data) != 1 || got.Data["b"] != "new" {
		t.Errorf("after it moved: %s %v, %v", got.UID, got.Data, err)
	}
	if err := b.admin.CoreV1().ConfigMaps(b.ns).Delete(ctx, "moved", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Yield(ctx, old.ID, first.UID, b.unit); err == nil {
		t.Error("gave up an object that is gone, and made it again")
	}
	if _, err := b.admin.CoreV1().ConfigMaps(b.ns).Get(ctx, "moved", metav1.GetOptions{}); err == nil {
		t.Error("it was made again")
	}
	testRelease(t, b)
}

func testRelease(t *testing.T, b *bench) {
	ctx := b.ctx(t)
	api := b.admin.CoreV1().ConfigMaps(b.ns)
	theirs, err := api.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "adopted", Labels: map[string]string{"own": "label"}}, Data: map[string]string{"own": "value"}}, metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	ours := b.thing(t, "v1", "ConfigMap", "adopted", `"data":{"a":"1"}`)
	if _, err := b.Apply(ctx, kube.ApplyRequest{Object: ours, Unit: b.unit, UID: string(theirs.UID), Force: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.Release(ctx, ours.ID, string(theirs.UID), "prod/prod-eu/other"); err != nil {
		t.Fatal(err)
	}
	if got, _ := api.Get(ctx, "adopted", metav1.GetOptions{}); got.Annotations["fairway.dev/unit"] != b.unit {
		t.Error("another unit's object was released")
	}
	if err := b.Release(ctx, ours.ID, string(theirs.UID), b.unit); err != nil {
		t.Fatal(err)
	}
	got, err := api.Get(ctx, "adopted", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got.ManagedFields {
		if f.Manager != "somebody" {
			t.Errorf("%s still owns fields", f.Manager)
		}
	}
	if len(got.Annotations) != 0 || len(got.Labels) != 1 || got.Data["a"] != "1" || got.Data["own"] != "value" || got.UID != theirs.UID {
		t.Errorf("released: %v %v %v", got.Annotations, got.Labels, got.Data)
	}
}
