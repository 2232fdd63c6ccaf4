package reconcile

import (
	"time"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/status"
)

// Meter takes the daemon's measurements; *metrics.Metrics is one.
type Meter interface {
	// Unit notes a unit's status, Gone that there is no such unit any more.
	Unit(u status.Unit)
	Gone(key catalog.UnitKey)
	// Reconciled counts one pass over a unit.
	Reconciled(ok bool, took time.Duration)
	// Drift counts an object that was changed by hand, and what was done about it.
	Drift(environment, action string)
	QueueDepth(cluster string, depth int)
	ClusterReachable(cluster string, reachable bool)
	Fetched(took time.Duration)
	// Revision notes the revision the clusters should be at, and how long its
	// evaluation took.
	Revision(revision, verdict string, took time.Duration)
	// Live notes how long it took from noticing a revision to a unit being at it.
	Live(took time.Duration)
}
