package kube_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
)

// patchCreate makes an object that is none of ours.
func (b *bench) patchCreate(t *testing.T, name string) {
	t.Helper()
	if _, err := b.admin.CoreV1().ConfigMaps(b.ns).Create(b.ctx(t),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func testDrift(t *testing.T, b *bench) {
	b.ensure(t, b.Cluster, deployments())
	o := b.deployment(t, "web", 2)
	b.apply(t, o)
	b.patch(t, "deployments", "web", map[string]any{"spec": map[string]any{"replicas": 5}})
	if ev := event(t, b.Cluster, o.ID, kube.Drifted); ev.Unit != b.unit {
		t.Errorf("event: got %+v, want unit %s", ev, b.unit)
	}
	if e, _ := entry(t, b.Cluster, o.ID); e.Clean {
		t.Error("a drifted object is clean")
	}
	live, err := b.Get(b.ctx(t), o.ID, b.unit)
	if err != nil {
		t.Fatal(err)
	}
	b.MarkClean(o.ID, live.UID, live.Mark)
	if e, _ := entry(t, b.Cluster, o.ID); !e.Clean {
		t.Error("an object found clean by a read is not clean")
	}
	if _, err := b.Apply(b.ctx(t), cluster.ApplyRequest{Object: o, Unit: b.unit, Commit: "c1", Force: true}); err != nil {
		t.Fatal(err)
	}
	if e, _ := entry(t, b.Cluster, o.ID); !e.Clean {
		t.Error("a healed object is not clean")
	}
}

func testQuiet(t *testing.T, b *bench) {
	b.ensure(t, b.Cluster, configMaps(), deployments())
	o := b.deployment(t, "web", 2)
	b.apply(t, o)
	event(t, b.Cluster, o.ID, kube.HealthChanged)
	for n := range 5 {
		b.patch(t, "deployments", "web", map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{"someone.else/note": fmt.Sprint(n)}},
			"spec":     map[string]any{"progressDeadlineSeconds": 100 + n},
		})
	}
	b.silent(t, o.ID, kube.Drifted, kube.Deleted, kube.Appeared)
	time.Sleep(200 * time.Millisecond) // the Deployment's own watch may be behind the probe's
	if e, _ := entry(t, b.Cluster, o.ID); !e.Clean || e.Health != cluster.Healthy {
		t.Errorf("after others' changes: got %+v, want clean and healthy", e)
	}
}

func testDeleted(t *testing.T, b *bench) {
	b.ensure(t, b.Cluster, configMaps())
	o := b.config(t, "a", "1")
	b.apply(t, o)
	if err := b.admin.CoreV1().ConfigMaps(b.ns).Delete(b.ctx(t), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if ev := event(t, b.Cluster, o.ID, kube.Deleted); ev.Unit != b.unit {
		t.Errorf("event: got %+v, want unit %s", ev, b.unit)
	}
	if e, ok := entry(t, b.Cluster, o.ID); ok {
		t.Errorf("a deleted object is still observed: %+v", e)
	}
}

func testLabelRemoved(t *testing.T, b *bench) {
	b.ensure(t, b.Cluster, configMaps())
	o := b.config(t, "a", "1")
	b.apply(t, o)
	b.patch(t, "configmaps", "a", map[string]any{"metadata": map[string]any{"labels": map[string]any{object.LabelManagedBy: nil}}})
	event(t, b.Cluster, o.ID, kube.Deleted)
	if _, err := b.Apply(b.ctx(t), cluster.ApplyRequest{Object: o, Unit: b.unit, Commit: "c1"}); err != nil {
		t.Fatal(err)
	}
	if e, ok := entry(t, b.Cluster, o.ID); !ok || !e.Clean {
		t.Errorf("after the label was healed: got %+v, %v", e, ok)
	}
	b.silent(t, o.ID, kube.Drifted, kube.Deleted, kube.Appeared)
}

func testKindAppears(t *testing.T, b *bench) {
	kind := kube.Kind{Group: "example.com", Version: "v1", Kind: "Gadget"}
	if err := b.Ensure(b.ctx(t), []kube.Kind{configMaps(), kind}); !errors.Is(err, cluster.ErrNoKind) || !strings.Contains(err.Error(), "Gadget") {
		t.Fatalf("ensure of a kind not served: got %v, want no kind", err)
	}
	entry(t, b.Cluster, b.config(t, "a", "").ID) // the other kind is watched all the same
	if _, known := b.Observe([]object.ID{{Group: kind.Group, Kind: kind.Kind, Namespace: b.ns, Name: "g"}}).Members(); known {
		t.Error("a kind that is not watched is known")
	}
	crd := `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gadgets.example.com"},
		"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"gadgets","kind":"Gadget","listKind":"GadgetList","singular":"gadget"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`
	def, err := object.Parse([]byte(crd))
	if err != nil {
		t.Fatal(err)
	}
	b.apply(t, def)
	deadline := time.Now().Add(20 * time.Second)
	for err = b.Ensure(b.ctx(t), []kube.Kind{kind}); errors.Is(err, cluster.ErrNoKind) && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
		err = b.Ensure(b.ctx(t), []kube.Kind{kind})
	}
	if err != nil {
		t.Fatal(err)
	}
	g := b.thing(t, "example.com/v1", "Gadget", "g", `"spec":{"size":3}`)
	b.apply(t, g)
	if e, ok := entry(t, b.Cluster, g.ID); !ok || !e.Clean || e.Health != cluster.HealthUnknown {
		t.Errorf("custom resource: got %+v, %v", e, ok)
	}
}

func testRestart(t *testing.T, b *bench) {
	b.ensure(t, b.Cluster, configMaps(), deployments())
	var ids []object.ID
	for n := range 20 {
		c, d := b.config(t, fmt.Sprintf("c%d", n), "1"), b.deployment(t, fmt.Sprintf("d%d", n), 1)
		b.apply(t, c)
		b.apply(t, d)
		ids = append(ids, c.ID, d.ID)
	}
	path := filepath.Join(t.TempDir(), "marks")
	if err := b.SaveMarks(path); err != nil {
		t.Fatal(err)
	}
	b.patch(t, "configmaps", "c3", map[string]any{"data": map[string]any{"key": "drifted while away"}})
	again := b.connect(t, kube.Options{})
	if err := again.LoadMarks(path); err != nil {
		t.Fatal(err)
	}
	b.ensure(t, again, configMaps(), deployments())
	got, known := again.Observe(ids).Members()
	if !known || len(got) != len(ids) {
		t.Fatalf("after a restart: %d of %d, known %v", len(got), len(ids), known)
	}
	for id, e := range got {
		if e.Clean != (id.Name != "c3") {
			t.Errorf("after a restart %s: clean is %v", id, e.Clean)
		}
	}
	for key, n := range again.Requests() {
		if strings.HasPrefix(key, "get ") && !strings.HasPrefix(key, "get /") && key != "get namespaces" {
			t.Errorf("a restart took %d x %s", n, key)
		}
	}
}

func testUnmanaged(t *testing.T, b *bench) {
	b.ensure(t, b.Cluster, configMaps())
	before := b.Stats().Entries
	for n := range 10 {
		b.patchCreate(t, fmt.Sprintf("foreign%d", n))
	}
	b.silent(t, b.config(t, "x", "").ID)
	if got := b.Stats().Entries - before; got != 1 { // the probe of silent
		t.Errorf("ten objects of others left %d entries", got)
	}
}

// A watch that cannot be reopened makes the answer unknown after the grace.
func testUnknownWhenCut(t *testing.T, b *bench) {
	kind := kube.Kind{Group: "example.com", Version: "v1", Kind: "Fleeting"}
	def, err := object.Parse([]byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"fleetings.example.com"},
		"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"fleetings","kind":"Fleeting","listKind":"FleetingList","singular":"fleeting"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	c := b.connect(t, kube.Options{Grace: 100 * time.Millisecond})
	applied := b.apply(t, def)
	deadline := time.Now().Add(20 * time.Second)
	for c.Ensure(b.ctx(t), []kube.Kind{kind}) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the kind is never served")
		}
		time.Sleep(100 * time.Millisecond)
	}
	id := object.ID{Group: kind.Group, Kind: kind.Kind, Namespace: b.ns, Name: "f"}
	if _, known := c.Observe([]object.ID{id}).Members(); !known {
		t.Fatal("a watched kind is unknown")
	}
	live, err := b.Get(b.ctx(t), def.ID, b.unit)
	if err != nil || live.UID != applied.UID {
		t.Fatal(err)
	}
	if err := b.Delete(b.ctx(t), def.ID, live.UID, live.ResourceVersion); err != nil {
		t.Fatal(err)
	}
	for {
		if _, known := c.Observe([]object.ID{id}).Members(); !known {
			return
		}
		if time.Now().After(deadline.Add(20 * time.Second)) {
			t.Fatal("a kind that vanished is still known")
		}
		time.Sleep(50 * time.Millisecond)
	}
}
