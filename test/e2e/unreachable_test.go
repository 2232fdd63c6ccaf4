package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/status"
)

func (w *world) mode(cluster, environment string) string {
	o := w.live(cluster, "ConfigMap", w.space("money", environment), "pay")
	if o == nil {
		return ""
	}
	data, _ := o.Object["data"].(map[string]any)
	mode, _ := data["MODE"].(string)
	return mode
}

// TestClusterUnreachable: one cluster is cut off; the other gets new
// revisions as before. What was cut off catches up by itself, drift included.
func TestClusterUnreachable(t *testing.T) {
	w := newWorld(t, shopAndPay)
	cfg, err := kube.Config(w.lab.kubeconfig, "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	w.proxies["prod-eu"] = newProxy(t, strings.TrimPrefix(cfg.Host, "https://"))
	w.run()
	w.proxies["prod-eu"].cut()
	for _, mode := range []string{"one", "two"} {
		commit := w.push("pay: "+mode, w.web("money", "pay", `config: MODE: "`+mode+`"`))
		w.waitUnit(w.inDev("pay"), "at the pushed revision", func(u status.Unit) bool { return u.Sync == status.Synced && u.Revision == commit })
		if got := w.mode("local", w.dev()); got != mode {
			t.Errorf("the reachable cluster has %q, want %q", got, mode)
		}
		if u := w.unit(w.inProd("pay")); u.Sync == status.Synced && u.Revision == commit {
			t.Errorf("status of what cannot be reached: %s", describe(u))
		}
	}
	w.waitReachable("prod-eu", false)
	w.remove("prod-eu", "Service", w.space("shop", w.prod()), "cart") // nobody is told of it
	if got := w.mode("prod-eu", w.prod()); got != "" {
		t.Errorf("the cluster that is cut off has %q", got)
	}
	from := w.lab.now(t)
	w.proxies["prod-eu"].mend()
	w.waitReachable("prod-eu", true)
	w.settled(w.head())
	if got := w.mode("prod-eu", w.prod()); got != "two" {
		t.Errorf("after it was reachable again it has %q, want the last revision's", got)
	}
	if w.live("prod-eu", "Service", w.space("shop", w.prod()), "cart") == nil {
		t.Error("what was deleted meanwhile was not made again")
	}
	for _, r := range w.writes(from) {
		if r.Verb == "delete" || r.Cluster == "local" {
			t.Errorf("written at the reunion: %s", r)
		}
	}
}

// waitReachable waits until the daemon says of a cluster that it is reachable, or not and why.
func (w *world) waitReachable(name string, want bool) {
	w.t.Helper()
	eventually(w.t, patience, fmt.Sprintf("%s is reachable: %t", name, want), func() string {
		var list struct{ Items []status.Cluster }
		if err := w.ask("/api/v1/clusters", &list); err != nil {
			return err.Error()
		}
		for _, c := range list.Items {
			if c.Name == name && c.Reachable == want && (want || c.Message != "") {
				return ""
			}
		}
		return fmt.Sprintf("%+v", list.Items)
	})
}
