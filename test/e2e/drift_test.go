package e2e_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/status"
)

func scaleTo(n int64) func(*unstructured.Unstructured) {
	return func(o *unstructured.Unstructured) { _ = unstructured.SetNestedField(o.Object, n, "spec", "replicas") }
}

func replicas(o *unstructured.Unstructured) int64 {
	n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
	return n
}

// TestManualEditIsHealed: whatever is changed or deleted by hand is put back
// within a second, by one write, and the journal says whose hand it was.
func TestManualEditIsHealed(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	space, unit := w.space("shop", w.prod()), w.inProd("cart")
	data := func(o *unstructured.Unstructured) string {
		text, _, _ := unstructured.NestedString(o.Object, "data", "LOG_LEVEL")
		return text
	}
	for _, c := range []struct {
		name, kind string
		do         func()
		healed     func(o *unstructured.Unstructured) bool
		who        string
	}{
		{"replicas", "Deployment", func() { w.alter("prod-eu", "Deployment", space, "cart", "kubectl-scale", scaleTo(7)) },
			func(o *unstructured.Unstructured) bool { return replicas(o) == 1 }, "kubectl-scale"},
		{"variable", "ConfigMap", func() {
			w.alter("prod-eu", "ConfigMap", space, "cart", "kubectl-edit", func(o *unstructured.Unstructured) {
				_ = unstructured.SetNestedField(o.Object, "trace", "data", "LOG_LEVEL")
			})
		}, func(o *unstructured.Unstructured) bool { return data(o) == "info" }, "kubectl-edit"},
		{"deleted", "NetworkPolicy", func() { w.remove("prod-eu", "NetworkPolicy", space, "cart") },
			func(o *unstructured.Unstructured) bool { return o.GetDeletionTimestamp() == nil }, "deleted by hand"},
	} {
		t.Run(c.name, func(t *testing.T) {
			was := essence(w.live("prod-eu", c.kind, space, "cart"), false)
			from := w.lab.now(t)
			c.do()
			took := eventually(t, within(time.Second), "the "+c.kind+" is healed", func() string {
				if o := w.live("prod-eu", c.kind, space, "cart"); o == nil || !c.healed(o) {
					return "it is as it was made by hand"
				}
				return ""
			})
			t.Logf("healed in %s", took.Round(time.Millisecond))
			w.quiet()
			mustEqual(t, "the object", was, essence(w.live("prod-eu", c.kind, space, "cart"), false))
			var writes []request
			for _, r := range w.writes(from) {
				if r.Object.Namespace != w.system { // the UID of what was made again is recorded
					writes = append(writes, r)
				}
			}
			if len(writes) != 1 || writes[0].Verb != "patch" || writes[0].unit() != unit {
				t.Errorf("healed by:\n  %s\nwant one patch of %s", spelled(writes), unit)
			}
			records := w.records(unit, journal.Applied, journal.Drift)
			last := records[len(records)-1]
			if !strings.Contains(last.Reason, c.who) || !strings.HasPrefix(last.Object, c.kind) {
				t.Errorf("the journal says %s %s: %q, want it to name %q", last.Action, last.Object, last.Reason, c.who)
			}
			if u := w.unit(unit); u.Sync != status.Synced {
				t.Errorf("afterwards %s", describe(u))
			}
		})
	}
}

// TestManualEditIsReported: where the environment says so, nothing is written,
// and the status says what was changed and by whom until it is put back.
func TestManualEditIsReported(t *testing.T) {
	w := newWorld(t, func(w *world) files {
		return shopAndPay(w).and(files{"environments/" + w.prod() + "/environment.cue": w.environment(w.prod(), 30, "prod-eu", `drift: "report"`)})
	})
	w.run()
	space, unit := w.space("shop", w.prod()), w.inProd("cart")
	from := w.lab.now(t)
	w.alter("prod-eu", "Deployment", space, "cart", "kubectl-scale", scaleTo(2))
	u := w.waitSync(unit, status.Drifted)
	if !strings.Contains(u.Message, "kubectl-scale") || !strings.Contains(u.Message, "Deployment") || u.Hint == "" {
		t.Errorf("%s, want it to name the Deployment and kubectl-scale", describe(u))
	}
	w.remove("prod-eu", "Service", space, "cart")
	w.waitUnit(unit, "drifted by two", func(u status.Unit) bool {
		return u.Sync == status.Drifted && strings.Contains(w.reasons(unit), "deleted by hand")
	})
	w.quiet()
	if writes := w.writes(from); len(writes) > 0 {
		t.Errorf("written:\n  %s\nwant nothing", spelled(writes))
	}
	if n := replicas(w.live("prod-eu", "Deployment", space, "cart")); n != 2 {
		t.Errorf("%d replicas, want the 2 set by hand", n)
	}
	w.waitSync(unit, status.Drifted)
}

// reasons joins what the journal has of a unit's drift.
func (w *world) reasons(unit string) string {
	var out []string
	for _, r := range w.records(unit, journal.Drift) {
		out = append(out, r.Reason)
	}
	return strings.Join(out, "\n")
}

// TestQuarrelEnds: a controller that changes a field back each time is answered
// three times and then reported; the field stays as that controller wants it.
func TestQuarrelEnds(t *testing.T) {
	w := newWorld(t, shopAndPay)
	w.run()
	space, unit := w.space("shop", w.dev()), w.inDev("cart")
	from := w.lab.now(t)
	for range 3 {
		w.alter("local", "Deployment", space, "cart", "other-controller", scaleTo(3))
		eventually(t, patience, "it is put back", func() string {
			if replicas(w.live("local", "Deployment", space, "cart")) == 3 {
				return "it is as the other one made it"
			}
			return ""
		})
	}
	w.alter("local", "Deployment", space, "cart", "other-controller", scaleTo(3))
	got := w.waitUnit(unit, "contested", func(u status.Unit) bool { return u.Reason == "Contested" })
	if got.Sync != status.Drifted || !strings.Contains(got.Message, "other-controller") || !strings.Contains(got.Message, "3 times") {
		t.Errorf("the status is %s", describe(got))
	}
	w.quiet()
	heals := 0
	for _, r := range w.writes(from) {
		if r.Object.Resource == "deployments" {
			heals++
		}
	}
	if heals != 3 {
		t.Errorf("it was put back %d times, want 3", heals)
	}
	if n := replicas(w.live("local", "Deployment", space, "cart")); n != 3 {
		t.Errorf("the cluster has %d replicas, want 3: the quarrel goes on", n)
	}
}
