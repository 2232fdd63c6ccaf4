package e2e_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

func mustEqual(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wholeCheckout is a service with one object of every kind that web renders.
func wholeCheckout(w *world) files {
	return shopAndPay(w).and(w.web("shop", "checkout", `needs: {pay: service: "pay", cart: service: "cart"}
	http: public: true
	scale: {min: 2, max: 4}`))
}

// tierOf is the order in which objects are made; they go in the other one.
func tierOf(resource string) int {
	return map[string]int{
		"networkpolicies": 1, "serviceaccounts": 2, "configmaps": 3, "services": 3, "deployments": 4,
		"horizontalpodautoscalers": 5, "poddisruptionbudgets": 5, "ingresses": 6,
	}[resource]
}

// TestRemoveService: its objects go, traffic first and identity last, each
// bound to the very object that was looked at; its neighbours' policies
// forget it; nothing else is touched, and nothing of it is remembered.
func TestRemoveService(t *testing.T) {
	w := newWorld(t, wholeCheckout)
	w.run()
	from := w.lab.now(t)
	commit := w.push("checkout is gone", w.removed("shop", "checkout"))
	w.settled(commit)
	writes := w.writes(from)
	for _, env := range []struct{ cluster, name, unit string }{{"local", w.dev(), w.inDev("checkout")}, {"prod-eu", w.prod(), w.inProd("checkout")}} {
		w.mustHaveDeleted(writes, env.cluster, w.space("shop", env.name), "checkout")
		if entry := w.inventoryOf(env.cluster, env.unit); entry != "" {
			t.Errorf("the inventory of %s still has %s", env.unit, entry)
		}
	}
	w.mustHavePatchedPolicies(writes, clusters())
	units, err := w.units()
	if err != nil {
		t.Fatal(err)
	}
	if u, there := units[w.inProd("checkout")]; there {
		t.Errorf("status still has %s", describe(u))
	}
}

// TestRemoveRelease: only the unit of that environment goes.
func TestRemoveRelease(t *testing.T) {
	w := newWorld(t, wholeCheckout)
	w.run()
	before := w.essences("local", true)
	from := w.lab.now(t)
	commit := w.push("checkout is not in prod", files{w.releasePath(w.prod(), "shop", "checkout"): gone})
	w.settled(commit)
	writes := w.writes(from)
	w.mustHaveDeleted(writes, "prod-eu", w.space("shop", w.prod()), "checkout")
	w.mustHavePatchedPolicies(writes, []string{"prod-eu"})
	for _, r := range writes {
		if r.Cluster == "local" {
			t.Errorf("written in the other environment: %s", r)
		}
	}
	mustEqual(t, "the other environment", before, w.essences("local", true))
}

// mustHaveDeleted holds that exactly the eight objects of a service were
// deleted on a cluster, in order, and each with its preconditions.
func (w *world) mustHaveDeleted(writes []request, cluster, namespace, name string) {
	w.t.Helper()
	last, seen := 100, map[string]bool{}
	for _, r := range writes {
		if r.Cluster != cluster || r.Verb != "delete" {
			continue
		}
		if r.Object.Namespace != namespace || r.Object.Name != name || seen[r.Object.Resource] {
			w.t.Errorf("deleted, and should not be: %s", r)
		}
		seen[r.Object.Resource] = true
		if tier := tierOf(r.Object.Resource); tier > last {
			w.t.Errorf("%s was deleted after what it stands on", r)
		} else {
			last = tier
		}
		var options metav1.DeleteOptions
		if err := json.Unmarshal(r.Body, &options); err != nil {
			w.t.Errorf("%s: body %s: %v", r, r.Body, err)
		}
		if p := options.Preconditions; p == nil || p.UID == nil || *p.UID == "" || p.ResourceVersion == nil || *p.ResourceVersion == "" {
			w.t.Errorf("%s has the preconditions %+v, want uid and resourceVersion", r, p)
		}
	}
	if len(seen) != 8 {
		w.t.Errorf("deleted on %s: %v, want the 8 kinds of a public, scaled service", cluster, seen)
	}
	for key := range w.objects(cluster) {
		if strings.HasSuffix(key, " "+namespace+"/"+name) {
			w.t.Errorf("still there on %s: %s", cluster, key)
		}
	}
}

// mustHavePatchedPolicies holds that, beside deletions and the inventory, only the
// policies of the two services that checkout needed were written.
func (w *world) mustHavePatchedPolicies(writes []request, on []string) {
	w.t.Helper()
	var got, want []string
	for _, r := range writes {
		if r.Verb != "delete" && r.Object.Namespace != w.system {
			got = append(got, strings.Join([]string{r.Cluster, r.Verb, r.Object.Resource, r.Object.Name}, " "))
		}
	}
	for _, c := range on {
		want = append(want, c+" patch networkpolicies cart", c+" patch networkpolicies pay")
	}
	slices.Sort(got)
	mustEqual(w.t, "written beside deletions", want, got)
}

// inventoryOf finds what the cluster has recorded for a unit, "" for nothing.
func (w *world) inventoryOf(cluster, unit string) string {
	w.t.Helper()
	list, err := w.lab.admin[cluster].Resource(kinds()["ConfigMap"]).Namespace(w.system).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, part := range list.Items {
		data, _ := part.Object["data"].(map[string]any)
		for _, value := range data {
			if text, _ := value.(string); strings.Contains(text, `"`+unit+`"`) {
				return text
			}
		}
	}
	return ""
}

// TestLastServiceKeepsNamespace: what a team's namespace holds may be more
// than we know of, so the namespace stays, and the status says so.
func TestLastServiceKeepsNamespace(t *testing.T) {
	w := newWorld(t, func(w *world) files {
		return shopAndPay(w).and(w.teamFile("solo")).and(w.everywhere("solo", "only", ""))
	})
	w.run()
	from := w.lab.now(t)
	commit := w.push("only is gone", w.removed("solo", "only"))
	team := w.inProd("team." + w.team("solo"))
	w.settled(commit, team, w.inDev("team."+w.team("solo")))
	u := w.unit(team)
	if u.Sync != status.Held || u.Reason != plan.HoldProtected || !strings.Contains(u.Message, "Namespace") || u.Hint == "" {
		t.Errorf("%s, want held for %s, naming the Namespace", describe(u), plan.HoldProtected)
	}
	for _, r := range w.writes(from) {
		if r.Verb == "delete" && (r.Object.Resource == "namespaces" || r.Object.Name != "only") {
			t.Errorf("deleted, and should not be: %s", r)
		}
	}
	if w.live("prod-eu", "Deployment", w.space("solo", w.prod()), "only") != nil {
		t.Error("the service is still there")
	}
	if ns := w.live("prod-eu", "Namespace", "", w.space("solo", w.prod())); ns == nil || ns.GetDeletionTimestamp() != nil {
		t.Error("the namespace is gone")
	}
}
