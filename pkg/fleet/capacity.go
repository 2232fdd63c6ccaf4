package fleet

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/capacity"
)

// ClusterCapacity is what is requested of one cluster's nodes.
type ClusterCapacity struct {
	Cluster string         `json:"cluster"`
	Classes []capacity.Row `json:"classes"`
}

// Capacity holds what is requested against what there is, on the clusters that
// declare their nodes, sorted.
func (f *Fleet) Capacity() []ClusterCapacity {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := []ClusterCapacity{}
	clusters := f.declared.Catalog.Clusters
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		if rows := capacity.Table(clusters[name], f.units.Demand(name)); len(rows) > 0 {
			out = append(out, ClusterCapacity{Cluster: name, Classes: rows})
		}
	}
	return out
}
