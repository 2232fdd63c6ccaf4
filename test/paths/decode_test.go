package paths_test

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/object"
)

// misread says what Kubernetes' own types cannot read of an object: a field they do
// not have, or another type. Kinds of add-ons have no type here and are not asked
// about; known tells which they are not.
func misread(o object.Object) (fault error, known bool) {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.ID.Kind)
	if !scheme.Scheme.IsGroupRegistered(gvk.Group) {
		return nil, false
	}
	codecs := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict)
	_, _, err := codecs.UniversalDeserializer().Decode(o.Body, nil, nil)
	return err, true
}

// readAll fails the test for each object that cannot be read, by its name.
func readAll(t *testing.T, objects []object.Object) (known int) {
	t.Helper()
	for _, o := range objects {
		err, is := misread(o)
		if is {
			known++
		}
		if err != nil {
			t.Errorf("%s: %v", o.ID, err)
		}
	}
	return known
}

// TestCompanyDecodes reads every object of the example company, without a cluster,
// as strictly as it can be read. What is kept says so.
func TestCompanyDecodes(t *testing.T) {
	pool := eval.NewPool("", 2)
	defer pool.Close()
	bundles := example(t, pool)
	objects, known := 0, 0
	for _, b := range bundles {
		objects += len(b.Objects)
		known += readAll(t, b.Objects)
		for _, o := range b.Objects {
			switch o.ID.Kind {
			case "PersistentVolumeClaim", "StatefulSet", "Cluster", "RabbitmqCluster", "ObjectBucketClaim", "BucketClaim", "RedisClaim":
				if locked := object.Locked(o.Fields()); !locked && (!object.Protected(o.ID) || o.ID.Kind == "PersistentVolumeClaim") {
					t.Errorf("%s holds data and is not locked", o.ID)
				}
			}
		}
	}
	if known == 0 || known > objects {
		t.Errorf("%d of %d objects are of kinds that are known", known, objects)
	}
	t.Logf("%d units, %d objects, %d of them of Kubernetes' own kinds", len(bundles), objects, known)
}

// TestMisread is that the reading notices: what is not known, and what is of
// another type, by its name.
func TestMisread(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"unknown field", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"b"},"spec":{"replica":2}}`, `unknown field "spec.replica"`},
		{"field of another case", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"b"},"spec":{"Replicas":2}}`, `unknown field "spec.Replicas"`},
		{"deep inside", `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"a","namespace":"b"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"a","env":{}}]}}}}}}`, "env of type []v1.EnvVar"},
		{"another type", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"b"},"spec":{"replicas":"2"}}`, "spec.replicas of type int32"},
		{"unknown kind of a known group", `{"apiVersion":"apps/v1","kind":"Deploiment","metadata":{"name":"a","namespace":"b"}}`, `no kind "Deploiment"`},
		{"unknown version", `{"apiVersion":"apps/v9","kind":"Deployment","metadata":{"name":"a","namespace":"b"}}`, `no kind "Deployment"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, err := object.Parse([]byte(test.body))
			if err != nil {
				t.Fatal(err)
			}
			fault, known := misread(o)
			if !known || fault == nil || !strings.Contains(fault.Error(), test.want) {
				t.Errorf("got %v, known %v; want it to say %s", fault, known, test.want)
			}
		})
	}
}

// unit is one unit of the example company with its objects.
type unit struct {
	Name, Cluster, Namespace string
	Team                     bool
	Objects                  []object.Object
}

// example renders the example company of this repository.
func example(t *testing.T, pool *eval.Pool) []unit {
	t.Helper()
	tree := opened(t, "../..")
	fleet := fleet.New(&eval.Evaluator{Pool: pool, Engine: "test"})
	if _, err := fleet.Advance(context.Background(), tree, nil); err != nil {
		t.Fatal(err)
	}
	if diags := fleet.Diags(); diags.Errors() {
		t.Fatal(said(t, tree, diags))
	}
	var out []unit
	for _, u := range fleet.Units("") {
		b, err := fleet.Bundle(context.Background(), u)
		if err != nil {
			t.Fatal(err)
		}
		_, isTeam := u.Key.Team()
		out = append(out, unit{Name: u.Key.String(), Cluster: u.Key.Cluster, Namespace: u.Namespace(), Team: isTeam, Objects: b.Objects})
	}
	return out
}
