package kube_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
)

func testApply(t *testing.T, b *bench) {
	b.ensure(t, b.Cluster, configMaps())
	before := b.Requests()["patch configmaps"]
	first := b.apply(t, b.config(t, "a", "1"))
	if !first.Created || first.UID == "" {
		t.Errorf("first apply: got %+v, want created", first)
	}
	e, ok := entry(t, b.Cluster, b.config(t, "a", "1").ID)
	if !ok || !e.Clean || e.Applied != b.config(t, "a", "1").Digest || e.Commit != "c1" || e.Unit != b.unit {
		t.Errorf("entry right after apply: got %+v, %v", e, ok)
	}
	second := b.apply(t, b.config(t, "a", "1"))
	if second.Created || second.ResourceVersion != first.ResourceVersion {
		t.Errorf("no-op apply: got %+v after %+v", second, first)
	}
	third := b.apply(t, b.config(t, "a", "2"))
	if third.Created || third.UID != first.UID || third.ResourceVersion == first.ResourceVersion {
		t.Errorf("update: got %+v after %+v", third, first)
	}
	if got := b.Requests()["patch configmaps"] - before; got != 3 {
		t.Errorf("three applies took %d patches", got)
	}
	b.silent(t, b.config(t, "a", "2").ID, kube.Drifted, kube.Deleted, kube.Appeared)
	if e, _ := entry(t, b.Cluster, b.config(t, "a", "2").ID); !e.Clean {
		t.Errorf("after its watch event the entry is no longer clean: %+v", e)
	}
	live, err := b.Get(b.ctx(t), b.config(t, "a", "2").ID, b.unit)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.config(t, "a", "2").Fields(), live.Owned); diff != "" {
		t.Errorf("owned (-desired +live):\n%s", diff)
	}
	if len(live.Others) > 0 {
		t.Errorf("others own fields: %v", live.Others)
	}
}

func testConflict(t *testing.T, b *bench) {
	b.apply(t, b.deployment(t, "web", 2))
	b.patch(t, "deployments", "web", map[string]any{"spec": map[string]any{"replicas": 5}})
	_, err := b.Apply(b.ctx(t), cluster.ApplyRequest{Object: b.deployment(t, "web", 3), Unit: b.unit, Commit: "c2"})
	conflict, ok := errors.AsType[*cluster.ConflictError](err)
	if !ok {
		t.Fatalf("apply over another's field: got %v, want a conflict", err)
	}
	if len(conflict.Owners) != 1 || conflict.Owners[0].Field != ".spec.replicas" ||
		conflict.Owners[0].Manager != "kubectl-edit" {
		t.Errorf("conflict: got %+v\n%v", conflict.Owners, err)
	}
	live, err := b.Get(b.ctx(t), b.deployment(t, "web", 3).ID, b.unit)
	if err != nil {
		t.Fatal(err)
	}
	if len(live.Others) == 0 || live.Others[0].Field != ".spec.replicas" || live.Others[0].Manager != "kubectl-edit" {
		t.Errorf("others: got %+v", live.Others)
	}
	forced := cluster.ApplyRequest{Object: b.deployment(t, "web", 3), Unit: b.unit, Commit: "c2", Force: true}
	if _, err := b.Apply(b.ctx(t), forced); err != nil {
		t.Errorf("forced apply: %v", err)
	}
}

func testRefusals(t *testing.T, b *bench) {
	ctx := b.ctx(t)
	elsewhere := b.config(t, "a", "1")
	fields := elsewhere.Fields()
	fields["metadata"].(map[string]any)["namespace"] = "nowhere"
	elsewhere, err := object.FromFields(fields)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		object object.Object
		want   error
	}{
		"no namespace":  {elsewhere, cluster.ErrNoNamespace},
		"no kind":       {b.thing(t, "example.com/v1", "Widget", "w", `"spec":{}`), cluster.ErrNoKind},
		"no such kind":  {b.thing(t, "apps/v1", "Deploymint", "w", `"spec":{}`), cluster.ErrNoKind},
		"invalid":       {b.thing(t, "apps/v1", "Deployment", "w", `"spec":{"replicas":-1}`), cluster.ErrInvalid},
		"unknown field": {b.thing(t, "v1", "ConfigMap", "w", `"data":{},"datta":{"a":"b"}`), cluster.ErrInvalid},
		"wrong scope":   {b.thing(t, "v1", "Namespace", "w", `"spec":{}`), cluster.ErrInvalid},
	} {
		_, err := b.Apply(ctx, cluster.ApplyRequest{Object: tt.object, Unit: b.unit})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	secret := b.thing(t, "v1", "Secret", "s", `"type":"kubernetes.io/tls","data":{"tls.crt":"Y2FuYXJ5"},"stringData":{"tls.key":3}`)
	if _, err := b.Apply(ctx, cluster.ApplyRequest{Object: secret, Unit: b.unit}); err == nil || strings.Contains(err.Error(), "Y2FuYXJ5") {
		t.Errorf("a refused secret: got %v", err)
	}
	if _, err := b.Get(ctx, b.config(t, "no", "").ID, b.unit); !errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("get of nothing: got %v, want not found", err)
	}
	if _, err := b.Get(ctx, object.ID{Group: "example.com", Kind: "Widget", Namespace: b.ns, Name: "w"}, b.unit); !errors.Is(err, cluster.ErrNoKind) || errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("get of a kind not served: got %v, want no kind and not \"not found\"", err)
	}
}

func testPreview(t *testing.T, b *bench) {
	live, err := b.Preview(b.ctx(t), cluster.ApplyRequest{Object: b.deployment(t, "web", 2), Unit: b.unit})
	if err != nil {
		t.Fatal(err)
	}
	if spec := live.Fields["spec"].(map[string]any); spec["progressDeadlineSeconds"] == nil {
		t.Error("preview lacks the server's defaults")
	}
	if _, err := b.Get(b.ctx(t), b.deployment(t, "web", 2).ID, b.unit); !errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("after a preview the object exists: %v", err)
	}
}

func testDeleteGuarded(t *testing.T, b *bench) {
	ctx := b.ctx(t)
	o := b.config(t, "a", "1")
	old := b.apply(t, o)
	before := b.Requests()["delete configmaps"]
	for _, pair := range [][2]string{{"", old.ResourceVersion}, {old.UID, ""}} {
		if err := b.Delete(ctx, o.ID, pair[0], pair[1]); err == nil {
			t.Errorf("delete with uid %q and version %q was not refused", pair[0], pair[1])
		}
	}
	if got := b.Requests()["delete configmaps"]; got != before {
		t.Errorf("a delete without preconditions was sent")
	}
	configs := b.admin.CoreV1().ConfigMaps(b.ns)
	if err := configs.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	now := b.apply(t, o)
	if err := b.Delete(ctx, o.ID, old.UID, old.ResourceVersion); !errors.Is(err, cluster.ErrPrecondition) {
		t.Errorf("delete of a recreated object: got %v, want precondition", err)
	}
	if err := b.Delete(ctx, o.ID, now.UID, old.ResourceVersion); !errors.Is(err, cluster.ErrPrecondition) {
		t.Errorf("delete of a changed object: got %v, want precondition", err)
	}
	if got, err := configs.Get(ctx, "a", metav1.GetOptions{}); err != nil || string(got.UID) != now.UID {
		t.Fatalf("the object did not survive: %v", err)
	}
	if err := b.Delete(ctx, o.ID, now.UID, now.ResourceVersion); err != nil {
		t.Errorf("delete of the very object: %v", err)
	}
	if err := b.Delete(ctx, o.ID, now.UID, now.ResourceVersion); !errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("delete again: got %v, want not found", err)
	}
}

func testAbsent(t *testing.T, b *bench) {
	ctx := b.ctx(t)
	b.apply(t, b.config(t, "ours", "1"))
	b.patchCreate(t, "foreign")
	set := b.Absent(ctx, []object.ID{b.config(t, "ours", "").ID, b.config(t, "foreign", "").ID, b.config(t, "none", "").ID})
	got, known := set.Members()
	if !known || len(got) != 2 {
		t.Fatalf("absent: got %v, %v, %v; want two that exist", got, known, set.Why())
	}
	if e := got[b.config(t, "ours", "").ID]; e.Unit != b.unit || e.Applied != b.config(t, "ours", "1").Digest {
		t.Errorf("ours: got %+v", e)
	}
	if e := got[b.config(t, "foreign", "").ID]; e.Unit != "" || e.UID == "" {
		t.Errorf("foreign: got %+v", e)
	}
	for name, want := range map[string]int{"foreign": 1, "none": 0} {
		one, known := b.Absent(ctx, []object.ID{b.config(t, name, "").ID}).Members()
		if !known || len(one) != want {
			t.Errorf("absent %s: got %v, %v; want %d", name, one, known, want)
		}
	}
	if _, known := b.Absent(ctx, []object.ID{{Group: "example.com", Kind: "Widget", Namespace: b.ns, Name: "w"}}).Members(); known {
		t.Error("a kind that is not served is no proof of absence")
	}
}
