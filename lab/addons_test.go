package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

// TestAddons starts a plane with all the add-ons there are, twice on one
// folder, and checks that their kinds are there with the readiness line and
// that their stages are played.
func TestAddons(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"first", "second"} {
		r := start(t, dir, "--addons", "addons")
		config, err := clientcmd.BuildConfigFromFlags("", r.Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		c, err := dynamic.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		scaled := c.Resource(schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}).Namespace("default")
		if _, err := scaled.Create(t.Context(), scaledObject(name), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "scaled object "+name+" becomes ready", func() error {
			o, err := scaled.Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions"); len(conditions) == 0 {
				return fmt.Errorf("no conditions in %v", o.Object)
			}
			return nil
		})
		r.end(t, syscall.SIGTERM)
	}
}

func scaledObject(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "keda.sh/v1alpha1",
		"kind":       "ScaledObject",
		"metadata":   map[string]any{"name": name},
		"spec": map[string]any{
			"scaleTargetRef": map[string]any{"name": "web"},
			"triggers":       []any{map[string]any{"type": "cron", "metadata": map[string]any{"timezone": "UTC"}}},
		},
	}}
}

// TestAddonsThatCannotBe checks that a mistake in an add-on ends the start
// with the name of the file.
func TestAddonsThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}": "only CustomResourceDefinitions and Stages",
		"kind: [": "did not find expected",
		"apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nspec: {tea: 1}": `unknown field "tea"`,
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "broken", "objects.yaml")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(binary(t), "plane", "--dir", t.TempDir(), "--addons", dir).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), file) {
			t.Errorf("add-on %q: %v, %s", text, err, out)
		}
	}
}
