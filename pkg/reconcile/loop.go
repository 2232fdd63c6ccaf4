package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/metrics"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/render"
	"github.com/fairway-dev/fairway/pkg/secret"
	"github.com/fairway-dev/fairway/pkg/status"
)

// loop keeps one cluster equal to the fleet. Clusters have loops of their own
// and wait for nothing of each other.
type loop struct {
	name    string
	connect func(ctx context.Context) (Live, error)
	lead    func(ctx context.Context) (context.Context, func(), error)
	fleet   *fleet.Fleet
	removal fleet.Removal
	twin    func(ctx context.Context, removed catalog.UnitKey, recorded string) (*plan.Hold, error)
	journal Journal
	ledger  *audit.Ledger
	metrics *metrics.Metrics
	log     *slog.Logger
	now     func() time.Time
	marks   string // file of clean marks
	slots   chan struct{}
	secrets secret.Keyring
	ratchet *ratchet
	noting  time.Duration // how long the record of a revision may wait

	queue *queue
	anew  chan struct{} // asks for the cluster to be joined anew

	mu     sync.Mutex
	live   Live
	up     status.Cluster
	target target
	units  map[catalog.UnitKey]*unitState
	work   sync.WaitGroup

	quarrels quarrels
	census   census
	blurred  map[catalog.UnitKey]bool // whose health was news and could not be seen

	counted map[string]int64 // requests already in the metrics, by verb
	saved   int64            // watch events taken in when the marks were saved last
}

// target is the revision the cluster should be at. The zero target is none yet.
type target struct {
	revision   string
	committed  time.Time
	generation int // of the fleet, when the revision was taken in
	// supersedes are the commits that the cluster's declaration says it replaces,
	// separated by spaces.
	supersedes string
}

// unitState is what the loop keeps of one unit.
type unitState struct {
	want     *render.Unit // nil for a unit that is not declared
	status   status.Unit
	told     status.Unit // the status after the last whole pass: what the log and the journal were told
	applied  cache.Key   // the bundle last brought about, for field differences
	failures int
	cancel   context.CancelFunc // ends the work on it
}

// Journal takes down what happened; *journal.Journal is one.
type Journal = audit.Journal

// run connects, and keeps the cluster equal to the fleet until the context
// ends. A cluster that cannot be reached is tried for ever.
func (l *loop) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		joined, err := l.act(ctx)
		if joined {
			failures = 0
		}
		if ctx.Err() != nil {
			return
		}
		failures++
		l.lost(err)
		select {
		case <-ctx.Done():
		case <-time.After(min(backoff(failures), 15*time.Second)):
		}
	}
}

// act waits until this daemon may act on the cluster, and keeps it equal to the
// fleet for as long as it may.
func (l *loop) act(ctx context.Context) (joined bool, err error) {
	held, release, err := l.lead(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	live, err := l.join(held)
	if err != nil {
		return false, err
	}
	err = l.serve(held, live)
	l.leave(live)
	if err == nil && held.Err() != nil {
		err = errors.New("another daemon acts on this cluster now")
	}
	return true, err
}

// standBy notes that another daemon acts on the cluster.
func (l *loop) standBy(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up.Message = "standing by: " + holder + " acts on this cluster"
	l.log.Info("standing by", "cluster", l.name, "holder", holder)
}

// join connects and learns what the cluster has of ours.
func (l *loop) join(ctx context.Context) (Live, error) {
	live, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	live.SetHealth(l.fleet.Health())
	if err := live.LoadMarks(l.marks); err != nil {
		l.log.Debug("clean marks are not used", "cluster", l.name, "err", err)
	}
	if err := live.LoadInventory(ctx); err != nil {
		live.Close()
		return nil, err
	}
	rec, err := live.LoadRatchet(ctx)
	if err != nil {
		live.Close()
		return nil, err
	}
	l.ratchet.load(rec)
	return live, nil
}

func (l *loop) serve(ctx context.Context, live Live) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.work.Go(func() { l.ratchet.keep(ctx, live, l.noting, l.log) })
	l.mu.Lock()
	if !l.up.Since.IsZero() {
		l.journal.Append(ctx, journal.Record{Time: l.now(), Kind: journal.ClusterBack, Cluster: l.name})
	}
	l.live = live
	l.up = status.Cluster{Name: l.name, Reachable: true, Since: l.now()}
	l.mu.Unlock()
	l.log.Info("cluster joined", "cluster", l.name)
	l.metrics.Cluster(status.Cluster{Name: l.name, Reachable: true})
	l.all()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	broken := make(chan error, 1)
	var timer <-chan time.Time
	for {
		next := l.dispatch(ctx, live)
		timer = nil
		if !next.IsZero() {
			timer = time.After(next.Sub(l.now()))
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			return err
		case <-l.anew:
			return errStopped
		case <-l.queue.signal:
		case <-timer:
		case ev, ok := <-live.Events():
			if !ok {
				return errors.New("watches ended")
			}
			l.event(live, ev)
		case <-ping.C:
			l.sharpen(live)
			if l.quiet(live) {
				continue
			}
			go func() { l.check(ctx, live, broken) }()
		}
	}
}

// pingEvery is how often a cluster whose watches are cut off is asked whether
// it is there.
const pingEvery = 5 * time.Second

// quiet reports whether the watches are whole, so that nothing need be asked.
func (l *loop) quiet(live Live) bool {
	stats := live.Stats()
	l.count(stats.Requests)
	if stats.Events != l.saved {
		l.saved = stats.Events
		if err := live.SaveMarks(l.marks); err != nil {
			l.log.Debug("clean marks are not kept", "cluster", l.name, "err", err)
		}
	}
	return stats.Broken == 0
}

// count adds the requests sent since the last count to the metrics.
func (l *loop) count(requests map[string]int64) {
	sums := map[string]int64{}
	for name, n := range requests {
		verb, _, _ := strings.Cut(name, " ")
		sums[verb] += n
	}
	for verb, n := range sums {
		if n >= l.counted[verb] {
			l.metrics.APIRequests.WithLabelValues(l.name, verb).Add(float64(n - l.counted[verb]))
		}
	}
	l.counted = sums
}

func (l *loop) check(ctx context.Context, live Live, broken chan<- error) {
	limited, cancel := context.WithTimeout(ctx, pingEvery)
	defer cancel()
	if err := live.Ping(limited); err != nil && ctx.Err() == nil { // silence is an answer, too
		select {
		case broken <- err:
		default:
		}
	}
}

// leave lets go of a connection: work in hand ends, and what was clean is noted.
func (l *loop) leave(live Live) {
	l.mu.Lock()
	for _, u := range l.units {
		if u.cancel != nil {
			u.cancel()
		}
	}
	l.mu.Unlock()
	l.work.Wait()
	if err := live.SaveMarks(l.marks); err != nil {
		l.log.Debug("clean marks are not kept", "cluster", l.name, "err", err)
	}
	limited, cancel := context.WithTimeout(context.Background(), pingEvery)
	defer cancel()
	if err := l.ratchet.flush(limited, live); err != nil {
		l.log.Debug("the revision is not recorded", "cluster", l.name, "err", err)
	}
	live.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live = nil
	for _, u := range l.units { // what answers next may be another cluster
		u.status.Sync, u.status.Reason, u.status.Hint = status.Unknown, "NotComparedYet", ""
		u.status.Message = "it was not compared since the cluster was lost"
	}
}

func (l *loop) lost(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up.Reachable || l.up.Since.IsZero() {
		l.up = status.Cluster{Name: l.name, Since: l.now()}
		l.log.Error("cluster lost", "cluster", l.name, "err", err)
		l.journal.Append(context.Background(), journal.Record{Time: l.now(), Kind: journal.ClusterLost, Cluster: l.name, Message: err.Error()})
	}
	l.up.Message = err.Error()
	l.metrics.Cluster(l.up)
}

// all wants every unit looked at: those declared, and those that own anything.
func (l *loop) all() {
	l.mu.Lock()
	if l.target.revision == "" || l.live == nil {
		l.mu.Unlock()
		return
	}
	var keys []catalog.UnitKey
	for key := range l.units {
		keys = append(keys, key)
	}
	owners, known := l.live.Units().Members()
	for unit := range owners {
		key, err := catalog.ParseUnitKey(unit)
		if err != nil || key.Cluster != l.name {
			l.log.Error("the inventory names a unit of elsewhere", "cluster", l.name, "unit", unit)
			continue
		}
		if l.units[key] == nil {
			l.unit(key)
			keys = append(keys, key)
		}
	}
	l.mu.Unlock()
	if !known {
		l.log.Error("inventory is not known", "cluster", l.name)
	}
	l.queue.add(l.now(), keys...)
}

// unit gives the state of a unit, made if need be. The caller holds mu.
func (l *loop) unit(key catalog.UnitKey) *unitState {
	u := l.units[key]
	if u == nil {
		u = &unitState{status: status.Unit{Unit: key, Sync: status.Unknown, Since: l.now()}}
		l.units[key] = u
	}
	return u
}

// event takes in what a watch saw.
func (l *loop) event(live Live, ev kube.Event) {
	key, err := catalog.ParseUnitKey(ev.Unit)
	if err != nil || key.Cluster != l.name {
		return
	}
	if ev.Kind == kube.HealthChanged {
		l.health(live, key)
		return
	}
	l.queue.add(l.now(), key)
}

// shardOf groups a unit's inventory with that of its team.
func (l *loop) shardOf(key catalog.UnitKey) string {
	if key.OfCluster() {
		return key.Environment + "." + key.Service
	}
	team, ok := key.Team()
	if !ok {
		l.mu.Lock()
		team = l.unit(key).status.Team
		l.mu.Unlock()
	}
	return key.Environment + "." + team
}

func (l *loop) applier(live Live, key catalog.UnitKey, want *render.Unit) *apply.Applier {
	return &apply.Applier{
		Target: &bounded{Target: Acting(live, key, want), slots: l.slots}, Shard: l.shardOf, Secrets: l.secrets,
		Parallel: 4, WaveTimeout: 5 * time.Minute,
	}
}

// bounded lets only so many writes run at a time, whatever units they are for.
type bounded struct {
	apply.Target
	slots chan struct{}
}

func (b *bounded) Apply(ctx context.Context, r cluster.ApplyRequest) (cluster.Applied, error) {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return cluster.Applied{}, ctx.Err()
	}
	defer func() { <-b.slots }()
	return b.Target.Apply(ctx, r)
}
