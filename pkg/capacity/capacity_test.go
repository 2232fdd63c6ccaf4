package capacity_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/object"
)

func objects(t testing.TB, texts ...string) []object.Object {
	t.Helper()
	var out []object.Object
	for _, text := range texts {
		o, err := object.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		out = append(out, o)
	}
	return out
}

const pod = `{"spec":{"containers":[{"name":"a","resources":{"requests":{"cpu":"250m","memory":"256Mi"}}}]}}`

func workload(kind, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":%q,"metadata":{"name":"a","namespace":"n"},"spec":{%s}}`, kind, spec)
}

func amount(cpu, mib, pods int64) capacity.Amount {
	return capacity.Amount{CPU: cpu, Memory: mib << 20, Pods: pods}
}

// TestOf reckons workloads one at a time, as 250m and 256Mi a pod.
func TestOf(t *testing.T) {
	deployment := workload("Deployment", `"template":`+pod)
	two := workload("Deployment", `"replicas":2,"template":`+pod)
	none := workload("Deployment", `"replicas":0,"template":`+pod)
	for _, test := range []struct {
		name        string
		texts       []string
		least, most capacity.Amount
	}{
		{"replicas", []string{two}, amount(500, 512, 2), amount(500, 512, 2)},
		{"no replicas are one", []string{deployment}, amount(250, 256, 1), amount(250, 256, 1)},
		{"autoscaler", []string{deployment, workload("HorizontalPodAutoscaler", `"scaleTargetRef":{"kind":"Deployment","name":"a"},"minReplicas":2,"maxReplicas":8`)}, amount(500, 512, 2), amount(2000, 2048, 8)},
		{"another's autoscaler", []string{two, workload("HorizontalPodAutoscaler", `"scaleTargetRef":{"kind":"StatefulSet","name":"a"},"maxReplicas":8`)}, amount(500, 512, 2), amount(500, 512, 2)},
		{"events", []string{deployment, workload("ScaledObject", `"scaleTargetRef":{"name":"a"},"maxReplicaCount":4`)}, amount(0, 0, 0), amount(1000, 1024, 4)},
		{"asleep", []string{none, workload("HorizontalPodAutoscaler", `"scaleTargetRef":{"kind":"Deployment","name":"a"},"minReplicas":2,"maxReplicas":8`)}, amount(0, 0, 0), amount(0, 0, 0)},
		{"stateful", []string{workload("StatefulSet", `"replicas":3,"template":`+pod)}, amount(750, 768, 3), amount(750, 768, 3)},
		{"job", []string{workload("Job", `"parallelism":2,"template":`+pod)}, amount(0, 0, 0), amount(500, 512, 2)},
		{"cron", []string{workload("CronJob", `"jobTemplate":{"spec":{"template":`+pod+`}}`)}, amount(0, 0, 0), amount(250, 256, 1)},
		{"suspended cron", []string{workload("CronJob", `"suspend":true,"jobTemplate":{"spec":{"template":`+pod+`}}`)}, amount(0, 0, 0), amount(0, 0, 0)},
		{"limits stand for requests", []string{workload("Deployment", `"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]}}`)}, amount(1000, 1024, 1), amount(1000, 1024, 1)},
		{"what runs before needs no more", []string{workload("Deployment", `"template":{"spec":{"initContainers":[{"resources":{"requests":{"cpu":"2"}}}],"containers":[{"resources":{"requests":{"cpu":"1"}}}]}}`)}, amount(2000, 0, 1), amount(2000, 0, 1)},
		{"what stays beside does", []string{workload("Deployment", `"template":{"spec":{"initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"2"}}}],"containers":[{"resources":{"requests":{"cpu":"1"}}}]}}`)}, amount(3000, 0, 1), amount(3000, 0, 1)},
		{"nonsense is nothing", []string{workload("Deployment", `"template":{"spec":{"containers":[{"resources":{"requests":{"cpu":"much"}}}, 7]}}`)}, amount(0, 0, 1), amount(0, 0, 1)},
	} {
		got := capacity.Demand{}
		for _, d := range capacity.Of(objects(t, test.texts...)) {
			got = d
		}
		if got.Least != test.least || got.Most != test.most {
			t.Errorf("%s: %v to %v, want %v to %v", test.name, got.Least, got.Most, test.least, test.most)
		}
	}
	special := workload("Deployment", `"template":{"spec":{"nodeSelector":{"fairway.dev/node-class":"gpu"},"containers":[{"resources":{"requests":{"cpu":"1"}}}]}}`)
	if got := capacity.Of(objects(t, special)); len(got) != 1 || got[0].Class != "gpu" {
		t.Errorf("a class of nodes: %v", got)
	}
}

// TestSums adds units and takes them out again in any order: what is left is
// what is added up anew.
func TestSums(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	demand := func() []capacity.Demand {
		class := []string{"", "gpu"}[r.IntN(2)]
		return []capacity.Demand{{Class: class, Least: amount(r.Int64N(9), 1, 1), Most: amount(9, 9, 9)}}
	}
	sums, units := capacity.Sums{}, map[int][]capacity.Demand{}
	for i := range 2000 {
		if key := r.IntN(50); units[key] != nil {
			sums.Add(units[key], -1)
			delete(units, key)
		} else {
			units[key] = demand()
			sums.Add(units[key], 1)
		}
		anew := capacity.Sums{}
		for _, d := range units {
			anew.Add(d, 1)
		}
		if !reflect.DeepEqual(sums, anew) {
			t.Fatalf("after %d steps %v, want %v", i, sums, anew)
		}
	}
}

func cluster(enforce string) *catalog.Cluster {
	return &catalog.Cluster{
		Declared: catalog.Declared{Name: "eu", Source: "platform/clusters/eu/cluster.cue", Data: json.RawMessage(`{}`)},
		Nodes: map[string]catalog.NodePool{
			"general": {CPU: "4", Memory: "16Gi", Count: 3, Price: 0.2},
			"gpu":     {CPU: "8", Memory: "32Gi", Count: 1, Class: "gpu", Price: 3},
		},
		Capacity: catalog.Capacity{Enforce: enforce, Headroom: 25},
	}
}

// TestCheck says which class is short, how much of what, and for whom.
func TestCheck(t *testing.T) {
	use := func(service, class string, least, most int64) capacity.Consumer {
		return capacity.Consumer{
			Unit:    catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: service},
			Demands: []capacity.Demand{{Class: class, Least: amount(least*1000, least*1024, least), Most: amount(most*1000, most*1024, most)}},
		}
	}
	for _, test := range []struct {
		name, enforce string
		uses          []capacity.Consumer
		want          []string
	}{
		{"it fits", "block", []capacity.Consumer{use("a", "", 9, 12), use("b", "gpu", 6, 8)}, nil},
		{"too much", "warn", []capacity.Consumer{use("a", "", 3, 3), use("b", "", 6, 6), use("c", "", 1, 1)},
			[]string{"warning: nodes: what services on eu request all the time is 10 cores and 10 GiB, and 9 cores and 36 GiB is what they may: 12 cores and 48 GiB less 25 % headroom; most is for prod/eu/b (6 cores and 6 GiB), prod/eu/a (3 cores and 3 GiB), prod/eu/c (1 cores and 1 GiB)"}},
		{"too much, and no", "block", []capacity.Consumer{use("a", "", 10, 10)}, []string{"error: nodes: what"}},
		{"too much under load", "block", []capacity.Consumer{use("a", "", 1, 13)}, []string{"warning: nodes: when all services on eu are scaled as far as they may be they request 13 cores and 13 GiB, and there is 12 cores and 48 GiB; most is for prod/eu/a"}},
		{"too much of a class", "warn", []capacity.Consumer{use("a", "gpu", 7, 7)}, []string{`warning: nodes of class "gpu": what`}},
		{"no such class", "block", []capacity.Consumer{use("a", "fpga", 1, 1)}, []string{`error: nodes: there is no pool of class "fpga": what services`}},
	} {
		sums := capacity.Sums{}
		for _, c := range test.uses {
			sums.Add(c.Demands, 1)
		}
		var got []string
		for _, d := range capacity.Check(cluster(test.enforce), sums, func() []capacity.Consumer { return test.uses }) {
			got = append(got, string(d.Severity)+": "+d.Message)
		}
		if len(got) != len(test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], test.want[i]) {
				t.Errorf("%s: got %q, want %q", test.name, got[i], test.want[i])
			}
		}
	}
	bare := cluster("block")
	bare.Nodes = nil
	if list := capacity.Check(bare, capacity.Sums{"": {Least: amount(1e9, 1, 1)}}, nil); len(list) > 0 {
		t.Errorf("a cluster that declares no nodes: %v", list)
	}
}
