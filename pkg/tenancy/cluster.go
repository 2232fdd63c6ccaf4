package tenancy

import (
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/object"
)

// A cluster's own unit holds what the cluster has once, for everybody: classes of
// storage and of priority, and the policies by which it refuses what guardrails
// forbid. It gives nobody rights.

// ClusterKinds lists what a cluster's own unit may hold. None of them is in a
// namespace.
func ClusterKinds() []Kind { return append(classKinds(), policyKinds()...) }

func classKinds() []Kind {
	return []Kind{
		{"scheduling.k8s.io", "PriorityClass", "priorityclasses"},
		{"snapshot.storage.k8s.io", "VolumeSnapshotClass", "volumesnapshotclasses"},
		{"storage.k8s.io", "StorageClass", "storageclasses"},
	}
}

// policyKinds are apart, because Kubernetes exempts them from policies: the daemon
// is kept from those that guard itself by its rights alone, which name what it
// may write.
func policyKinds() []Kind {
	return []Kind{
		{"admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"},
		{"admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"},
	}
}

// Policies lists the admission policies that a cluster's own unit may hold: those
// that every cluster's may, and more that a cluster declares. The two that guard
// the daemon and the teams are never among them.
func Policies(more []string) []string {
	out := []string{"fairway-guardrails", "fairway-guardrails-warn"}
	for _, name := range more {
		if isName(name) && name != TeamRole && name != DaemonRole && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// maxPriority is the highest priority that is not the cluster's own.
const maxPriority = 1_000_000_000

// clusterContent looks at what an object of a cluster's own unit says.
func (c *checker) clusterContent(o object.Object, f fields) {
	spec, _ := f["spec"].(fields)
	switch o.ID.Kind {
	case "PriorityClass":
		if f["globalDefault"] == true {
			c.fault(RuleBaseline, ".globalDefault", "it would give a priority to every pod of the cluster that names none")
		}
		if v, whole := f["value"].(int64); !whole || v > maxPriority || strings.HasPrefix(o.ID.Name, "system-") {
			c.fault(RuleBaseline, ".value", "priorities above %d are the cluster's own", maxPriority)
		}
	case "ValidatingAdmissionPolicy":
		c.policyName(o.ID.Name, ".metadata.name")
	case "ValidatingAdmissionPolicyBinding":
		c.policyName(o.ID.Name, ".metadata.name")
		name, _ := spec["policyName"].(string)
		c.policyName(name, ".spec.policyName")
		resources, _ := spec["matchResources"].(fields)
		selector, _ := resources["namespaceSelector"].(fields)
		labels, _ := selector["matchLabels"].(fields)
		if labels[object.LabelManagedBy] != object.ManagedBy {
			c.fault(RuleBaseline, ".spec.matchResources.namespaceSelector", "a policy may bind namespaces with the label %s: %s only, or it could stop the cluster itself", object.LabelManagedBy, object.ManagedBy)
		}
	}
}

func (c *checker) policyName(name, at string) {
	if !slices.Contains(Policies(c.scope.Policies), name) {
		c.fault(RuleBaseline, at, "the policy %q is not one that the cluster's own unit may hold: see baseline.policies of the cluster", name)
	}
}
