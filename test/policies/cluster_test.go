package policies_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/policy"
	"github.com/fairway-dev/fairway/test/labtest"
)

// TestAdmission holds what clusters enforce against a real API server, each policy
// by itself: the example that breaks it is refused in its name, the one that
// keeps it comes through, and so do both where the policy is not for.
func TestAdmission(t *testing.T) {
	cat := guardrails(t)
	for name, rank := range map[string]string{"dev": "10", "prod": "30"} {
		cat.Environments[name] = &catalog.Environment{Declared: catalog.Declared{Name: name, Data: []byte(`{"rank":` + rank + `}`)}}
	}
	plane := labtest.Start(t, labtest.Options{Name: "policies"})
	cfg, err := kube.Config(plane.AdminKubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := site{t, admin}
	c.namespace("elsewhere", "")
	tried := 0
	for name, p := range cat.Policies {
		if len(p.CEL) == 0 {
			continue
		}
		tried++
		c.namespace("in-"+name, "prod") // a policy each: no other may help it
		alone := *cat
		alone.Policies = map[string]*catalog.Policy{name: p}
		objects, err := policy.Admission(&alone, "", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if o.ID.Kind == "ValidatingAdmissionPolicyBinding" {
				o = bound(t, o, "in-"+name)
			}
			if err := plane.Install(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(name, func(t *testing.T) { c.with(t).examples(name, p) })
	}
	if tried < 5 {
		t.Errorf("%d policies have a form in CEL", tried)
	}
}

// bound narrows a binding to one namespace.
func bound(t *testing.T, o object.Object, namespace string) object.Object {
	t.Helper()
	f := o.Fields()
	selector := f["spec"].(map[string]any)["matchResources"].(map[string]any)["namespaceSelector"].(map[string]any)
	selector["matchLabels"] = map[string]any{"kubernetes.io/metadata.name": namespace}
	raw, err := object.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	narrowed, err := object.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return narrowed
}

type site struct {
	*testing.T
	admin kubernetes.Interface
}

func (s site) with(t *testing.T) site { s.T = t; return s }

func (s site) namespace(name, environment string) {
	s.Helper()
	body := `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + name + `"`
	if environment != "" {
		body += `,"labels":{"fairway.dev/environment":"` + environment + `"}`
	}
	if err := s.apply(context.Background(), "/api/v1/namespaces/"+name, []byte(body+`}}`), false); err != nil {
		s.Fatal(err)
	}
}

func (s site) examples(name string, p *catalog.Policy) {
	for example, e := range p.Fails {
		deadline := time.Now().Add(60 * time.Second)
		for {
			err := s.try("in-"+name, e.Object)
			if err != nil && strings.Contains(err.Error(), "policy "+name+":") {
				break
			}
			if time.Now().After(deadline) {
				s.Fatalf("%s is not refused by the policy: %v", example, err)
			}
			time.Sleep(200 * time.Millisecond) // the policy is not in force at once
		}
		if err := s.try("elsewhere", e.Object); err != nil {
			s.Errorf("%s, where the policy is not for: %v", example, err)
		}
	}
	for example, e := range p.Passes {
		if err := s.try("in-"+name, e.Object); err != nil {
			s.Errorf("%s: %v", example, err)
		}
	}
}

// try sends an example as a dry run.
func (s site) try(namespace string, example map[string]any) error {
	s.Helper()
	raw, err := object.Encode(example)
	if err != nil {
		s.Fatal(err)
	}
	fields, err := object.DecodeFields(raw)
	if err != nil {
		s.Fatal(err)
	}
	meta := fields["metadata"].(map[string]any)
	meta["namespace"] = namespace
	body, err := object.Encode(fields)
	if err != nil {
		s.Fatal(err)
	}
	paths := map[any]string{"Deployment": "/apis/apps/v1/namespaces/%/deployments/", "Service": "/api/v1/namespaces/%/services/"}
	return s.apply(s.Context(), strings.Replace(paths[fields["kind"]], "%", namespace, 1)+meta["name"].(string), body, true)
}

func (s site) apply(ctx context.Context, path string, body []byte, dryRun bool) error {
	r := s.admin.CoreV1().RESTClient().Patch(types.ApplyPatchType).AbsPath(path).Param("fieldManager", "examples").Param("force", "true").Body(body)
	if dryRun {
		r = r.Param("dryRun", metav1.DryRunAll)
	}
	return r.Do(ctx).Error()
}
