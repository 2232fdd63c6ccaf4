package capacity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
)

// Sums are what all units of a cluster request together, by class of nodes.
type Sums map[string]Demand

// Add adds a unit's demands so many times; -1 takes them out again.
func (s Sums) Add(demands []Demand, times int64) {
	for _, d := range demands {
		sum := s[d.Class]
		sum.Class = d.Class
		sum.Least, sum.Most = sum.Least.Plus(d.Least, times), sum.Most.Plus(d.Most, times)
		if s[d.Class] = sum; sum.Least == (Amount{}) && sum.Most == (Amount{}) {
			delete(s, d.Class)
		}
	}
}

// Row is one class of a cluster's nodes, and what is requested of it.
type Row struct {
	Class string `json:"class,omitempty"`
	// Pools are the names of the pools.
	Pools []string `json:"pools"`
	Nodes int      `json:"nodes"`
	// All is what the nodes have, Room what of it services may request. Pods are not
	// counted in either.
	All  Amount `json:"all"`
	Room Amount `json:"room"`
	// Least and Most are what is requested.
	Least Amount `json:"least"`
	Most  Amount `json:"most"`
	// Price is what the nodes cost an hour.
	Price float64 `json:"price"`
}

// Over reports whether more is requested all the time than may be.
func (r Row) Over() bool { return exceeds(r.Least, r.Room) }

// Strained reports whether more could be requested than there is.
func (r Row) Strained() bool { return exceeds(r.Most, r.All) }

func exceeds(a, b Amount) bool { return a.CPU > b.CPU || a.Memory > b.Memory }

// Table holds what is requested on a cluster against its nodes: a row for each
// class that it has or that is asked for, sorted. A cluster that declares no nodes
// has no rows.
func Table(c *catalog.Cluster, sums Sums) []Row {
	if len(c.Nodes) == 0 {
		return nil
	}
	rows := map[string]*Row{}
	row := func(class string) *Row {
		if rows[class] == nil {
			rows[class] = &Row{Class: class, Pools: []string{}}
		}
		return rows[class]
	}
	for _, name := range slices.Sorted(maps.Keys(c.Nodes)) {
		p := c.Nodes[name]
		r := row(p.Class)
		cpu, memory := quantity(p.CPU), quantity(p.Memory)
		r.Pools, r.Nodes = append(r.Pools, name), r.Nodes+p.Count
		r.All = r.All.Plus(Amount{CPU: cpu.MilliValue(), Memory: memory.Value()}, int64(p.Count))
		r.Price += p.Price * float64(p.Count)
	}
	for class, d := range sums {
		r := row(class)
		r.Least, r.Most = d.Least, d.Most
	}
	var out []Row
	for _, class := range slices.Sorted(maps.Keys(rows)) {
		r := rows[class]
		share := int64(100 - c.Capacity.Headroom)
		r.Room = Amount{CPU: r.All.CPU * share / 100, Memory: r.All.Memory / 100 * share}
		out = append(out, *r)
	}
	return out
}

// Consumer is a unit and what it requests.
type Consumer struct {
	Unit    catalog.UnitKey
	Demands []Demand
}

// Check says where more is requested on a cluster than it has. consumers are the
// units on it, and are asked for only if something is wrong.
func Check(c *catalog.Cluster, sums Sums, consumers func() []Consumer) diag.List {
	var list diag.List
	for _, r := range Table(c, sums) {
		d := diag.Diag{
			Code: "capacity", Severity: diag.Warning, Pos: c.At("nodes"), Subject: diag.Subject{Cluster: c.Name},
			Hint: "add nodes or take some of it elsewhere; reconciler capacity shows all of it",
		}
		switch {
		case r.Over():
			d.Message = fmt.Sprintf("%s: what services on %s request all the time is %s, and %s is what they may: %s less %d %% headroom",
				where(r), c.Name, r.Least, r.Room, r.All, c.Capacity.Headroom)
			if c.Capacity.Enforce == "block" {
				d.Severity = diag.Error
			}
		case r.Strained():
			d.Message = fmt.Sprintf("%s: when all services on %s are scaled as far as they may be they request %s, and there is %s", where(r), c.Name, r.Most, r.All)
		default:
			continue
		}
		if most := largest(r, consumers()); most != "" {
			d.Message += "; most is for " + most
		}
		list = append(list, d)
	}
	return list
}

func where(r Row) string {
	switch {
	case r.Class == "":
		return "nodes"
	case len(r.Pools) == 0:
		return fmt.Sprintf("nodes: there is no pool of class %q", r.Class)
	}
	return fmt.Sprintf("nodes of class %q", r.Class)
}

// named is how many consumers a message names.
const named = 3

// largest names the units that request most of what is short.
func largest(r Row, all []Consumer) string {
	type share struct {
		unit   catalog.UnitKey
		amount Amount
	}
	short, have := r.Most, r.All
	if r.Over() {
		short, have = r.Least, r.Room
	}
	memory := short.CPU <= have.CPU
	size := func(a Amount) int64 {
		if memory {
			return a.Memory
		}
		return a.CPU
	}
	var shares []share
	for _, c := range all {
		for _, d := range c.Demands {
			a := d.Most
			if r.Over() {
				a = d.Least
			}
			if d.Class == r.Class && size(a) > 0 {
				shares = append(shares, share{c.Unit, a})
			}
		}
	}
	slices.SortFunc(shares, func(a, b share) int {
		return cmp.Or(cmp.Compare(size(b.amount), size(a.amount)), cmp.Compare(a.unit.String(), b.unit.String()))
	})
	var out []string
	for _, s := range shares[:min(len(shares), named)] {
		out = append(out, fmt.Sprintf("%s (%s)", s.unit, s.amount))
	}
	return strings.Join(out, ", ")
}

// String writes an amount as people say it. Example: "12.5 cores and 24 GiB".
func (a Amount) String() string { return a.Cores() + " cores and " + a.GiB() + " GiB" }

// Cores is the processor time in cores.
func (a Amount) Cores() string { return short(float64(a.CPU) / 1000) }

// GiB is the memory in gibibytes.
func (a Amount) GiB() string { return short(float64(a.Memory) / (1 << 30)) }

func short(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}
