package render

import (
	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/catalog"
)

// count brings the demand on a unit's cluster up to date.
func (st *State) count(u *Unit, times int64) {
	if u == nil || len(u.demand) == 0 {
		return
	}
	sums := st.demand[u.Key.Cluster]
	if sums == nil {
		sums = capacity.Sums{}
		st.demand[u.Key.Cluster] = sums
	}
	sums.Add(u.demand, times)
	st.crowded[u.Key.Cluster] = true
}

// checkCapacity holds what is requested against what there is, on the clusters
// that changed or on which something else is requested now. It reads no bundle:
// what each unit requests is kept with the unit.
func (st *State) checkCapacity(cat *catalog.Catalog, changed []string) {
	for _, name := range changed {
		st.crowded[name] = true
	}
	for name := range st.crowded {
		what := checked{cluster: name}
		delete(st.checks, what)
		c := cat.Clusters[name]
		if c == nil || c.Broken() {
			continue
		}
		if list := capacity.Check(c, st.demand[name], func() []capacity.Consumer { return st.consumers(name) }); len(list) > 0 {
			st.checks[what] = list
		}
	}
	clear(st.crowded)
}

func (st *State) consumers(cluster string) []capacity.Consumer {
	var out []capacity.Consumer
	for key, u := range st.Units {
		if key.Cluster == cluster && len(u.demand) > 0 {
			out = append(out, capacity.Consumer{Unit: key, Demands: u.demand})
		}
	}
	return out
}

// Demand is what all units of a cluster request together. Units that do not
// evaluate are not in it.
func (st *State) Demand(cluster string) capacity.Sums { return st.demand[cluster] }
