package kube_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/test/labtest"
)

// TestOnLab runs everything that needs a real API server against one.
func TestOnLab(t *testing.T) {
	plane := labtest.Start(t, labtest.Options{Name: "kube", Audit: true})
	for name, test := range map[string]func(*testing.T, *bench){
		"apply":             testApply,
		"conflict":          testConflict,
		"refusals":          testRefusals,
		"drift":             testDrift,
		"quiet":             testQuiet,
		"deleted":           testDeleted,
		"label removed":     testLabelRemoved,
		"delete guarded":    testDeleteGuarded,
		"absent":            testAbsent,
		"kind appears":      testKindAppears,
		"health rules":      testHealthRules,
		"restart":           testRestart,
		"inventory":         testInventory,
		"inventory lost":    testInventoryLost,
		"ratchet":           testRatchet,
		"unknown when cut":  testUnknownWhenCut,
		"give up":           testGiveUp,
		"preview":           testPreview,
		"unmanaged is void": testUnmanaged,
	} {
		t.Run(name, func(t *testing.T) { test(t, newBench(t, plane)) })
	}
}

// bench is one test's own namespace on the shared plane.
type bench struct {
	*kube.Cluster
	plane *labtest.Plane
	admin kubernetes.Interface
	ns    string
	unit  string
}

func newBench(t *testing.T, p *labtest.Plane) *bench {
	t.Helper()
	cfg, err := kube.Config(p.AdminKubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{plane: p, admin: admin, unit: "prod/prod-eu/checkout"}
	b.Cluster = b.connect(t, kube.Options{})
	ns, err := admin.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.ns = ns.Name
	return b
}

// connect opens one more connection, as a restarted process would.
func (b *bench) connect(t testing.TB, opts kube.Options) *kube.Cluster {
	t.Helper()
	cfg, err := kube.Config(b.plane.Kubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Namespace == "" {
		opts.Namespace = "fairway-" + strings.ToLower(strings.NewReplacer("/", "-", " ", "-", "_", "-").Replace(t.Name()))
		opts.Namespace = opts.Namespace[:min(len(opts.Namespace), 60)]
	}
	c, err := kube.Connect(t.Context(), cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// thing makes a desired object of the test's unit, with our labels on it.
func (b *bench) thing(t testing.TB, apiVersion, kind, name, rest string) object.Object {
	t.Helper()
	raw := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"namespace":%q,
		"labels":{"app.kubernetes.io/managed-by":"fairway"},"annotations":{"fairway.dev/unit":%q}},%s}`,
		apiVersion, kind, name, b.ns, b.unit, rest)
	o, err := object.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (b *bench) config(t testing.TB, name, value string) object.Object {
	return b.thing(t, "v1", "ConfigMap", name, fmt.Sprintf(`"data":{"key":%q}`, value))
}

func (b *bench) deployment(t testing.TB, name string, replicas int) object.Object {
	return b.thing(t, "apps/v1", "Deployment", name, fmt.Sprintf(`"spec":{"replicas":%d,
		"selector":{"matchLabels":{"app":%q}},"template":{"metadata":{"labels":{"app":%q}},
		"spec":{"containers":[{"name":"main","image":"example.com/a:1","ports":[{"containerPort":80}]}]}}}`, replicas, name, name))
}

func (b *bench) apply(t testing.TB, o object.Object) cluster.Applied {
	t.Helper()
	a, err := b.Apply(b.ctx(t), cluster.ApplyRequest{Object: o, Unit: b.unit, Commit: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (b *bench) ctx(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (b *bench) ensure(t testing.TB, c *kube.Cluster, kinds ...kube.Kind) {
	t.Helper()
	if err := c.Ensure(b.ctx(t), kinds); err != nil {
		t.Fatal(err)
	}
}

// entry gives what the index holds of an object.
func entry(t testing.TB, c *kube.Cluster, id object.ID) (cluster.Entry, bool) {
	t.Helper()
	set := c.Observe([]object.ID{id})
	members, known := set.Members()
	if !known {
		t.Fatalf("observe %s: unknown: %v", id, set.Why())
	}
	e, ok := members[id]
	return e, ok
}

// event waits for the next event of an object.
func event(t testing.TB, c *kube.Cluster, id object.ID, want kube.EventKind) kube.Event {
	t.Helper()
	timeout := time.After(15 * time.Second)
	for {
		select {
		case ev := <-c.Events():
			if ev.ID == id && ev.Kind == want {
				return ev
			}
		case <-timeout:
			t.Fatalf("no event %q of %s", want, id)
		}
	}
}

// silent makes sure that no event of these kinds comes until a later write of
// ours has been through the same watch.
func (b *bench) silent(t testing.TB, id object.ID, banned ...kube.EventKind) {
	t.Helper()
	probe := "probe-" + id.Name
	if _, err := b.admin.CoreV1().ConfigMaps(b.ns).Create(b.ctx(t), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: probe, Labels: map[string]string{object.LabelManagedBy: object.ManagedBy}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	timeout := time.After(15 * time.Second)
	for {
		select {
		case ev := <-b.Events():
			for _, kind := range banned {
				if ev.ID == id && ev.Kind == kind {
					t.Fatalf("unexpected event %q of %s", ev.Kind, id)
				}
			}
			if ev.ID.Name == probe {
				return
			}
		case <-timeout:
			t.Fatal("the probe's event never came")
		}
	}
}

func configMaps() kube.Kind  { return kube.Kind{Version: "v1", Kind: "ConfigMap"} }
func deployments() kube.Kind { return kube.Kind{Group: "apps", Version: "v1", Kind: "Deployment"} }

// patch changes an object as a person with kubectl would.
func (b *bench) patch(t testing.TB, resource, name string, change any) {
	t.Helper()
	body, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/namespaces/" + b.ns + "/" + resource + "/" + name
	if resource == "deployments" {
		path = "/apis/apps/v1/namespaces/" + b.ns + "/" + resource + "/" + name
	}
	err = b.admin.CoreV1().RESTClient().Patch(types.MergePatchType).AbsPath(path).
		Param("fieldManager", "kubectl-edit").Body(body).Do(b.ctx(t)).Error()
	if err != nil {
		t.Fatal(err)
	}
}
