package kube_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/health"
	"github.com/fairway-dev/fairway/pkg/object"
)

func sprocketRules(t *testing.T, good string) *health.Rules {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"group": "example.com", "kind": "Sprocket", "rules": []any{
		map[string]any{"status": "Degraded", "when": `object.status.phase == "Broken"`, "message": `object.status.why`},
		map[string]any{"status": "Healthy", "when": fmt.Sprintf("object.status.phase == %q", good)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := health.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testHealthRules: the health of a kind follows its status by the platform's rules,
// and follows the rules; rules that are as they were cost no request.
func testHealthRules(t *testing.T, b *bench) {
	def, err := object.Parse([]byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"sprockets.example.com"},
		"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"sprockets","kind":"Sprocket","listKind":"SprocketList","singular":"sprocket"},
		"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	b.apply(t, def)
	kind := kube.Kind{Group: "example.com", Version: "v1", Kind: "Sprocket"}
	deadline := time.Now().Add(20 * time.Second)
	for err = b.Ensure(b.ctx(t), []kube.Kind{kind}); errors.Is(err, cluster.ErrNoKind) && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
		err = b.Ensure(b.ctx(t), []kube.Kind{kind})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.SetHealth([]*health.Rules{sprocketRules(t, "Running")})
	s := b.thing(t, "example.com/v1", "Sprocket", "s", `"spec":{"size":3}`)
	b.apply(t, s)
	report := func(status string) {
		t.Helper()
		body := []byte(fmt.Sprintf(`{"status":%s}`, status))
		path := "/apis/example.com/v1/namespaces/" + b.ns + "/sprockets/s/status"
		if err := b.admin.AppsV1().RESTClient().Patch(types.MergePatchType).AbsPath(path).Body(body).Do(t.Context()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want cluster.HealthStatus, message string) {
		t.Helper()
		var e cluster.Entry
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			var ok bool
			if e, ok = entry(t, b.Cluster, s.ID); ok && e.Health == want && e.Message == message {
				return
			}
		}
		t.Fatalf("got %s %q, want %s %q", e.Health, e.Message, want, message)
	}
	is(cluster.Progressing, health.Waiting)
	report(`{"phase":"Broken","why":"the chain came off"}`)
	is(cluster.Degraded, "the chain came off")
	report(`{"phase":"Running"}`)
	is(cluster.Healthy, "")

	before := b.Requests()
	b.SetHealth([]*health.Rules{sprocketRules(t, "Running")})
	report(`{"phase":"Broken","why":"the chain came off"}`)
	is(cluster.Degraded, "the chain came off") // what SetHealth had asked for was asked for before this came
	report(`{"phase":"Running"}`)
	is(cluster.Healthy, "")
	if after := b.Requests(); !maps.Equal(before, after) {
		t.Errorf("the same rules cost requests: %v, then %v", before, after)
	}
	b.SetHealth([]*health.Rules{sprocketRules(t, "Turning")})
	is(cluster.Progressing, health.Waiting)
	report(`{"phase":"Turning"}`)
	is(cluster.Healthy, "")
	b.SetHealth(nil)
	is(cluster.HealthUnknown, "")
	if e, ok := entry(t, b.Cluster, s.ID); !ok || !e.Clean {
		t.Errorf("judging anew took the object for changed: %+v", e)
	}
}
