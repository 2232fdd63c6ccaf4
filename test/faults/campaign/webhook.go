package campaign

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairway-dev/fairway/test/faults/world"
)

// guarded are the part of F11 in which an admission webhook of somebody else
// does not answer: what it guards cannot be written, and what it does not can.
func guarded(ref *Reference) []Case {
	var out []Case
	for step, want := range ref.Steps {
		if step == 0 {
			continue // there is no namespace yet that it could guard
		}
		for _, resource := range []string{"configmaps", "deployments"} {
			if _, ok := first(want, resource, "patch"); !ok {
				continue
			}
			out = append(out, Case{
				Fault: "F11", Name: fmt.Sprintf("%s: an admission webhook for %s does not answer", want.Name, resource), Step: step,
				Before: func(ctx context.Context, r *Run) error { return r.guard(ctx, resource) },
				After: func(ctx context.Context, r *Run) error {
					if err := pause(ctx, 3*time.Second); err != nil {
						return err
					}
					return r.unguard(ctx)
				},
			})
		}
	}
	return out
}

func webhooks() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"}
}

// guard has every write of a resource in the company's namespaces depend on a
// server that is not there.
func (r *Run) guard(ctx context.Context, resource string) error {
	objects, err := r.Live(ctx)
	if err != nil {
		return err
	}
	for _, cluster := range world.Clusters() {
		var spaces []any
		for _, l := range objects {
			if l.Cluster == cluster && l.Kind.Name == "Namespace" && l.Ours() && !slices.Contains(spaces, any(l.GetName())) {
				spaces = append(spaces, l.GetName())
			}
		}
		group := map[string]string{"deployments": "apps"}[resource]
		hook := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
			"metadata": map[string]any{"name": "guard." + r.ID},
			"webhooks": []any{map[string]any{
				"name": "guard." + r.ID + ".example.com", "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": int64(1),
				"admissionReviewVersions": []any{"v1"},
				"clientConfig":            map[string]any{"url": "https://127.0.0.1:1/"},
				"namespaceSelector": map[string]any{"matchExpressions": []any{
					map[string]any{"key": "kubernetes.io/metadata.name", "operator": "In", "values": spaces}}},
				"rules": []any{map[string]any{"apiGroups": []any{group}, "apiVersions": []any{"*"}, "resources": []any{resource},
					"operations": []any{"CREATE", "UPDATE", "DELETE"}}},
			}},
		}}
		if _, err := r.Admin()[cluster].Resource(webhooks()).Create(ctx, hook, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("guard %s on %s: %w", resource, cluster, err)
		}
	}
	return pause(ctx, time.Second) // the API server takes a moment to go by it
}

func (r *Run) unguard(ctx context.Context) error {
	for _, cluster := range world.Clusters() {
		err := r.Admin()[cluster].Resource(webhooks()).Delete(ctx, "guard."+r.ID, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}
