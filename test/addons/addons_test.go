// Package addons_test holds what golden paths render for add-ons against the
// add-ons' own definitions where they can be had, and the lab's stand-ins for them.
package addons_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/test/addons/definitions"
	"github.com/fairway-dev/fairway/test/labtest"
)

// TestRoutes holds every route that is wanted of golden paths against the real
// definitions of the Gateway API: the standard channel takes all of them but those
// of clusters that have the experimental one, which takes these too.
func TestRoutes(t *testing.T) {
	plane := labtest.Start(t, labtest.Options{Name: "routes", Addons: t.TempDir()})
	asker, taken := plane.Asker(t), 0
	for _, channel := range []string{"standard", "experimental"} {
		definitions.Install(t, plane, "gateway-api", definitions.Routes(channel)...)
		for name, o := range goldens(t, "HTTPRoute", "GRPCRoute") {
			wanted := channel == "experimental" || !strings.Contains(name, "experimental/")
			err := asker.Ask(t.Context(), o)
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

// TestShipped holds every object that is wanted of a golden path or of a cluster's
// baseline against the definition that its add-on ships.
func TestShipped(t *testing.T) {
	plane := labtest.Start(t, labtest.Options{Name: "shipped", Addons: t.TempDir()})
	asker, shipped := plane.Asker(t), definitions.Shipped()
	for _, addon := range slices.Sorted(maps.Keys(shipped)) {
		kinds, tried := definitions.Install(t, plane, addon, shipped[addon]...), 0
		for name, o := range goldens(t) {
			if !slices.Contains(kinds, o.ID.Kind+"."+o.ID.Group) {
				continue
			}
			tried++
			if err := asker.Ask(t.Context(), o); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if tried == 0 {
			t.Errorf("nothing wants anything of %s", addon)
		}
		t.Logf("%s: %d objects", addon, tried)
	}
	for _, text := range asker.Warned() {
		t.Errorf("the server warns: %s", text)
	}
}

// TestStages holds that the lab plays what would answer in a cluster.
func TestStages(t *testing.T) {
	asker := labtest.Start(t, labtest.Options{Name: "stages"}).Asker(t)
	for kind, field := range map[string]string{
		"HTTPRoute": "parents", "GRPCRoute": "parents", "BackendTrafficPolicy": "ancestors",
		"Certificate": "conditions", "CiliumNetworkPolicy": "conditions",
	} {
		for name, o := range goldens(t, kind) {
			if err := asker.Apply(t.Context(), o); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			answered := false
			for range 300 {
				live, err := asker.Get(t.Context(), o)
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

// goldens gives the objects that are wanted of golden paths and baselines, all of
// them or those of some kinds.
func goldens(t *testing.T, kinds ...string) map[string]object.Object {
	t.Helper()
	var files []string
	for _, of := range []string{"paths", "baseline"} {
		found, err := filepath.Glob("../../platform/" + of + "/*/testdata/*.txtar")
		if err != nil || len(found) == 0 {
			t.Fatalf("there are no cases of %s: %v", of, err)
		}
		files = append(files, found...)
	}
	out := map[string]object.Object{}
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
				if o, ok := read(t, document); ok && (len(kinds) == 0 || slices.Contains(kinds, o.ID.Kind)) {
					out[strings.TrimPrefix(file, "../../platform/")+" "+f.Name+" "+o.ID.String()] = o
				}
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no case wants a %v", kinds)
	}
	return out
}

// read reads one document, and puts it where a fresh server has room for it; false for
// what is no object.
func read(t *testing.T, document string) (object.Object, bool) {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil || u.GetKind() == "" {
		return object.Object{}, false
	}
	if u.GetNamespace() != "" {
		u.SetNamespace("default")
	}
	body, err := u.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	o, err := object.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return o, true
}
