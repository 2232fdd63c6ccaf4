package e2e_test

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/status"
)

const clusterFile = "platform/clusters/local/cluster.cue"

// localWith declares the cluster local with more in its declaration. It has to
// be read before it is changed.
func (w *world) localWith(bare, more string) files {
	return files{clusterFile: strings.TrimSuffix(bare, "}\n") + more + "}\n"}
}

// ofCluster is what the daemon says of the cluster's own unit.
func (w *world) ofCluster(what string, is func(status.Unit) bool) status.Unit {
	w.t.Helper()
	var got status.Unit
	eventually(w.t, patience, "platform/local/cluster is "+what, func() string {
		var list struct{ Items []status.Unit }
		if err := w.ask("/api/v1/units?cluster=local&service=cluster", &list); err != nil {
			return err.Error()
		}
		if len(list.Items) != 1 {
			return "it is not there"
		}
		if got = list.Items[0]; is(got) {
			return ""
		}
		return describe(got)
	})
	return got
}

// TestClusterBaseline: a cluster's own unit is written by the daemon itself, kept
// as it should be, and loses nothing without consent, whatever is taken out of
// its declaration or broken in it.
func TestClusterBaseline(t *testing.T) {
	fast := `	baseline: storage: "fast-ID": driver: "ebs.csi.aws.com"` + "\n"
	slow := `	baseline: storage: "slow-ID": driver: "ebs.csi.aws.com"` + "\n"
	w := newWorld(t, func(w *world) files {
		return shopAndPay(w)
	})
	fast, slow = strings.ReplaceAll(fast, "ID", w.id), strings.ReplaceAll(slow, "ID", w.id)
	bare := w.read(clusterFile)
	t.Cleanup(w.classless)
	w.run()
	from := w.lab.now(t)
	commit := w.push("the cluster has storage", w.localWith(bare, fast+slow))
	synced := func(u status.Unit) bool {
		return u.Sync == status.Synced && u.Conditions()[0].Status == "True" && u.Desired == commit
	}
	if u := w.ofCluster("synced", synced); u.Objects != 7 {
		t.Errorf("%s with %d objects, want 7: two storage classes, three priorities, a policy and its binding", describe(u), u.Objects)
	}
	for kind, name := range map[string]string{
		"StorageClass": "fast-" + w.id, "PriorityClass": "fairway-critical",
		"ValidatingAdmissionPolicy": "fairway-guardrails", "ValidatingAdmissionPolicyBinding": "fairway-guardrails",
	} {
		if w.live("local", kind, "", name) == nil {
			t.Errorf("there is no %s %s", kind, name)
		}
	}
	w.mustBeHealed(from)
	w.mustKeepClass(bare, slow)

	commit = w.push("a mistake", w.localWith(bare, "\tbaseline: storage: x: 1\n"))
	w.ofCluster("held", func(u status.Unit) bool {
		return u.Sync == status.Held && u.Reason == plan.HoldInvalid && u.Desired == commit
	})
	commit = w.push("nothing of its own", w.localWith(bare, ""))
	w.ofCluster("held", func(u status.Unit) bool {
		return u.Sync == status.Held && u.Reason == plan.HoldProtected && u.Desired == commit
	})
	for _, name := range []string{"fairway-critical", "fairway-standard", "fairway-experimental"} {
		if w.live("local", "PriorityClass", "", name) == nil {
			t.Errorf("PriorityClass %s is gone", name)
		}
	}
}

// mustBeHealed: what is changed by hand is put back.
func (w *world) mustBeHealed(from instant) {
	w.t.Helper()
	name := "fast-" + w.id
	w.alter("local", "StorageClass", "", name, "kubectl-edit", func(o *unstructured.Unstructured) { o.Object["allowVolumeExpansion"] = false })
	eventually(w.t, patience, "the class is healed", func() string {
		if o := w.live("local", "StorageClass", "", name); o == nil || o.Object["allowVolumeExpansion"] != true {
			return "it is as it was made by hand"
		}
		return ""
	})
	for _, r := range w.lab.since(w.t, from) {
		if r.unit() == "platform/local/cluster" && strings.Contains(r.Object.Name+r.Object.Resource, w.id) && r.As.Username != "" {
			w.t.Errorf("%s was written as %s, want it written by the daemon itself", r, r.As.Username)
		}
	}
}

// mustKeepClass: a class that is not declared any more stays until that is agreed to.
func (w *world) mustKeepClass(bare, rest string) {
	w.t.Helper()
	from := w.lab.now(w.t)
	commit := w.push("no fast storage", w.localWith(bare, rest))
	u := w.ofCluster("held", func(u status.Unit) bool {
		return u.Sync == status.Held && u.Reason == plan.HoldProtected && u.Desired == commit
	})
	if w.live("local", "StorageClass", "", "fast-"+w.id) == nil {
		w.t.Fatalf("the class went without consent; %s", spelled(w.lab.since(w.t, from)))
	}
	file, line := lineToAdd(w.t, u)
	if file != clusterFile {
		w.t.Errorf("the hint names %s, want %s", file, clusterFile)
	}
	commit = w.push("it may go", w.localWith(bare, rest+"\t"+line+"\n"))
	w.ofCluster("synced", func(u status.Unit) bool { return u.Sync == status.Synced && u.Desired == commit })
	if w.live("local", "StorageClass", "", "fast-"+w.id) != nil {
		w.t.Error("the class is there though it was agreed that it goes")
	}
}

// classless removes what this world had of the whole cluster.
func (w *world) classless() {
	for kind, gvr := range kinds() {
		if kind != "StorageClass" && kind != "PriorityClass" && !strings.HasPrefix(kind, "Validating") {
			continue
		}
		api := w.lab.admin["local"].Resource(gvr)
		list, err := api.List(context.Background(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=fairway"})
		if err != nil {
			w.t.Error(err)
			continue
		}
		for _, o := range list.Items {
			_ = api.Delete(context.Background(), o.GetName(), metav1.DeleteOptions{})
		}
	}
}
