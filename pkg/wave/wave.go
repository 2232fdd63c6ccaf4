// Package wave says in what order the objects of a unit go: hooks before and
// after, waves by number, and within a wave the kinds that others stand on
// first. Hooks and waves are told by the annotations of gitops-engine, which
// users know from Argo CD; only this package and cluster/kube import it.
package wave

import (
	"cmp"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/hook"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/syncwaves"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Phase is the part of a sync an object belongs to.
type Phase int

// The phases in their order. Skipped objects are never applied.
const (
	PreSync Phase = iota - 1
	Sync
	PostSync
	Skipped
)

// Place is an object's place in the order.
type Place struct {
	Phase Phase
	// Wave is the number people give; lower goes first, and each wave waits for
	// the one before to be healthy.
	Wave int
	// Tier orders kinds within a wave, without waiting.
	Tier int
	// Hook tells that the object runs once at each sync and is no part of what
	// the unit consists of.
	Hook bool
	// DeleteBefore and DeleteAfter say when an earlier run of a hook goes.
	DeleteBefore, DeleteAfter bool
	// Once tells that a hook does not run again while what it is made of is the same.
	Once bool
}

// Of reads an object's place from its annotations and kind.
func Of(o object.Object) Place {
	u := &unstructured.Unstructured{Object: o.Fields()}
	p := Place{Wave: syncwaves.Wave(u), Tier: tier(o.ID)}
	types := hook.Types(u)
	if len(types) == 0 {
		return p
	}
	p.Hook, p.Phase = true, Skipped
	p.Once = object.Annotation(o.Fields(), object.AnnotationOnce) == "true"
	for _, t := range types {
		switch t {
		case common.HookTypePreSync:
			p.Phase = PreSync
		case common.HookTypeSync:
			p.Phase = Sync
		case common.HookTypePostSync:
			p.Phase = PostSync
		}
	}
	for _, policy := range hook.DeletePolicies(u) {
		switch policy {
		case common.HookDeletePolicyBeforeHookCreation:
			p.DeleteBefore = true
		case common.HookDeletePolicyHookSucceeded:
			p.DeleteAfter = true
		}
	}
	return p
}

// PlaceOf is the place of an object of which only the identity is known.
func PlaceOf(id object.ID) Place { return Place{Tier: tier(id)} }

// Compare orders places.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Phase, q.Phase), cmp.Compare(p.Wave, q.Wave), cmp.Compare(p.Tier, q.Tier))
}

// SameWave reports whether two objects need not wait for each other's health.
func (p Place) SameWave(q Place) bool { return p.Phase == q.Phase && p.Wave == q.Wave }

// tier puts what others stand on first: namespaces and definitions, then
// identities and rights, then what pods read, then the rest, and what sends
// traffic to them last. Pruning goes the other way.
func tier(id object.ID) int {
	switch id.Kind {
	case "Namespace", "CustomResourceDefinition":
		return 0
	case "ResourceQuota", "LimitRange", "NetworkPolicy", "PriorityClass", "StorageClass":
		return 1
	case "ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding":
		return 2
	case "Secret", "ConfigMap", "PersistentVolume", "PersistentVolumeClaim", "Service":
		return 3
	case "HorizontalPodAutoscaler", "PodDisruptionBudget":
		return 5
	case "Ingress", "HTTPRoute", "GRPCRoute", "APIService",
		"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		return 6
	}
	return 4
}
