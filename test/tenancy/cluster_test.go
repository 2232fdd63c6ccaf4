package tenancy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
	"github.com/fairway-dev/fairway/test/labtest"
)

// site is a cluster as an operator prepared it, with two teams on it.
type site struct {
	plane  *labtest.Plane
	admin  kubernetes.Interface
	daemon *rest.Config
}

// TestOnCluster is the second layer by itself: whatever is asked for goes to the
// API server as the first layer would never let it.
func TestOnCluster(t *testing.T) {
	s := newSite(t)
	t.Run("lets through", s.letsThrough)
	t.Run("refuses", s.refuses)
	t.Run("the daemon itself", s.daemonIsBound)
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{plane: labtest.Start(t, labtest.Options{Name: "tenancy", Addons: t.TempDir()})}
	cfg, err := kube.Config(s.plane.AdminKubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.admin, err = kubernetes.NewForConfig(cfg); err != nil {
		t.Fatal(err)
	}
	if s.daemon, err = kube.Config(s.plane.Kubeconfig, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.plane.Install(t.Context(), definitions(t)...); err != nil {
		t.Fatal(err)
	}
	if err := s.plane.Restrict(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{"shop-prod", "money-prod"} {
		s.found(t, namespace)
	}
	s.settle(t)
	return s
}

// definitions are the kinds of add-ons, with nothing said of their content.
func definitions(t *testing.T) []object.Object {
	t.Helper()
	versions := map[string]string{}
	for _, f := range allowed(t) {
		group, version, _ := strings.Cut(f["apiVersion"].(string), "/")
		versions[group+"/"+f["kind"].(string)] = version
	}
	var out []object.Object
	for _, k := range tenancy.Kinds() {
		if !strings.Contains(k.Group, ".") || k.Group == "networking.k8s.io" {
			continue
		}
		out = append(out, definition(t, k, versions[k.Group+"/"+k.Kind], "Namespaced"))
	}
	return append(out, definition(t, tenancy.Kind{Group: "fairway.test", Kind: "Widget", Resource: "widgets"}, "v1", "Namespaced"))
}

func definition(t *testing.T, k tenancy.Kind, version, scope string) object.Object {
	t.Helper()
	o, err := object.Parse(encoded(t, fields{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": fields{
			"name":        k.Resource + "." + k.Group,
			"annotations": fields{"api-approved.kubernetes.io": "unapproved, for a test"},
		},
		"spec": fields{
			"group": k.Group, "scope": scope,
			"names": fields{"kind": k.Kind, "plural": k.Resource, "singular": strings.ToLower(k.Kind)},
			"versions": []any{fields{
				"name": version, "served": true, "storage": true,
				"schema": fields{"openAPIV3Schema": fields{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// found makes a team's namespace as the daemon does, with the daemon's rights.
func (s *site) found(t *testing.T, namespace string) {
	t.Helper()
	marks := fields{"app.kubernetes.io/managed-by": "fairway", "pod-security.kubernetes.io/enforce": "restricted", "fairway.dev/team": strings.TrimSuffix(namespace, "-prod")}
	meta := func(name, in string) fields {
		m := fields{"name": name, "labels": marks, "annotations": fields{"fairway.dev/unit": "prod/local/team.x"}}
		if in != "" {
			m["namespace"] = in
		}
		return m
	}
	for _, step := range []struct {
		path string
		is   fields
	}{
		{"/api/v1/namespaces/" + namespace, fields{"apiVersion": "v1", "kind": "Namespace", "metadata": meta(namespace, "")}},
		{"/api/v1/namespaces/" + namespace + "/serviceaccounts/fairway-deployer", fields{
			"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("fairway-deployer", namespace), "automountServiceAccountToken": false,
		}},
		{"/apis/rbac.authorization.k8s.io/v1/namespaces/" + namespace + "/rolebindings/fairway-deployer", binding(namespace, meta("fairway-deployer", namespace))},
	} {
		if err := s.send(t.Context(), "", step.path, encoded(t, step.is), false); err != nil {
			t.Fatalf("%s: %v", step.path, err)
		}
	}
}

func binding(namespace string, meta fields) fields {
	return fields{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
		"roleRef":  fields{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "fairway-team"},
		"subjects": []any{fields{"kind": "ServiceAccount", "name": "fairway-deployer", "namespace": namespace}},
	}
}

// settle waits until the definitions are served and the policies act.
func (s *site) settle(t *testing.T) {
	t.Helper()
	account, err := tenancy.Account("shop-prod")
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		missing := ""
		for _, f := range allowed(t) {
			if err := s.send(t.Context(), account, pathOf(f, f), encoded(t, f), true); err != nil {
				missing = fmt.Sprintf("%v: %v", f["kind"], err)
				break
			}
		}
		bad := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop-prod","finalizers":["a/b"],"labels":{"app.kubernetes.io/managed-by":"fairway"},"annotations":{"fairway.dev/unit":"a"}}}`
		if missing == "" && s.send(t.Context(), account, "/api/v1/namespaces/shop-prod/configmaps/a", []byte(bad), true) == nil {
			missing = "the policies do not act"
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(missing)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// send applies bytes in the name of a user, as the daemon's process would with
// nothing of ours in between.
func (s *site) send(ctx context.Context, user, path string, body []byte, dryRun bool) error {
	c, err := kubernetes.NewForConfig(s.daemon)
	if err != nil {
		return err
	}
	r := c.CoreV1().RESTClient().Patch(types.ApplyPatchType).AbsPath(path).Param("fieldManager", "escape").Param("force", "true").Body(body)
	if user != "" {
		r = r.SetHeader("Impersonate-User", user)
	}
	if dryRun {
		r = r.Param("dryRun", metav1.DryRunAll)
	}
	return r.Do(ctx).Error()
}

func (s *site) letsThrough(t *testing.T) {
	account, _ := tenancy.Account("shop-prod")
	for _, f := range allowed(t) {
		if err := s.send(t.Context(), account, pathOf(f, f), encoded(t, f), true); err != nil {
			t.Errorf("%s: %v", f["kind"], err)
		}
	}
}

// refuses holds every escape against the cluster alone.
func (s *site) refuses(t *testing.T) {
	account, _ := tenancy.Account("shop-prod")
	excepted := lines(t, "exceptions.txt")
	used := map[string]bool{}
	counts := map[string]int{}
	for _, e := range corpus(t) {
		err := s.send(t.Context(), account, e.path, e.body, true)
		line, isExcepted := exceptionFor(excepted, e.name)
		used[line] = true
		switch {
		case err == nil && !isExcepted:
			t.Errorf("%s: let through", e.name)
		case err != nil && isExcepted:
			t.Errorf("%s: is an exception and was refused: %v", e.name, err)
		case err == nil:
			counts["not at the write"]++
		default:
			by := refusal(t, e, err)
			counts[by]++
			// Kinds and places are what rights are for: nothing else may have to help.
			if (strings.HasPrefix(e.name, "kind: ") || strings.HasPrefix(e.name, "in ")) && by != "rights" {
				t.Errorf("%s: refused by %s and not by rights: %v", e.name, by, err)
			}
		}
	}
	for _, line := range excepted {
		if !used[line] {
			t.Errorf("exceptions.txt: nothing is called %q", line)
		}
	}
	t.Log(counts)
}

func exceptionFor(excepted []string, name string) (string, bool) {
	for _, line := range excepted {
		pattern, _, _ := strings.Cut(line, " | ")
		if prefix, open := strings.CutSuffix(pattern, "*"); pattern == name || open && strings.HasPrefix(name, prefix) {
			return line, true
		}
	}
	return "", false
}

// refusal names what refused. What is no refusal of a server's, such as a
// connection that broke, proves nothing.
func refusal(t *testing.T, e escape, err error) string {
	t.Helper()
	switch {
	case strings.Contains(err.Error(), "ValidatingAdmissionPolicy"):
		return "policy"
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot patch resource"):
		return "rights"
	case apierrors.IsForbidden(err):
		return "admission"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsConflict(err), apierrors.IsRequestEntityTooLargeError(err), apierrors.IsNotFound(err),
		strings.Contains(err.Error(), "failed to create typed patch object"), apierrors.IsMethodNotSupported(err):
		return "validation"
	}
	t.Errorf("%s: no refusal but %v", e.name, err)
	return "other"
}

// daemonIsBound holds that the daemon's own rights end where they have to.
func (s *site) daemonIsBound(t *testing.T) {
	marks := `"labels":{"app.kubernetes.io/managed-by":"fairway"},"annotations":{"fairway.dev/unit":"a/b/c"}`
	bind := func(namespace, role, subject string) string {
		return fmt.Sprintf(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"x","namespace":%q,%s},
			"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":%q},"subjects":[%s]}`, namespace, marks, role, subject)
	}
	deployer := func(namespace string) string {
		return fmt.Sprintf(`{"kind":"ServiceAccount","name":"fairway-deployer","namespace":%q}`, namespace)
	}
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","namespace":"shop-prod",%s}}`, marks)
	bindings := "/apis/rbac.authorization.k8s.io/v1/namespaces/"
	for _, test := range []struct{ name, as, path, body string }{
		{"a service's object", "", "/api/v1/namespaces/shop-prod/configmaps/x", config},
		{"a service's object as an administrator", "admin", "/api/v1/namespaces/shop-prod/configmaps/x", config},
		{"as another account", "system:serviceaccount:kube-system:generic-garbage-collector", "/api/v1/namespaces/shop-prod/configmaps/x", config},
		{"as a node", "system:node:a", "/api/v1/namespaces/shop-prod/configmaps/x", config},
		{"as the account of a namespace that is not a team's", "system:serviceaccount:kube-system:fairway-deployer", "/api/v1/namespaces/kube-system/configmaps/x", strings.Replace(config, "shop-prod", "kube-system", 1)},
		{"a binding to everything", "", bindings + "shop-prod/rolebindings/x", bind("shop-prod", "cluster-admin", deployer("shop-prod"))},
		{"a binding of somebody else", "", bindings + "shop-prod/rolebindings/x", bind("shop-prod", "fairway-team", `{"kind":"User","name":"fairway","apiGroup":"rbac.authorization.k8s.io"}`)},
		{"a binding of another team", "", bindings + "shop-prod/rolebindings/x", bind("shop-prod", "fairway-team", deployer("money-prod"))},
		{"a binding of two", "", bindings + "shop-prod/rolebindings/x", bind("shop-prod", "fairway-team", deployer("shop-prod")+","+deployer("money-prod"))},
		{"a binding in the cluster's namespace", "", bindings + "kube-system/rolebindings/x", bind("kube-system", "fairway-team", deployer("kube-system"))},
		{"a quota in the cluster's namespace", "", "/api/v1/namespaces/kube-system/resourcequotas/x",
			fmt.Sprintf(`{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"x","namespace":"kube-system",%s},"spec":{"hard":{"pods":"0"}}}`, marks)},
		{"the cluster's namespace itself", "", "/api/v1/namespaces/kube-system", fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system",%s}}`, marks)},
		{"a namespace that is nobody's", "", "/api/v1/namespaces/other", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"other"}}`},
		{"a cluster role", "", "/apis/rbac.authorization.k8s.io/v1/clusterroles/fairway-team", `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"fairway-team"},"rules":[]}`},
		{"a policy", "", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/fairway-team",
			`{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"fairway-team"},"spec":{"policyName":"fairway-team","validationActions":["Audit"]}}`},
		{"the policy that guards it", "", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/fairway-reconciler",
			`{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"fairway-reconciler"},"spec":{"failurePolicy":"Ignore"}}`},
		{"a policy of somebody else's", "", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/other",
			`{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"other"},"spec":{"failurePolicy":"Ignore"}}`},
		{"a class that was there before", "", "/apis/storage.k8s.io/v1/storageclasses/standard",
			fmt.Sprintf(`{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"standard",%s},"provisioner":"x.example.com"}`, marks)},
		{"a class that is nobody's", "", "/apis/scheduling.k8s.io/v1/priorityclasses/other",
			`{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"other"},"value":1}`},
		{"a pod", "", "/api/v1/namespaces/shop-prod/pods/x", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","namespace":"shop-prod"},"spec":{"containers":[{"name":"a","image":"b"}]}}`},
	} {
		if err := s.send(t.Context(), test.as, test.path, []byte(test.body), true); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("%s: want it refused, got %v", test.name, err)
		}
	}
	for _, body := range ofCluster() {
		f, err := object.DecodeFields([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		path := fmt.Sprintf("/apis/%s/%s/%s", f["apiVersion"], resourceOf(t, f), f["metadata"].(fields)["name"])
		if err := s.send(t.Context(), "", path, []byte(body), true); err != nil {
			t.Errorf("%v of a cluster's own unit: %v", f["kind"], err)
		}
	}
	s.noToken(t)
	s.noStars(t)
	s.ownNamespace(t)
}

// ofCluster is a cluster's own unit, one object of each kind that Kubernetes has.
func ofCluster() []string {
	marks := `"labels":{"app.kubernetes.io/managed-by":"fairway"},"annotations":{"fairway.dev/unit":"platform/local/cluster"}`
	return []string{
		`{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"fast",` + marks + `},"provisioner":"x.example.com"}`,
		`{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"fairway-critical",` + marks + `},"value":1000000}`,
		`{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"fairway-guardrails",` + marks + `},
			"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":["apps"],"apiVersions":["*"],"operations":["CREATE"],"resources":["deployments"]}]},"validations":[{"expression":"true"}]}}`,
		`{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"fairway-guardrails",` + marks + `},
			"spec":{"policyName":"fairway-guardrails","validationActions":["Deny"],"matchResources":{"namespaceSelector":{"matchLabels":{"app.kubernetes.io/managed-by":"fairway"}}}}}`,
	}
}

func resourceOf(t *testing.T, f fields) string {
	t.Helper()
	for _, k := range tenancy.ClusterKinds() {
		if k.Kind == f["kind"] {
			return k.Resource
		}
	}
	t.Fatalf("%v is no kind of a cluster's own unit", f["kind"])
	return ""
}

// ownNamespace holds that the daemon may make the one namespace that an operator
// said is for its inventory.
func (s *site) ownNamespace(t *testing.T) {
	rights, err := tenancy.Installation{User: labtest.User, Namespace: "fairway-system-two"}.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	rights = slices.DeleteFunc(rights, func(o object.Object) bool { return o.ID.Kind != "ValidatingAdmissionPolicy" })
	if err := s.plane.Install(t.Context(), rights...); err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"fairway-system-two"}}`)
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := s.send(t.Context(), "", "/api/v1/namespaces/fairway-system-two", body, true)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the inventory's namespace: %v", err)
		}
		time.Sleep(200 * time.Millisecond) // until the policy acts
	}
}

// noToken holds that neither the daemon nor a team's account can have a token made.
func (s *site) noToken(t *testing.T) {
	account, _ := tenancy.Account("shop-prod")
	c, err := kubernetes.NewForConfig(s.daemon)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"", account} {
		r := c.CoreV1().RESTClient().Post().AbsPath("/api/v1/namespaces/shop-prod/serviceaccounts/fairway-deployer/token").
			Body([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`))
		if user != "" {
			r = r.SetHeader("Impersonate-User", user)
		}
		if err := r.Do(t.Context()).Error(); !apierrors.IsForbidden(err) {
			t.Errorf("a token for %q: want it forbidden, got %v", user, err)
		}
	}
}

// noStars holds that no right is given without being named (SEC-3).
func (s *site) noStars(t *testing.T) {
	roles, err := s.admin.RbacV1().ClusterRoles().List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=fairway"})
	if err != nil || len(roles.Items) != 2 {
		t.Fatalf("want two cluster roles, got %d: %v", len(roles.Items), err)
	}
	for _, role := range roles.Items {
		for _, r := range role.Rules {
			text, _ := json.Marshal(r)
			if strings.Contains(string(text), `"*"`) || len(r.NonResourceURLs) > 0 {
				t.Errorf("%s: %s", role.Name, text)
			}
			if slices.Contains(r.Verbs, "impersonate") && !slices.Equal(r.ResourceNames, []string{"fairway-deployer"}) {
				t.Errorf("%s: %s", role.Name, text)
			}
		}
	}
}
