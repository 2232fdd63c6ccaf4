package capacity

import "github.com/fairway-dev/fairway/pkg/catalog"

// What a core and a GiB cost beside each other where only the whole node has a price:
// the default prices of OpenCost, of which only the proportion counts.
const (
	coreWeight = 0.031611
	gibWeight  = 0.004237
)

// HoursPerMonth is how long a month is reckoned to be.
const HoursPerMonth = 730

// Cost is what demands cost an hour by the declared prices of a cluster's nodes: what
// is requested all the time, and what could be at most. A node's price is split
// between its processors and its memory. Where nodes of the class have no price, or the
// cluster declares none, that part costs nothing.
func Cost(c *catalog.Cluster, demands []Demand) (least, most float64) {
	if c == nil || len(demands) == 0 {
		return 0, 0
	}
	rows := map[string]Row{}
	for _, r := range Table(c, nil) {
		rows[r.Class] = r
	}
	for _, d := range demands {
		core, gib := rows[d.Class].rates()
		price := func(a Amount) float64 { return float64(a.CPU)/1000*core + float64(a.Memory)/(1<<30)*gib }
		least, most = least+price(d.Least), most+price(d.Most)
	}
	return least, most
}

// rates are the prices of a core and of a GiB for an hour.
func (r Row) rates() (core, gib float64) {
	cores, memory := float64(r.All.CPU)/1000, float64(r.All.Memory)/(1<<30)
	weight := cores*coreWeight + memory*gibWeight
	if weight == 0 {
		return 0, 0
	}
	return r.Price * coreWeight / weight, r.Price * gibWeight / weight
}
