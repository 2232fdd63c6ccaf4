package e2e_test

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/status"
)

// TestForeignObject: what somebody else made under a name that a service needs
// is neither overwritten nor adopted; the unit says so, and goes on when it is away.
func TestForeignObject(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	space := w.space("shop", w.dev())
	foreign := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "late", "namespace": space},
		"data": map[string]any{"OWNER": "somebody else"},
	}}
	made, err := w.lab.admin["local"].Resource(kinds()["ConfigMap"]).Namespace(space).Create(context.Background(), foreign, metav1.CreateOptions{FieldManager: "helm"})
	if err != nil {
		t.Fatal(err)
	}
	commit := w.push("late comes", w.web("shop", "late", "").and(w.release(w.dev(), "shop", "late", "1.0.0")))
	unit := w.inDev("late")
	u := w.waitSync(unit, status.Failed)
	if !strings.Contains(u.Message, "ConfigMap "+space+"/late") || !strings.Contains(u.Message, "not ours") {
		t.Errorf("%s, want it to name the ConfigMap that is not ours", describe(u))
	}
	w.settled(commit, unit)
	mustEqual(t, "the foreign object", made.Object, w.live("local", "ConfigMap", space, "late").Object)
	w.remove("local", "ConfigMap", space, "late")
	w.settled(commit)
	if o := w.live("local", "ConfigMap", space, "late"); o == nil || o.GetAnnotations()["fairway.dev/unit"] != unit {
		t.Error("the ConfigMap was not made after the foreign one went")
	}
}

// TestOneHostTwice: both services that claim a host are held where they are, each
// naming the other; who had it before keeps it.
func TestOneHostTwice(t *testing.T) {
	host := func(w *world) string { return "environments: " + `"` + w.dev() + `": http: host: "www.example.com"` }
	w := newWorld(t, func(w *world) files {
		return shopAndPay(w).and(w.web("shop", "cart", "needs: pay: service: \"pay\"\n\t"+host(w)))
	})
	w.run()
	from := w.lab.now(t)
	commit := w.push("two of one name", w.web("money", "pay", host(w)))
	a, b := w.inDev("cart"), w.inDev("pay")
	for unit, other := range map[string]string{a: b, b: a} {
		u := w.waitSync(unit, status.Held)
		if !strings.Contains(u.Message, "www.example.com") || !strings.Contains(u.Message, other) || !strings.Contains(u.Message, "/service.cue:") {
			t.Errorf("%s, want its place, the host, and %s", describe(u), other)
		}
	}
	w.settled(commit, a, b)
	for _, r := range w.writes(from) {
		if strings.HasSuffix(r.Object.Namespace, w.dev()) {
			t.Errorf("written though both are held: %s", r)
		}
	}
	if w.live("local", "Ingress", w.space("shop", w.dev()), "cart") == nil {
		t.Error("who had the host lost it")
	}
}
