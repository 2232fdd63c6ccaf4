// Package addons_test holds what golden paths render for add-ons against the
// add-ons' own definitions where they can be had, and the lab's stand-ins for them.
package addons_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
	"github.com/fairway-dev/fairway/test/labtest"
)

// TestRoutes holds every route that is wanted of golden paths against the real
// definitions of the Gateway API: the standard channel takes all of them but those
// of clusters that have the experimental one, which takes these too.
func TestRoutes(t *testing.T) {
	plane := labtest.Start(t, labtest.Options{Name: "routes", Addons: t.TempDir()})
	client := connect(t, plane)
	taken := 0
	for _, channel := range []string{"standard", "experimental"} {
		install(t, plane, channel)
		for name, o := range goldens(t, "HTTPRoute", "GRPCRoute") {
			wanted := channel == "experimental" || !strings.Contains(name, "experimental/")
			err := dryRun(t, client, o)
			if (err == nil) != wanted {
				t.Errorf("%s is taken by the %s channel: %t (%v)", name, channel, err == nil, err)
			}
			taken++
		}
	}
	if taken < 8 {
		t.Errorf("%d routes were tried, which is fewer than there are", taken)
	}
}

// TestStages holds that the lab plays what would answer in a cluster.
func TestStages(t *testing.T) {
	client := connect(t, labtest.Start(t, labtest.Options{Name: "stages"}))
	for kind, field := range map[string]string{
		"HTTPRoute": "parents", "GRPCRoute": "parents", "BackendTrafficPolicy": "ancestors",
		"Certificate": "conditions", "CiliumNetworkPolicy": "conditions",
	} {
		for name, o := range goldens(t, kind) {
			made, err := client.Resource(resource(t, o)).Namespace("default").Create(t.Context(), o, metav1.CreateOptions{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			answered := false
			for range 300 {
				live, err := client.Resource(resource(t, o)).Namespace("default").Get(t.Context(), made.GetName(), metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if list, _, _ := unstructured.NestedSlice(live.Object, "status", field); len(list) > 0 {
					answered = true
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			if !answered {
				t.Errorf("nobody answers %s", name)
			}
			break // one of a kind
		}
	}
}

func connect(t *testing.T, plane *labtest.Plane) dynamic.Interface {
	t.Helper()
	cfg, err := kube.Config(plane.AdminKubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// install brings the definitions of a channel out of the Gateway API's module, at
// the version that is pinned beside.
func install(t *testing.T, plane *labtest.Plane, channel string) {
	t.Helper()
	download := exec.Command("go", "mod", "download", "-json", "sigs.k8s.io/gateway-api")
	download.Dir, download.Stderr = "gatewayapi", os.Stderr
	out, err := download.Output()
	if err != nil {
		t.Fatal(err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"httproutes", "grpcroutes"} {
		text, err := os.ReadFile(filepath.Join(module.Dir, "config", "crd", channel, "gateway.networking.k8s.io_"+kind+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := yaml.YAMLToJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		o, err := object.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		if err := plane.Install(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// dryRun asks the server whether it would take an object, to the last field. A
// definition that was just written is asked again until it is served.
func dryRun(t *testing.T, client dynamic.Interface, o *unstructured.Unstructured) error {
	t.Helper()
	var err error
	for range 100 {
		_, err = client.Resource(resource(t, o)).Namespace("default").Create(t.Context(), o, metav1.CreateOptions{
			DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
		})
		if err == nil || !strings.Contains(err.Error(), "could not find the requested resource") {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// goldens gives the objects of some kinds that are wanted of golden paths.
func goldens(t *testing.T, kinds ...string) map[string]*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob("../../platform/paths/*/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	out := map[string]*unstructured.Unstructured{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if !strings.HasSuffix(f.Name, "/want") {
				continue
			}
			for document := range strings.SplitSeq(string(f.Data), "\n---\n") {
				for _, kind := range kinds {
					if strings.Contains(document, "\nkind: "+kind+"\n") {
						out[filepath.Base(file)+" "+f.Name+" "+kind] = read(t, document)
					}
				}
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no case wants a %v", kinds)
	}
	return out
}

func read(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
		t.Fatal(err)
	}
	o.SetNamespace("default")
	return o
}

// resource is where an object is written, by the table of kinds.
func resource(t *testing.T, o *unstructured.Unstructured) schema.GroupVersionResource {
	t.Helper()
	gvk := o.GroupVersionKind()
	for _, k := range tenancy.Kinds() {
		if k.Group == gvk.Group && k.Kind == gvk.Kind {
			return schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: k.Resource}
		}
	}
	t.Fatalf("a service may not hold a %s", gvk)
	return schema.GroupVersionResource{}
}
