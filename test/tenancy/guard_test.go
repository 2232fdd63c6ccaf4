package tenancy_test

import (
	"testing"

	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

// leastEscapes is how many there have to be at least.
const leastEscapes = 300

// parsed is everything that is allowed, as one unit.
func parsed(t testing.TB) []object.Object {
	t.Helper()
	var out []object.Object
	for _, f := range allowed(t) {
		o, err := object.Parse(encoded(t, f))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// What is allowed is allowed: a guard that refuses everything guards nothing.
func TestGuardLetsThrough(t *testing.T) {
	objects := parsed(t)
	for _, f := range tenancy.Check(scope(), objects) {
		t.Errorf("refused: %s", f)
	}
	have := map[tenancy.Kind]bool{}
	for _, o := range objects {
		have[tenancy.Kind{Group: o.ID.Group, Kind: o.ID.Kind}] = true
	}
	for _, k := range tenancy.Kinds() {
		if !have[tenancy.Kind{Group: k.Group, Kind: k.Kind}] {
			t.Errorf("testdata/allowed.yaml has no %s of %q", k.Kind, k.Group)
		}
	}
}

// TestGuardRefuses is the first layer by itself: no cluster is asked.
func TestGuardRefuses(t *testing.T) {
	all := corpus(t)
	if len(all) < leastEscapes {
		t.Errorf("there are %d escapes; want at least %d", len(all), leastEscapes)
	}
	account, err := object.Parse([]byte(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"checkout","namespace":"shop-prod",
		"labels":{"app.kubernetes.io/managed-by":"fairway"},"annotations":{"fairway.dev/unit":"prod/local/checkout"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		o, err := object.Parse(e.body)
		if err != nil {
			continue // it is refused before anything looks at it
		}
		objects := []object.Object{o}
		if o.ID != account.ID {
			objects = append(objects, account)
		}
		if faults := tenancy.Check(scope(), objects); len(faults) == 0 {
			t.Errorf("%s: let through", e.name)
		}
	}
	t.Logf("%d escapes", len(all))
}

// BenchmarkGuard is one look at a unit with one object of each kind, which is
// taken before each plan.
func BenchmarkGuard(b *testing.B) {
	objects := parsed(b)
	b.ReportMetric(float64(len(objects)), "objects")
	for b.Loop() {
		if faults := tenancy.Check(scope(), objects); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}
