package capacity_test

import (
	"math"
	"testing"

	"github.com/fairway-dev/fairway/pkg/capacity"
)

// TestCost: whoever requests all that the nodes have pays all that they cost, and
// halves pay half; a class pays its own nodes' price.
func TestCost(t *testing.T) {
	c := cluster("warn")
	demand := func(class string, cpu, gib int64) []capacity.Demand {
		a := capacity.Amount{CPU: cpu * 1000, Memory: gib << 30}
		return []capacity.Demand{{Class: class, Least: a, Most: a.Plus(a, 1)}}
	}
	for _, test := range []struct {
		demands     []capacity.Demand
		least, most float64
	}{
		{demand("", 12, 48), 0.6, 1.2},
		{demand("", 6, 24), 0.3, 0.6},
		{demand("gpu", 8, 32), 3, 6},
		{demand("fpga", 8, 32), 0, 0},
		{append(demand("", 12, 48), demand("gpu", 4, 16)...), 2.1, 4.2},
		{nil, 0, 0},
	} {
		least, most := capacity.Cost(c, test.demands)
		if math.Abs(least-test.least) > 1e-9 || math.Abs(most-test.most) > 1e-9 {
			t.Errorf("%v costs %.3f to %.3f, want %.3f to %.3f", test.demands, least, most, test.least, test.most)
		}
	}
	core, _ := capacity.Cost(c, demand("", 1, 0))
	gib, _ := capacity.Cost(c, demand("", 0, 1))
	if core <= gib || gib <= 0 {
		t.Errorf("a core costs %f and a GiB %f an hour", core, gib)
	}
	if least, _ := capacity.Cost(nil, demand("", 1, 1)); least != 0 {
		t.Error("no cluster has a price")
	}
}
