package reconcile

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/metrics"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/status"
)

// dim is a cluster of which nothing can be seen while a watch is cut off.
type dim struct {
	Live
	cut    bool
	health cluster.HealthStatus
}

func (d *dim) Inventory(string) object.Set[object.ID, cluster.Owned] {
	return object.Known(map[object.ID]cluster.Owned{{Kind: "Deployment", Name: "cart"}: {}})
}

func (d *dim) Observe(ids []object.ID) object.Set[object.ID, cluster.Entry] {
	if d.cut {
		return object.Unknown[object.ID, cluster.Entry](errors.New("the watch of Ingress is cut off"))
	}
	return object.Known(map[object.ID]cluster.Entry{ids[0]: {Health: d.health}})
}

// TestHealthIsLookedAtAgain: news of a unit's health that comes while the index cannot say
// all of it is not lost: it is told once the index can, and then not looked for any more.
func TestHealthIsLookedAtAgain(t *testing.T) {
	key := catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: "cart"}
	l := &loop{units: map[catalog.UnitKey]*unitState{key: {status: status.Unit{Sync: status.Synced, Health: cluster.Progressing}}}, metrics: metrics.New(prometheus.NewRegistry())}
	live := &dim{cut: true, health: cluster.Healthy}
	l.health(live, key)
	l.sharpen(live)
	if got := l.units[key].status.Health; got != cluster.Progressing {
		t.Errorf("what cannot be seen is %s", got)
	}
	live.cut = false
	l.sharpen(live)
	if got := l.units[key].status.Health; got != cluster.Healthy || len(l.blurred) > 0 {
		t.Errorf("once it can be seen it is %s, and %d are looked for", got, len(l.blurred))
	}
}
