package faults_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/fairway-dev/fairway/test/faults/campaign"
	"github.com/fairway-dev/fairway/test/faults/workload"
	"github.com/fairway-dev/fairway/test/faults/world"
)

// body is a ConfigMap that says it is of a unit.
func body(r *campaign.Run, name string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"labels":{"app.kubernetes.io/managed-by":"fairway"},
		"annotations":{"fairway.dev/unit":%q}}}`, name, r.Own("dev-"+world.Mark+"/local/cart"))
}

// TestBadDaemons: the oracle finds what it is there to find. Each case is a
// daemon that does one thing it must not, played with its identity.
func TestBadDaemons(t *testing.T) {
	lab, ref := theLab(t), theReference(t)
	maps := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	cart := func(r *campaign.Run, do func(ctx context.Context, api dynamic.ResourceInterface) error) error {
		client, err := r.Fairway("local", workload.Space("shop", "dev"))
		if err != nil {
			return err
		}
		if err := r.Settle(t.Context(), time.Minute); err != nil {
			return err
		}
		return do(t.Context(), client.Resource(maps).Namespace(r.Own(workload.Space("shop", "dev"))))
	}
	bad := []struct {
		name string
		step int
		want []string
		do   func(ctx context.Context, r *campaign.Run) error
	}{
		{"deletes one object too many", 0, []string{"configmaps shop-w00000-dev-w00000/cart was deleted 1 times, want 0", "cart was created 2 times, want 1"},
			func(_ context.Context, r *campaign.Run) error {
				return cart(r, func(ctx context.Context, api dynamic.ResourceInterface) error {
					o, err := r.Admin()["local"].Resource(maps).Namespace(r.Own(workload.Space("shop", "dev"))).Get(ctx, "cart", metav1.GetOptions{})
					if err != nil {
						return err
					}
					uid, rv := o.GetUID(), o.GetResourceVersion()
					return api.Delete(ctx, "cart", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &rv}})
				})
			}},
		{"deletes without looking", 0, []string{"carries no preconditions"}, func(_ context.Context, r *campaign.Run) error {
			return cart(r, func(ctx context.Context, api dynamic.ResourceInterface) error {
				return api.Delete(ctx, "cart", metav1.DeleteOptions{})
			})
		}},
		{"makes an object and records it nowhere", 0, []string{"is there and not in the inventory", "dev-w00000/orphan is too many"}, func(_ context.Context, r *campaign.Run) error {
			return cart(r, func(ctx context.Context, api dynamic.ResourceInterface) error {
				_, err := api.Patch(ctx, "orphan", types.ApplyPatchType, body(r, "orphan"), metav1.PatchOptions{FieldManager: "fairway:nobody"})
				return err
			})
		}},
		{"leaves an object behind", 4, []string{"in the end, local ConfigMap shop-w00000-dev-w00000/left is too many"}, func(_ context.Context, r *campaign.Run) error {
			return cart(r, func(ctx context.Context, api dynamic.ResourceInterface) error {
				_, err := api.Patch(ctx, "left", types.ApplyPatchType, body(r, "left"), metav1.PatchOptions{FieldManager: "x"})
				return err
			})
		}},
		{"moves a branch", 0, []string{"the refs are"}, func(_ context.Context, r *campaign.Run) error { return r.World.Ref("refs/heads/mine", r.Head()) }},
		{"dies", 0, []string{"the daemon does not run"}, func(_ context.Context, r *campaign.Run) error { r.Daemon.Kill(); return nil }},
	}
	for _, c := range bad {
		t.Run(c.name, func(t *testing.T) {
			var out campaign.Outcome
			b := campaign.Bench{Lab: lab, Ref: ref, Report: func(o campaign.Outcome) { out = o }}
			err := b.Run(t.Context(), []campaign.Case{{Fault: "bad", Name: c.name, Step: c.step, After: c.do}})
			if err != nil {
				t.Fatal(err)
			}
			found := strings.Join(out.Diverged, "\n")
			for _, want := range c.want {
				if !strings.Contains(found, want) {
					t.Errorf("the oracle found:\n%s\nwant %q", found, want)
				}
			}
		})
	}
}
