package kube

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube/internal/owned"
	"github.com/fairway-dev/fairway/pkg/object"
)

func web() object.ID { return object.ID{Kind: "ConfigMap", Namespace: "shop", Name: "web"} }

func state(uid, rv string, mark byte) record {
	return record{uid: uid, rv: rv, unit: "prod/eu/web", mark: cluster.Mark{mark}}
}

// world is an index with one watched kind.
func world() (*index, *kindIndex) {
	x := newIndex(newEvents(), time.Now)
	return x, x.kind(groupKind(web()))
}

func told(x *index) string {
	out := ""
	for {
		ev, ok := x.events.next()
		if !ok {
			return out
		}
		out += ev.Kind.String() + ";"
	}
}

// An index is told the same story in every order that a cluster can tell it
// in: the answer to our write and the watch's events race.
func TestAnswerAndWatchRace(t *testing.T) {
	for name, tt := range map[string]struct {
		steps func(x *index, k *kindIndex)
		clean bool
		told  string
	}{
		"answer first": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.applied(web(), state("u", "5", 2))
			x.end(web())
			x.observed(k, web(), state("u", "5", 2), false)
		}, true, ""},
		"watch first": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.observed(k, web(), state("u", "5", 2), false)
			x.applied(web(), state("u", "5", 2))
			x.end(web())
		}, true, ""},
		"late old event": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.applied(web(), state("u", "5", 2))
			x.end(web())
			x.observed(k, web(), state("u", "4", 1), false)
		}, true, ""},
		"drift overtakes the answer": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.observed(k, web(), state("u", "6", 9), false)
			x.applied(web(), state("u", "5", 2))
			x.end(web())
		}, false, "drifted;"},
		"drift after the answer": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.applied(web(), state("u", "5", 2))
			x.end(web())
			x.observed(k, web(), state("u", "6", 9), false)
		}, false, "drifted;"},
		"read in another version": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.applied(web(), state("u", "5", 2))
			x.end(web())
			x.observed(k, web(), state("u", "5", 3), false)
			x.observed(k, web(), state("u", "6", 3), false)
		}, true, ""},
		"old listing after the answer": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.applied(web(), state("u", "5", 2))
			x.end(web())
			x.replaced(groupKind(web()), k, nil, "4", false)
		}, true, ""},
		"old deletion after a new creation": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.applied(web(), state("u2", "9", 2))
			x.end(web())
			x.gone(k, web(), "u", "8")
		}, true, ""},
		"two writes at once": {func(x *index, k *kindIndex) {
			x.begin(web())
			x.begin(web())
			x.applied(web(), state("u", "6", 3))
			x.end(web())
			x.observed(k, web(), state("u", "5", 2), false)
			x.applied(web(), state("u", "5", 2))
			x.end(web())
			x.observed(k, web(), state("u", "6", 3), false)
		}, true, ""},
		"failed write, drift meanwhile": {func(x *index, k *kindIndex) {
			x.applied(web(), state("u", "5", 2))
			x.begin(web())
			x.observed(k, web(), state("u", "6", 9), false)
			x.end(web())
		}, false, "drifted;"},
	} {
		x, k := world()
		tt.steps(x, k)
		r := x.lookup(web())
		if r == nil {
			t.Errorf("%s: the entry is gone", name)
			continue
		}
		if got := told(x); r.isClean() != tt.clean || got != tt.told {
			t.Errorf("%s: clean %v, told %q; want %v, %q", name, r.isClean(), got, tt.clean, tt.told)
		}
	}
}

func TestEventsAreJoined(t *testing.T) {
	e := newEvents()
	for range 1000 {
		e.add(Event{ID: web(), Kind: HealthChanged})
	}
	e.add(Event{ID: web(), Kind: Drifted})
	e.add(Event{ID: web(), Kind: HealthChanged})
	ev, ok := e.next()
	if _, more := e.next(); !ok || more || ev.Kind != Drifted {
		t.Errorf("got %v, %v, more %v; want one event of drift", ev, ok, more)
	}
}

func TestMarksFile(t *testing.T) {
	x, _ := world()
	x.applied(web(), state("u", "5", 2))
	secret := []byte("a secret")
	data := x.encodeMarks("cluster", secret)
	marks, err := decodeMarks(data, "cluster", secret)
	if err != nil || len(marks) != 1 || marks["u"] != (cluster.Mark{2}) {
		t.Errorf("marks read back: got %v, %v", marks, err)
	}
	if _, err := decodeMarks(data, "cluster", []byte("another")); err == nil {
		t.Error("marks of another installation were taken")
	}
	if _, err := decodeMarks(data, "another", secret); err == nil {
		t.Error("marks of another cluster were taken")
	}
	for i := range data {
		bad := append([]byte(nil), data...)
		bad[i] ^= 1
		if _, err := decodeMarks(bad, "cluster", secret); err == nil {
			t.Fatalf("a file with byte %d flipped was taken", i)
		}
		if _, err := decodeMarks(data[:i], "cluster", secret); err == nil {
			t.Fatalf("a file cut off at %d was taken", i)
		}
	}
}

func sample(t testing.TB) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("internal", "owned", "testdata", "deployment.json"))
	if err != nil {
		t.Fatal(err)
	}
	fields, err := object.DecodeFields(raw)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// FuzzRecord: whatever a cluster's object says, a record comes of it.
func FuzzRecord(f *testing.F) {
	raw, err := json.Marshal(sample(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"uid":3,"deletionTimestamp":"x","annotations":{"fairway.dev/digest":"zz"}},"status":7}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"Pod","spec":{"containers":3},"status":{"containerStatuses":"x"}}`))
	f.Add([]byte(`{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","status":{"conditions":[1]},"metadata":null}`))
	var h owned.Hasher
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields, err := object.DecodeFields(raw)
		if err != nil {
			t.Skip()
		}
		recordOf(&h, nil, fields, "")
	})
}

func BenchmarkRecord(b *testing.B) {
	fields := sample(b)
	var h owned.Hasher
	b.ReportAllocs()
	for b.Loop() {
		recordOf(&h, nil, fields, "")
	}
}

// Benchmark30kEntries reports what an entry of the index weighs, all in.
func Benchmark30kEntries(b *testing.B) {
	const n = 30_000
	for b.Loop() {
		before := heap()
		x := newIndex(newEvents(), time.Now)
		gk := schema.GroupKind{Group: "apps", Kind: "Deployment"}
		k := x.kind(gk)
		for i := range n {
			id := object.ID{Group: "apps", Kind: "Deployment", Namespace: fmt.Sprintf("team-%d-prod", i%200), Name: fmt.Sprintf("service-%d-web", i)}
			r := record{
				uid: fmt.Sprintf("%08d-1111-2222-3333-444444444444", i), rv: fmt.Sprint(1_000_000 + i),
				unit: shared(fmt.Sprintf("prod/prod-eu/service-%d", i/6)), commit: shared("0123456789012345678901234567890123456789"),
				health: cluster.Healthy,
			}
			r.clean = cluster.Mark{1}
			r.cleanRV = r.rv
			x.observed(k, id, r, true)
		}
		b.ReportMetric(float64(heap()-before)/n, "B/entry")
		runtime.KeepAlive(x)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
