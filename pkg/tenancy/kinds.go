package tenancy

import (
	"cmp"
	"slices"
	"strings"
)

// Kind is a kind of object that a unit may hold. Those of services and teams are
// namespaced.
type Kind struct {
	Group, Kind string
	// Resource is the kind as it stands in a path and in a role.
	Resource string
}

// Offer is what a cluster offers to services beside the usual kinds: group, to
// kind, to resource. Example: "kafka.strimzi.io", to "KafkaTopic", to "kafkatopics".
type Offer map[string]map[string]string

// Kinds lists what a service's unit may hold on any cluster that serves it.
// A kind is in it only if writing one in its own namespace gives nobody more
// than the pods there have.
func Kinds() []Kind {
	return []Kind{
		{"", "ConfigMap", "configmaps"},
		{"", "PersistentVolumeClaim", "persistentvolumeclaims"},
		{"", "Secret", "secrets"},
		{"", "Service", "services"},
		{"", "ServiceAccount", "serviceaccounts"},
		{"apps", "Deployment", "deployments"},
		{"apps", "StatefulSet", "statefulsets"},
		{"argoproj.io", "AnalysisTemplate", "analysistemplates"},
		{"argoproj.io", "Rollout", "rollouts"},
		{"autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers"},
		{"autoscaling.k8s.io", "VerticalPodAutoscaler", "verticalpodautoscalers"},
		{"batch", "CronJob", "cronjobs"},
		{"batch", "Job", "jobs"},
		{"cert-manager.io", "Certificate", "certificates"},
		{"cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies"},
		{"external-secrets.io", "ExternalSecret", "externalsecrets"},
		{"gateway.envoyproxy.io", "BackendTrafficPolicy", "backendtrafficpolicies"},
		{"gateway.networking.k8s.io", "GRPCRoute", "grpcroutes"},
		{"gateway.networking.k8s.io", "HTTPRoute", "httproutes"},
		{"generators.external-secrets.io", "Password", "passwords"},
		{"keda.sh", "ScaledObject", "scaledobjects"},
		{"keda.sh", "TriggerAuthentication", "triggerauthentications"},
		{"monitoring.coreos.com", "PodMonitor", "podmonitors"},
		{"monitoring.coreos.com", "PrometheusRule", "prometheusrules"},
		{"monitoring.coreos.com", "ServiceMonitor", "servicemonitors"},
		{"networking.istio.io", "DestinationRule", "destinationrules"},
		{"networking.istio.io", "VirtualService", "virtualservices"},
		{"networking.k8s.io", "Ingress", "ingresses"},
		{"networking.k8s.io", "NetworkPolicy", "networkpolicies"},
		{"policy", "PodDisruptionBudget", "poddisruptionbudgets"},
		{"policy.linkerd.io", "AuthorizationPolicy", "authorizationpolicies"},
		{"policy.linkerd.io", "MeshTLSAuthentication", "meshtlsauthentications"},
		{"policy.linkerd.io", "Server", "servers"},
		{"security.istio.io", "AuthorizationPolicy", "authorizationpolicies"},
		{"security.istio.io", "PeerAuthentication", "peerauthentications"},
		{"security.istio.io", "RequestAuthentication", "requestauthentications"},
		{"snapshot.storage.k8s.io", "VolumeSnapshot", "volumesnapshots"},
	}
}

// Baseline lists what a team's own unit may hold beside its Namespace.
func Baseline() []Kind {
	return []Kind{
		{"", "LimitRange", "limitranges"},
		{"", "ResourceQuota", "resourcequotas"},
		{"", "ServiceAccount", "serviceaccounts"},
		{"networking.k8s.io", "NetworkPolicy", "networkpolicies"},
		{"rbac.authorization.k8s.io", "RoleBinding", "rolebindings"},
	}
}

// Kinds lists the offered kinds that can be offered, sorted. What a cluster may
// not offer is left out, so that it is refused like any other kind.
func (o Offer) Kinds() []Kind {
	var out []Kind
	for g, kinds := range o {
		for k, resource := range kinds {
			if !isName(g) || !strings.Contains(g, ".") || builtIn(g) || !isKind(k) || strings.HasSuffix(k, "List") || !isName(resource) {
				continue
			}
			out = append(out, Kind{g, k, resource})
		}
	}
	slices.SortFunc(out, compareKinds)
	return out
}

func compareKinds(a, b Kind) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Resource, b.Resource))
}

// builtIn reports whether a group is Kubernetes' own. Which of its kinds a
// service may hold is in the table and nowhere else: among the others are
// those that give rights, see every request, or belong to the whole cluster.
func builtIn(group string) bool {
	return slices.Contains([]string{
		"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io",
		"authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
		"flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "metrics.k8s.io", "networking.k8s.io", "node.k8s.io",
		"rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io",
	}, group)
}

// allows reports whether objects of a kind may be in the unit at all.
func (s Scope) allows(group, kind string) bool {
	is := func(k Kind) bool { return k.Group == group && k.Kind == kind }
	if s.Cluster {
		return slices.ContainsFunc(ClusterKinds(), is)
	}
	if s.Team {
		return group == "" && kind == "Namespace" || slices.ContainsFunc(Baseline(), is)
	}
	if slices.ContainsFunc(Kinds(), is) {
		return true
	}
	return s.Offered[group][kind] != "" && slices.ContainsFunc(s.Offered.Kinds(), is)
}
