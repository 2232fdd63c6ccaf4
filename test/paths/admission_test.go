package paths_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/test/labtest"
)

// TestCompanyIsAdmitted asks real API servers about every object of the example
// company, each on a plane of its cluster's name: a dry run, with fields looked at
// strictly. What they refuse, and what they warn of, fails. Kinds they do not serve
// are named and counted.
func TestCompanyIsAdmitted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane for each cluster")
	}
	pool := eval.NewPool("", 2)
	defer pool.Close()
	clusters := map[string][]unit{}
	for _, u := range example(t, pool) {
		clusters[u.Cluster] = append(clusters[u.Cluster], u)
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		t.Run(name, func(t *testing.T) {
			newAsker(t, name).all(t, clusters[name])
		})
	}
}

// asker asks one API server.
type asker struct {
	client   dynamic.Interface
	mapper   *restmapper.DeferredDiscoveryRESTMapper
	warnings warnings
}

// warnings takes down what a server says beside its answer.
type warnings struct {
	mu   sync.Mutex
	said []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func newAsker(t *testing.T, name string) *asker {
	t.Helper()
	plane := labtest.Start(t, labtest.Options{Name: name})
	cfg, err := kube.Config(plane.AdminKubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	a := &asker{}
	cfg.WarningHandler, cfg.QPS, cfg.Burst = &a.warnings, 200, 400
	if a.client, err = dynamic.NewForConfig(cfg); err != nil {
		t.Fatal(err)
	}
	served, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(served))
	return a
}

// all asks about the units of a cluster: teams' own first, whose namespaces are
// made for good, as nothing is admitted into one that is not there, and with the
// cluster's own policies in force.
func (a *asker) all(t *testing.T, units []unit) {
	t.Helper()
	slices.SortFunc(units, func(x, y unit) int { return cmp.Compare(x.Name, y.Name) })
	for _, u := range units {
		for _, o := range u.Objects {
			if o.ID.Kind == "Namespace" {
				if err := a.apply(t.Context(), o, false); err != nil {
					t.Fatalf("%s: make %s: %v", u.Name, o.ID, err)
				}
			}
		}
	}
	a.guarded(t, units)
	a.warnings.said = nil // of what is refused
	asked, absent := 0, map[string]int{}
	for _, u := range units {
		for _, o := range u.Objects {
			err := a.ask(t.Context(), o)
			switch {
			case meta.IsNoMatchError(err) && strings.Contains(o.ID.Group, "."):
				absent[o.APIVersion+" "+o.ID.Kind]++
			case err != nil:
				t.Errorf("%s: %s: %v", u.Name, o.ID, err)
			default:
				asked++
			}
		}
	}
	for _, text := range a.warnings.said {
		t.Errorf("the server warns: %s", text)
	}
	t.Logf("%d objects of %d units are admitted", asked, len(units))
	for _, kind := range slices.Sorted(maps.Keys(absent)) {
		t.Logf("not asked about, as the plane does not serve it: %s, %d objects", kind, absent[kind])
	}
	if asked == 0 {
		t.Error("nothing was asked about")
	}
}

// ask has the server judge an object. A server makes a new namespace known to itself
// a moment later, which is waited for.
func (a *asker) ask(ctx context.Context, o object.Object) error {
	for try := 0; ; try++ {
		err := a.apply(ctx, o, true)
		if !apierrors.IsNotFound(err) || try == 20 {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (a *asker) apply(ctx context.Context, o object.Object, dry bool) error {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.ID.Kind)
	mapping, err := a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return err
	}
	opts := metav1.PatchOptions{FieldManager: "fairway-test", FieldValidation: metav1.FieldValidationStrict}
	if dry {
		opts.DryRun = []string{metav1.DryRunAll}
	}
	var client dynamic.ResourceInterface = a.client.Resource(mapping.Resource)
	if o.ID.Namespace != "" {
		client = a.client.Resource(mapping.Resource).Namespace(o.ID.Namespace)
	}
	_, err = client.Patch(ctx, o.ID.Name, types.ApplyPatchType, o.Body, opts)
	return err
}
