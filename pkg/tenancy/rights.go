package tenancy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Installation is what an operator installs on a cluster before the daemon
// can work there. The zero value is for the service account
// fairway-system/reconciler.
type Installation struct {
	// User is the daemon's user name there, where it is no service account.
	User string
	// ServiceAccount is the daemon's service account, as NAMESPACE/NAME;
	// "reconciler" in Namespace if both are empty.
	ServiceAccount string
	// Namespace holds the inventory; SystemNamespace if empty.
	Namespace string
	// Offered are the kinds that the cluster offers beside the usual ones.
	Offered Offer
	// Policies are the admission policies that the cluster's own unit may hold beside
	// those that every cluster's may.
	Policies []string
}

func (i Installation) filled() Installation {
	if i.Namespace == "" {
		i.Namespace = SystemNamespace
	}
	if i.User == "" && i.ServiceAccount == "" {
		i.ServiceAccount = i.Namespace + "/reconciler"
	}
	return i
}

// subject is the daemon as a binding names it, username as the server sees it.
func (i Installation) subject() (subject fields, username string, err error) {
	if i.User != "" {
		return fields{"apiGroup": rbacGroup, "kind": "User", "name": i.User}, i.User, nil
	}
	namespace, name, ok := strings.Cut(i.ServiceAccount, "/")
	if !ok || !isName(namespace) || !isName(name) {
		return nil, "", fmt.Errorf("%q is no service account: want NAMESPACE/NAME", i.ServiceAccount)
	}
	return fields{"kind": "ServiceAccount", "name": name, "namespace": namespace}, "system:serviceaccount:" + namespace + ":" + name, nil
}

// Manifests are the objects to install, in the order in which they can be: what
// the daemon may do, what it may do in a team's name, and the policies for what
// rights cannot say.
func (i Installation) Manifests() ([]object.Object, error) {
	i = i.filled()
	if why := System(i.Namespace); why != "" {
		return nil, fmt.Errorf("write the cluster's rights: %s", why)
	}
	subject, username, err := i.subject()
	if err != nil {
		return nil, err
	}
	all := []fields{
		manifest("v1", "Namespace", "", i.Namespace, nil),
		manifest(rbacVersion, "ClusterRole", "", TeamRole, fields{"rules": i.teamRules()}),
		manifest(rbacVersion, "ClusterRole", "", DaemonRole, fields{"rules": i.daemonRules()}),
		manifest(rbacVersion, "ClusterRoleBinding", "", DaemonRole, bound("ClusterRole", DaemonRole, subject)),
		manifest(rbacVersion, "Role", i.Namespace, DaemonRole, fields{"rules": inventoryRules()}),
		manifest(rbacVersion, "RoleBinding", i.Namespace, DaemonRole, bound("Role", DaemonRole, subject)),
		manifest(admissionVersion, "ValidatingAdmissionPolicy", "", TeamRole, fields{"spec": teamPolicy()}),
		manifest(admissionVersion, "ValidatingAdmissionPolicyBinding", "", TeamRole, policyBinding(TeamRole)),
		manifest(admissionVersion, "ValidatingAdmissionPolicy", "", DaemonRole, fields{"spec": daemonPolicy(username, i.Namespace)}),
		manifest(admissionVersion, "ValidatingAdmissionPolicyBinding", "", DaemonRole, policyBinding(DaemonRole)),
	}
	out := make([]object.Object, 0, len(all))
	for _, f := range all {
		o, err := object.FromFields(f)
		if err != nil {
			return nil, fmt.Errorf("write the cluster's rights: %w", err)
		}
		out = append(out, o)
	}
	return out, nil
}

const (
	rbacVersion      = rbacGroup + "/v1"
	admissionVersion = "admissionregistration.k8s.io/v1"
)

func manifest(apiVersion, kind, namespace, name string, more fields) fields {
	meta := fields{"name": name, "labels": fields{"app.kubernetes.io/name": "fairway", "app.kubernetes.io/component": "rights"}}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	f := fields{"apiVersion": apiVersion, "kind": kind, "metadata": meta}
	for key, v := range more {
		f[key] = v
	}
	return f
}

func bound(kind, role string, subject fields) fields {
	return fields{
		"roleRef":  fields{"apiGroup": rbacGroup, "kind": kind, "name": role},
		"subjects": []any{subject},
	}
}

// teamRules let a team's account write what a unit may hold, and read nothing:
// reading is the daemon's.
func (i Installation) teamRules() []any {
	return rules(slices.Concat(Kinds(), i.Offered.Kinds()), "create", "patch", "delete")
}

// daemonRules let the daemon see everything that units hold, and write by
// itself only teams' own units and the cluster's. What services hold it writes in the name of
// their team's account.
func (i Installation) daemonRules() []any {
	guards := append(Baseline(), Kind{"", "Namespace", "namespaces"})
	read := slices.DeleteFunc(slices.Concat(Kinds(), i.Offered.Kinds()), func(k Kind) bool { return slices.Contains(guards, k) })
	return slices.Concat(
		rules(read, "get", "list", "watch"),
		rules(append(guards, classKinds()...), "get", "list", "watch", "create", "patch", "delete"),
		rules(policyKinds(), "get", "list", "watch"),
		i.policyRules(),
		[]any{
			named("", "serviceaccounts", []string{Deployer}, "impersonate"),
			named(rbacGroup, "clusterroles", []string{TeamRole}, "bind"),
		},
	)
}

// policyRules let the daemon write the admission policies of the cluster's own unit,
// by their names: nothing else keeps it from those that guard it.
func (i Installation) policyRules() []any {
	var out []any
	for _, k := range policyKinds() {
		out = append(out, named(k.Group, k.Resource, Policies(i.Policies), "create", "patch", "delete"))
	}
	return out
}

// inventoryRules let the daemon keep its records, and the lease by which one of
// several daemons acts.
func inventoryRules() []any {
	return slices.Concat(
		rules([]Kind{{"", "ConfigMap", "configmaps"}}, "get", "list", "watch", "create", "update", "patch", "delete"),
		rules([]Kind{{"coordination.k8s.io", "Lease", "leases"}}, "get", "create", "update"),
	)
}

// rules gives one rule a group.
func rules(kinds []Kind, verbs ...string) []any {
	byGroup := map[string][]string{}
	for _, k := range kinds {
		byGroup[k.Group] = append(byGroup[k.Group], k.Resource)
	}
	var out []any
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		resources := byGroup[group]
		slices.Sort(resources)
		out = append(out, fields{"apiGroups": []any{group}, "resources": anys(slices.Compact(resources)), "verbs": anys(verbs)})
	}
	return out
}

func named(group, resource string, names []string, verbs ...string) fields {
	return fields{"apiGroups": []any{group}, "resources": []any{resource}, "resourceNames": anys(names), "verbs": anys(verbs)}
}

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, s := range texts {
		out[i] = s
	}
	return out
}
