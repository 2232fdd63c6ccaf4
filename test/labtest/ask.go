package labtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Asker asks the API server of a plane what it thinks of objects, as its administrator.
type Asker struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
	absent map[string]bool // kinds that were waited for in vain

	mu     sync.Mutex
	warned []string
}

// Asker gives one who asks the plane.
func (p *Plane) Asker(t testing.TB) *Asker {
	t.Helper()
	cfg, err := kube.Config(p.AdminKubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	a := &Asker{absent: map[string]bool{}}
	cfg.WarningHandler, cfg.QPS, cfg.Burst = a, 200, 400
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

// HandleWarningHeader takes down what a server says beside its answer.
func (a *Asker) HandleWarningHeader(_ int, _ string, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.warned = append(a.warned, text)
}

// Warned gives what the server warned of since it was asked last.
func (a *Asker) Warned() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	said := slices.Clone(a.warned)
	a.warned = nil
	return said
}

// Ask has the server judge an object to the last field, and make nothing. A server
// makes a new namespace or definition known to itself a moment later, which is waited
// for. A kind that is not served is a meta.NoMatchError. One asks at a time.
func (a *Asker) Ask(ctx context.Context, o object.Object) error {
	for try := 0; ; try++ {
		err := a.patch(ctx, o, metav1.DryRunAll)
		absent := meta.IsNoMatchError(err) && !a.absent[o.APIVersion+" "+o.ID.Kind]
		if !absent && !apierrors.IsNotFound(err) || try == 20 {
			a.absent[o.APIVersion+" "+o.ID.Kind] = meta.IsNoMatchError(err)
			return err
		}
		if absent {
			a.mapper.Reset()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Apply applies an object.
func (a *Asker) Apply(ctx context.Context, o object.Object) error { return a.patch(ctx, o) }

// Get gives an object as the server has it.
func (a *Asker) Get(ctx context.Context, o object.Object) (*unstructured.Unstructured, error) {
	client, err := a.at(o)
	if err != nil {
		return nil, err
	}
	return client.Get(ctx, o.ID.Name, metav1.GetOptions{})
}

// at is where the server has objects such as one.
func (a *Asker) at(o object.Object) (dynamic.ResourceInterface, error) {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.ID.Kind)
	mapping, err := a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	if o.ID.Namespace == "" {
		return a.client.Resource(mapping.Resource), nil
	}
	return a.client.Resource(mapping.Resource).Namespace(o.ID.Namespace), nil
}

func (a *Asker) patch(ctx context.Context, o object.Object, dry ...string) error {
	client, err := a.at(o)
	if err != nil {
		return err
	}
	_, err = client.Patch(ctx, o.ID.Name, types.ApplyPatchType, o.Body, metav1.PatchOptions{
		FieldManager: "fairway-test", FieldValidation: metav1.FieldValidationStrict, DryRun: dry,
	})
	return err
}
