package tenancy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

// baseline is a team's own unit as the platform renders it.
func baseline() []string {
	const marks = `"labels":{"app.kubernetes.io/managed-by":"fairway","pod-security.kubernetes.io/enforce":"restricted"},"annotations":{"fairway.dev/unit":"prod/local/team.shop"}`
	in := func(name string) string { return fmt.Sprintf(`{"name":%q,"namespace":"shop-prod",%s}`, name, marks) }
	return []string{
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop-prod",` + marks + `}}`,
		`{"apiVersion":"v1","kind":"ResourceQuota","metadata":` + in("team") + `,"spec":{"hard":{"pods":"5"}}}`,
		`{"apiVersion":"v1","kind":"LimitRange","metadata":` + in("team") + `,"spec":{"limits":[]}}`,
		`{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":` + in("team") + `,"spec":{"podSelector":{}}}`,
		`{"apiVersion":"v1","automountServiceAccountToken":false,"kind":"ServiceAccount","metadata":` + in("fairway-deployer") + `}`,
		`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":` + in("fairway-deployer") + `,
			"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"fairway-team"},
			"subjects":[{"kind":"ServiceAccount","name":"fairway-deployer","namespace":"shop-prod"}]}`,
	}
}

func check(t testing.TB, scope tenancy.Scope, texts ...string) []tenancy.Fault {
	t.Helper()
	var objects []object.Object
	for _, text := range texts {
		o, err := object.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		objects = append(objects, o)
	}
	return tenancy.Check(scope, objects)
}

func team() tenancy.Scope {
	return tenancy.Scope{Unit: "prod/local/team.shop", Namespace: "shop-prod", Team: true}
}

// A team's own unit is what guards the team, and nothing that could be used to
// give it more.
func TestTeamUnit(t *testing.T) {
	if faults := check(t, team(), baseline()...); len(faults) > 0 {
		t.Errorf("the baseline is refused: %v", faults)
	}
	for _, test := range []struct{ name, old, with, rule string }{
		{"another namespace", `"name":"shop-prod","labels"`, `"name":"money-prod","labels"`, tenancy.RuleNamespace},
		{"pods with more rights", `"pod-security.kubernetes.io/enforce":"restricted"},"annotations":{"fairway.dev/unit":"prod/local/team.shop"}}}`, `"x":"y"},"annotations":{"fairway.dev/unit":"prod/local/team.shop"}}}`, tenancy.RuleBaseline},
		{"pods with all rights", `"pod-security.kubernetes.io/enforce":"restricted"`, `"pod-security.kubernetes.io/enforce":"privileged"`, tenancy.RuleBaseline},
		{"another role", `"name":"fairway-team"`, `"name":"cluster-admin"`, tenancy.RuleBaseline},
		{"a role of the namespace", `"kind":"ClusterRole"`, `"kind":"Role"`, tenancy.RuleBaseline},
		{"another account", `"name":"fairway-deployer","namespace":"shop-prod"}]`, `"name":"default","namespace":"shop-prod"}]`, tenancy.RuleBaseline},
		{"another team's account", `"name":"fairway-deployer","namespace":"shop-prod"}]`, `"name":"fairway-deployer","namespace":"money-prod"}]`, tenancy.RuleBaseline},
		{"a user", `"subjects":[{"kind":"ServiceAccount"`, `"subjects":[{"kind":"User"`, tenancy.RuleBaseline},
		{"two subjects", `"subjects":[`, `"subjects":[{"kind":"Group","name":"system:authenticated"},`, tenancy.RuleBaseline},
		{"a token mounted", `"automountServiceAccountToken":false`, `"automountServiceAccountToken":true`, tenancy.RuleBaseline},
		{"a service's kind", `"kind":"LimitRange"`, `"kind":"ConfigMap"`, tenancy.RuleKind},
		{"a role", `"kind":"RoleBinding"`, `"kind":"Role"`, tenancy.RuleKind},
	} {
		var texts []string
		changed := false
		for _, text := range baseline() {
			if !changed && strings.Contains(text, test.old) {
				text, changed = strings.Replace(text, test.old, test.with, 1), true
			}
			texts = append(texts, text)
		}
		faults := check(t, team(), texts...)
		if !changed || !slices.ContainsFunc(faults, func(f tenancy.Fault) bool { return f.Rule == test.rule }) {
			t.Errorf("%s: got %v, want a fault of rule %s", test.name, faults, test.rule)
		}
	}
}

// A cluster offers what it likes beside Kubernetes' own kinds.
func TestOffer(t *testing.T) {
	topic := `{"apiVersion":"kafka.strimzi.io/v1","kind":"KafkaTopic","metadata":{"name":"a","namespace":"shop-prod",
		"labels":{"app.kubernetes.io/managed-by":"fairway"},"annotations":{"fairway.dev/unit":"prod/local/checkout"}},"spec":{}}`
	scope := tenancy.Scope{Unit: "prod/local/checkout", Namespace: "shop-prod"}
	if faults := check(t, scope, topic); len(faults) != 1 || faults[0].Rule != tenancy.RuleKind {
		t.Errorf("not offered: %v", faults)
	}
	scope.Offered = tenancy.Offer{"kafka.strimzi.io": {"KafkaTopic": "kafkatopics"}}
	if faults := check(t, scope, topic); len(faults) > 0 {
		t.Errorf("offered: %v", faults)
	}
	for _, bad := range []tenancy.Offer{
		{"": {"Pod": "pods"}}, {"apps": {"DaemonSet": "daemonsets"}}, {"rbac.authorization.k8s.io": {"Role": "roles"}},
		{"admissionregistration.k8s.io": {"ValidatingWebhookConfiguration": "validatingwebhookconfigurations"}},
		{"*": {"A": "as"}}, {"a.b": {"A": "*"}}, {"a.b": {"A": "as/status"}}, {"a.b": {"AList": "as"}}, {"a.b": {"a": "as"}}, {"A.b": {"A": "as"}},
	} {
		if kinds := bad.Kinds(); len(kinds) > 0 {
			t.Errorf("%v can be offered", kinds)
		}
	}
}

// The cluster's own namespaces are nobody's, whatever a team and an
// environment are called.
func TestReserved(t *testing.T) {
	for _, namespace := range []string{"", "default", "kube-system", "kube-public", "fairway-system", "fairway-system-two", "openshift-monitoring"} {
		if _, err := tenancy.Account(namespace); err == nil {
			t.Errorf("there is an account for namespace %q", namespace)
		}
		if faults := tenancy.Check(tenancy.Scope{Unit: "a/b/c", Namespace: namespace}, nil); len(faults) == 0 {
			t.Errorf("a unit may write to namespace %q", namespace)
		}
	}
	if account, err := tenancy.Account("shop-prod"); err != nil || account != "system:serviceaccount:shop-prod:fairway-deployer" {
		t.Errorf("got %q, %v", account, err)
	}
	for _, odd := range []string{"shop prod", "shop:prod", "shop/prod", "Shop-prod", "shop-prod\n"} {
		if _, err := tenancy.Account(odd); err == nil {
			t.Errorf("there is an account for namespace %q", odd)
		}
	}
}

// Wherever the daemon keeps its records, no team can have that namespace; and it
// keeps them nowhere else.
func TestSystem(t *testing.T) {
	for _, namespace := range []string{tenancy.SystemNamespace, "fairway-system-two", "fairway-system2"} {
		if why := tenancy.System(namespace); why != "" {
			t.Errorf("the daemon may not use %q: %s", namespace, why)
		}
		if tenancy.Reserved(namespace) == "" {
			t.Errorf("a team may have the namespace %q", namespace)
		}
		if _, err := (tenancy.Installation{Namespace: namespace}).Manifests(); err != nil {
			t.Error(err)
		}
	}
	long := tenancy.SystemNamespace + strings.Repeat("-x", 30)
	for _, namespace := range []string{"shop-prod", "fairway", "fairway-sys", "my-fairway-system", "default", "kube-system", "Fairway-system", "fairway-system.a", "fairway-system-", "fairway-system/a", long} {
		if why := tenancy.System(namespace); why == "" {
			t.Errorf("the daemon may use %q", namespace)
		}
		if _, err := (tenancy.Installation{Namespace: namespace}).Manifests(); err == nil {
			t.Errorf("there are rights for records in %q", namespace)
		}
	}
	if why := tenancy.System(""); why == "" {
		t.Error("the daemon may use no namespace at all")
	}
}

func TestTooMany(t *testing.T) {
	scope := tenancy.Scope{Unit: "prod/local/checkout", Namespace: "shop-prod"}
	if faults := tenancy.Check(scope, make([]object.Object, tenancy.MaxObjects+1)); len(faults) != 1 || faults[0].Rule != tenancy.RuleSize {
		t.Errorf("got %v, want the number refused", faults)
	}
	big := make([]object.Object, 65)
	for i := range big {
		big[i].Body = make([]byte, tenancy.MaxObject)
	}
	if faults := tenancy.Check(scope, big); len(faults) != 1 || faults[0].Rule != tenancy.RuleSize {
		t.Errorf("got %v, want the sum refused", faults)
	}
}

// FuzzCheck: whatever an object holds, the guard answers, and what it lets
// through is of an allowed kind and in the unit's own namespace.
func FuzzCheck(f *testing.F) {
	for _, text := range baseline() {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"shop-prod","labels":{"app.kubernetes.io/managed-by":"fairway"},
		"annotations":{"fairway.dev/unit":"prod/local/team.shop"}},"spec":{"template":{"spec":{"containers":[{"name":"a","securityContext":{}}],"volumes":[{}]}}}}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"Service","metadata":[],"spec":[1,"a",null]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := object.Parse(raw)
		if err != nil {
			return
		}
		for _, isTeam := range []bool{true, false} {
			scope := team()
			scope.Team = isTeam
			if len(tenancy.Check(scope, []object.Object{o})) > 0 {
				continue
			}
			if o.ID.Namespace != "shop-prod" && !(isTeam && o.ID == object.ID{Kind: "Namespace", Name: "shop-prod"}) {
				t.Errorf("let through: %s", o.ID)
			}
		}
	})
}

// A cluster's own unit holds classes and named policies, and nothing that is in a
// namespace, gives rights, or could stop the cluster.
func TestClusterUnit(t *testing.T) {
	const marks = `"labels":{"app.kubernetes.io/managed-by":"fairway"},"annotations":{"fairway.dev/unit":"platform/local/cluster"}`
	bind := func(name, policy, match string) string {
		return fmt.Sprintf(`{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":%q,%s},
			"spec":{"policyName":%q,"validationActions":["Deny"],"matchResources":{"namespaceSelector":{"matchLabels":{%s}}}}}`, name, marks, policy, match)
	}
	ours := `"app.kubernetes.io/managed-by":"fairway"`
	of := func(apiVersion, kind, name, more string) string {
		return fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,%s}%s}`, apiVersion, kind, name, marks, more)
	}
	scope := tenancy.Scope{Unit: "platform/local/cluster", Cluster: true, Policies: []string{"images", tenancy.TeamRole}}
	for _, text := range []string{
		of("storage.k8s.io/v1", "StorageClass", "fast", `,"provisioner":"x"`),
		of("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", "fast", `,"driver":"x","deletionPolicy":"Delete"`),
		of("scheduling.k8s.io/v1", "PriorityClass", "fairway-critical", `,"value":1000000`),
		of("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "images", `,"spec":{}`),
		bind("images", "images", ours),
		bind("fairway-guardrails", "fairway-guardrails", ours),
	} {
		if faults := check(t, scope, text); len(faults) > 0 {
			t.Errorf("refused: %v", faults)
		}
	}
	for _, test := range []struct{ name, text, rule string }{
		{"a role", of("rbac.authorization.k8s.io/v1", "ClusterRole", "x", `,"rules":[]`), tenancy.RuleKind},
		{"a namespace", of("v1", "Namespace", "x", ""), tenancy.RuleKind},
		{"a service's kind", of("v1", "ConfigMap", "x", ""), tenancy.RuleKind},
		{"in a namespace", strings.Replace(of("storage.k8s.io/v1", "StorageClass", "fast", ""), `"name"`, `"namespace":"kube-system","name"`, 1), tenancy.RuleNamespace},
		{"another unit's", strings.Replace(of("storage.k8s.io/v1", "StorageClass", "fast", ""), "local/cluster", "other/cluster", 1), tenancy.RuleMetadata},
		{"a priority of the cluster's", of("scheduling.k8s.io/v1", "PriorityClass", "x", `,"value":2000000000`), tenancy.RuleBaseline},
		{"a priority that is no number", of("scheduling.k8s.io/v1", "PriorityClass", "x", `,"value":1e300`), tenancy.RuleBaseline},
		{"a priority for everybody", of("scheduling.k8s.io/v1", "PriorityClass", "x", `,"value":1,"globalDefault":true`), tenancy.RuleBaseline},
		{"the policy that guards teams", of("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", tenancy.TeamRole, `,"spec":{}`), tenancy.RuleBaseline},
		{"a policy that nobody named", of("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "other", `,"spec":{}`), tenancy.RuleBaseline},
		{"a binding of another policy", bind("images", "other", ours), tenancy.RuleBaseline},
		{"a binding of all namespaces", bind("images", "images", ""), tenancy.RuleBaseline},
		{"a binding of the cluster's namespaces", bind("images", "images", `"kubernetes.io/metadata.name":"kube-system"`), tenancy.RuleBaseline},
	} {
		faults := check(t, scope, test.text)
		if !slices.ContainsFunc(faults, func(f tenancy.Fault) bool { return f.Rule == test.rule }) {
			t.Errorf("%s: got %v, want a fault of rule %s", test.name, faults, test.rule)
		}
	}
	if faults := check(t, team(), of("storage.k8s.io/v1", "StorageClass", "fast", `,"provisioner":"x"`)); len(faults) == 0 {
		t.Error("a team's own unit may hold a storage class")
	}
}
