package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/status"
	"github.com/fairway-dev/fairway/pkg/tenancy"
	"github.com/fairway-dev/fairway/test/labtest"
)

// inDevOnly is a company that releases in dev only.
func inDevOnly(w *world) files {
	return w.teamFile("shop").
		and(w.web("shop", "cart", "")).and(w.release(w.dev(), "shop", "cart", "1.0.0")).
		and(w.web("shop", "pay", "")).and(w.release(w.dev(), "shop", "pay", "1.0.0"))
}

// asContext writes the kubeconfig of a plane under the name of a context.
func asContext(t *testing.T, file, context string, p *labtest.Plane) {
	t.Helper()
	config, err := clientcmd.LoadFromFile(p.Kubeconfig)
	must(t, err)
	config.Contexts[context] = config.Contexts[config.CurrentContext]
	config.CurrentContext = context
	must(t, clientcmd.WriteToFile(*config, file))
}

// TestClusterLost is the runbook "Cluster lost": the cluster is gone with all
// that was in it, an empty one takes its context, and the daemon, which is not
// touched, brings everything about.
func TestClusterLost(t *testing.T) {
	w := newWorld(t, inDevOnly)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	one := labtest.Start(t, labtest.Options{Name: "local"})
	must(t, one.Restrict(t.Context()))
	asContext(t, file, "local", one)
	p := w.spawnWith(filepath.Join(t.TempDir(), "data"), w.url, "--kubeconfig", file, "--system-namespace", tenancy.SystemNamespace)
	w.waitSync(w.inDev("cart"), status.Synced)
	w.waitSync(w.inDev("pay"), status.Synced)
	one.Stop()
	eventually(t, patience, "the daemon notices", func() string {
		var list struct{ Items []status.Cluster }
		if err := w.ask("/api/v1/clusters", &list); err != nil {
			return err.Error()
		}
		i := slices.IndexFunc(list.Items, func(c status.Cluster) bool { return c.Name == "local" && !c.Reachable })
		if i < 0 {
			return "the cluster is said to be reachable"
		}
		return ""
	})
	w.waitSync(w.inDev("cart"), status.Unknown)
	two := labtest.Start(t, labtest.Options{Name: "local"})
	must(t, two.Restrict(t.Context()))
	asContext(t, file, "local", two)
	took := w.synced(t)
	cfg, err := kube.Config(two.AdminKubeconfig, "")
	must(t, err)
	admin, err := dynamic.NewForConfig(cfg)
	must(t, err)
	eventually(t, patience, "the Deployments are on the new cluster", func() string {
		list, err := admin.Resource(kinds()["Deployment"]).Namespace(w.space("shop", w.dev())).List(context.Background(), metav1.ListOptions{})
		if err != nil || len(list.Items) != 2 {
			return fmt.Sprintf("%v, %v; want 2", list, err)
		}
		return ""
	})
	t.Logf("synced %s after the new cluster answered", took)
	p.end(t, syscall.SIGTERM)
}

// TestGitLost is the runbook "Git lost": the server is gone, what was applied
// is kept as it is, and from a clone a new server is made that takes its place.
func TestGitLost(t *testing.T) {
	w := newWorld(t, inDevOnly)
	down := &atomic.Bool{}
	data := filepath.Join(t.TempDir(), "data")
	p := w.spawnWith(data, w.guardedGit("", down))
	w.settled(w.head())
	down.Store(true)
	w.hook(w.secret)
	eventually(t, patience, "the source has trouble", func() string {
		if w.source().Message == "" {
			return "nothing is said"
		}
		return ""
	})
	t.Logf("the source says: %s", w.source().Message)
	space := w.space("shop", w.dev())
	w.alter("local", "Deployment", space, "cart", "kubectl-scale", scaleTo(7))
	eventually(t, patience, "the change by hand is healed without Git", func() string {
		if replicas(w.live("local", "Deployment", space, "cart")) != 1 {
			return "it is as it was made by hand"
		}
		return ""
	})
	w.quiet()
	p.end(t, syscall.SIGTERM)
	p = w.spawnWith(data, w.guardedGit("", down)) // a start without Git keeps what was there, too
	w.alter("local", "Deployment", space, "pay", "kubectl-scale", scaleTo(7))
	p.end(t, syscall.SIGTERM)

	bare := filepath.Join(w.root, "restored.git")
	gitIn(t, w.root, "init", "--quiet", "--bare", "--initial-branch", "main", bare)
	gitIn(t, w.clone, "push", "--quiet", "--no-verify", bare, "HEAD:refs/heads/main")
	want := w.essences("local", true)
	if replicas(w.live("local", "Deployment", space, "pay")) != 1 {
		want = nil // it was not healed before the daemon ended, and will be
	}
	from := w.lab.now(t)
	p = w.spawnWith(data, strings.TrimSuffix(w.url, "platform.git")+"restored.git")
	w.synced(t)
	w.quiet()
	if want != nil {
		mustEqual(t, "what is live", want, w.essences("local", true))
		if writes := w.writes(from); len(writes) > 0 {
			t.Errorf("the change of servers wrote:\n  %s", spelled(writes))
		}
	}
	p.end(t, syscall.SIGTERM)
}

// TestStoreLost is the runbook "Store lost".
func TestStoreLost(t *testing.T) {
	w := newWorld(t, inDevOnly)
	data := w.settledData()
	want := w.essences("local", true)
	must(t, os.RemoveAll(data))
	w.mustRecover(t, data, want)
}

// TestStuckFinalizer is the runbook "Stuck finalizer": one object of a removed
// unit is held by somebody's finalizer. All others go, what holds it is said,
// and once that is taken off by hand the unit is gone.
func TestStuckFinalizer(t *testing.T) {
	w := newWorld(t, inDevOnly)
	p := w.spawn(filepath.Join(t.TempDir(), "data"))
	w.settled(w.head())
	space, unit := w.space("shop", w.dev()), w.inDev("cart")
	hold := func(names []string) func(o *unstructured.Unstructured) {
		return func(o *unstructured.Unstructured) { o.SetFinalizers(names) }
	}
	w.alter("local", "ConfigMap", space, "cart", "somebody", hold([]string{"example.com/backup"}))
	w.push("cart goes", files{w.servicePath("shop", "cart"): gone, w.releasePath(w.dev(), "shop", "cart"): gone})
	w.hook(w.secret)
	eventually(t, patience, "all but the held object are gone", func() string {
		for name, o := range w.objects("local") {
			if o.GetName() == "cart" && !strings.HasPrefix(name, "ConfigMap ") {
				return name + " is there"
			}
		}
		return ""
	})
	u := w.waitUnit(unit, "on its way out", func(u status.Unit) bool { return u.Sync == status.Removing })
	t.Logf("it says: %s", describe(u))
	if o := w.live("local", "ConfigMap", space, "cart"); o == nil || o.GetDeletionTimestamp() == nil || len(o.GetFinalizers()) != 1 {
		t.Errorf("the held object is not as it should be: %v", o)
	}
	w.alter("local", "ConfigMap", space, "cart", "somebody", hold(nil))
	eventually(t, patience, "the unit is gone", func() string {
		units, err := w.units()
		if err != nil {
			return err.Error()
		}
		if u, there := units[unit]; there {
			return describe(u)
		}
		return ""
	})
	p.end(t, syscall.SIGTERM)
}
