// Package reconcile is the loop: when, in what order, how often. It follows a
// branch, brings the fleet from revision to revision, and has one loop a
// cluster that keeps it equal to the fleet.
//
// The spine in one sentence: a revision is evaluated to a catalog, rendered to
// bundles, compared with what is live to make a plan, and applied, giving a
// result that is written in the journal. Nothing else in the house knows this order.
package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/metrics"
	"github.com/fairway-dev/fairway/pkg/secret"
	"github.com/fairway-dev/fairway/pkg/signature"
	"github.com/fairway-dev/fairway/pkg/status"
)

// Options are what a daemon is made of.
type Options struct {
	// Store is the copy of the remote. Renew makes it anew, empty, after it
	// turned out to be damaged; nil leaves a damaged one as it is.
	Store     *git.Store
	Renew     func() (*git.Store, error)
	Remote    git.Remote
	Evaluator *eval.Evaluator
	// Connect reaches a cluster by its name and its declared connection. No
	// request that changes anything may leave while guard gives an error.
	Connect func(ctx context.Context, name, connection string, guard func() error) (Live, error)
	// Lead waits until this daemon may act on a cluster; what it gives ends when
	// it may no longer, and is released when nothing is written any more. Nil
	// acts at once: there is no other daemon.
	Lead    func(ctx context.Context, name, connection string, standingBy func(holder string)) (context.Context, func(), error)
	Journal Journal
	// Ledger takes down every change before it is sent; made from Journal if nil.
	// What Connect gives should have the same one.
	Ledger  *audit.Ledger
	Metrics *metrics.Metrics
	Log     *slog.Logger
	// DataDir holds caches; losing it changes nothing in any cluster.
	DataDir string
	// Previews are made of pull requests; nil for none. Who changes them wakes the daemon.
	Previews Previews
	// Secrets opens the encrypted files beside services.
	Secrets secret.Keyring
	// Poll is how often Git is asked; Wake asks at once.
	Poll time.Duration
	// Parallel bounds the writes to one cluster that run at a time.
	Parallel int
	// Signers is the signing policy, instead of what Git declares; nil goes by Git.
	Signers *signature.Policy
	// Note is how long a cluster may have been brought to a revision before it has
	// that recorded; 10 s if zero.
	Note time.Duration
	Now  func() time.Time
}

// Daemon follows a branch and keeps clusters equal to it.
type Daemon struct {
	opts   Options
	fleet  *fleet.Fleet
	wake   chan struct{}
	again  unsettled // used by Run alone
	seen   git.Hash  // the newest revision that was told of; used by Run alone
	fence  fence
	trust  *trust
	merges Merges // nil: nobody is asked

	mu      sync.Mutex
	store   *git.Store
	source  status.Source
	current git.Revision
	// previewed is the version of the previews that the fleet has.
	previewed int
	withheld  *withheld
	barred    map[git.Hash]Judgement // commits of which units wait for approval
	loops     map[string]*loop
	ends      map[string]context.CancelFunc
	running   sync.WaitGroup
}

// New makes a daemon that does nothing yet.
func New(o Options) *Daemon {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ledger == nil {
		o.Ledger = audit.New(o.Journal, o.Now)
	}
	o.Poll = cmp.Or(o.Poll, 30*time.Second)
	o.Parallel = cmp.Or(o.Parallel, 8)
	o.Note = cmp.Or(o.Note, 10*time.Second)
	d := &Daemon{
		opts: o, store: o.Store, fleet: fleet.New(o.Evaluator), wake: make(chan struct{}, 1),
		loops: map[string]*loop{}, ends: map[string]context.CancelFunc{},
		source: status.Source{URL: o.Remote.URL, Branch: o.Remote.Branch},
	}
	d.fleet.Now = o.Now
	d.trust = &trust{evaluator: o.Evaluator, pinned: o.Signers, store: d.copy, now: o.Now}
	return d
}

// Run works until the context ends, and returns when everything in hand has ended.
func (d *Daemon) Run(ctx context.Context) {
	d.opts.Journal.Append(context.Background(), journal.Record{Time: d.opts.Now(), Kind: journal.Started})
	d.running.Go(func() { d.fence.run(ctx, d.woke) })
	d.resume(ctx)
	for failures := 0; ctx.Err() == nil; {
		wait := d.opts.Poll
		naps := d.fence.seen()
		err := d.pull(ctx)
		d.fence.lower(naps) // where Git cannot be read, the cluster's own records say what is newer
		if err != nil {
			d.renew(err)
			failures++
			wait = min(backoff(failures), d.opts.Poll)
			d.troubled(err)
		} else {
			failures = 0
		}
		if err := errors.Join(d.turn(ctx), d.preview(ctx), d.reconsider(ctx)); err != nil {
			d.troubled(err)
		}
		d.mark()
		d.rest(ctx, wait)
	}
	d.running.Wait()
	d.opts.Journal.Append(context.Background(), journal.Record{Time: d.opts.Now(), Kind: journal.Stopped})
}

// copy is the store that is used at present.
func (d *Daemon) copy() *git.Store {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.store
}

// Store is the copy of the repository at present.
func (d *Daemon) Store() *git.Store { return d.copy() }

// Current is the revision in force; false until there is one.
func (d *Daemon) Current() (git.Revision, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current, !d.current.Commit.IsZero()
}

// renew makes a damaged store anew: it is a cache of its remote, and what was
// read from it before stays good.
func (d *Daemon) renew(err error) {
	if d.opts.Renew == nil || !errors.Is(err, git.ErrCorrupt) {
		return
	}
	store, err := d.opts.Renew()
	if err != nil {
		d.opts.Log.Error("renew the Git store", "err", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.store = store
}

// Wake asks for a look at Git now. Many wakes before that look are one.
func (d *Daemon) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// woke has everything looked at anew after the process was stopped for a while.
func (d *Daemon) woke() {
	d.opts.Log.Error("the daemon was stopped for a while; clusters are joined anew")
	for _, l := range d.loopList() {
		select {
		case l.anew <- struct{}{}:
		default:
		}
	}
	d.Wake()
}

// resume starts from the last revision the store has, so that a restart needs
// neither the Git server nor an evaluation to keep the clusters as they should be.
func (d *Daemon) resume(ctx context.Context) {
	rev, err := d.copy().Resolve(d.opts.Remote.Branch)
	if err != nil {
		return // nothing was fetched yet
	}
	if err := d.advance(ctx, rev); err != nil {
		d.troubled(err)
	}
}

// pull asks Git for the branch and adopts what is new.
func (d *Daemon) pull(ctx context.Context) error {
	start := d.opts.Now()
	rev, err := d.copy().FetchJudged(ctx, d.opts.Remote, d.judge)
	d.opts.Metrics.GitFetch.Observe(d.opts.Now().Sub(start).Seconds())
	switch {
	case errors.Is(err, git.ErrRewound), errors.Is(err, git.ErrRefused):
		return d.withhold(ctx, rev, err)
	case err != nil:
		return err
	}
	return d.follow(ctx, rev)
}

func (d *Daemon) troubled(err error) {
	d.mu.Lock()
	again := d.source.Message == err.Error()
	d.source.Message = err.Error()
	d.mu.Unlock()
	if !again {
		d.opts.Log.Error("source", "err", err)
	}
}

// adopt makes a revision the one the clusters should be at.
func (d *Daemon) adopt(ctx context.Context, rev git.Revision) error {
	start := d.opts.Now()
	tree, err := d.copy().Tree(rev.Commit)
	if err != nil {
		return err
	}
	bad, err := tree.Check(git.Limits{})
	if err != nil {
		return fmt.Errorf("revision %s: %w", rev.Commit, err)
	}
	if len(bad) > 0 {
		return fmt.Errorf("revision %s is refused: %d names can be mistaken for others, such as %s", rev.Commit, len(bad), bad[0])
	}
	d.fleet.On(d.today())
	version := d.besides()
	change, err := d.fleet.Advance(ctx, tree, fleet.Before(d.copy(), rev.Commit))
	if err != nil {
		return fmt.Errorf("revision %s: %w", rev.Commit, err)
	}
	took := d.opts.Now().Sub(start)
	d.mu.Lock()
	d.current, d.previewed = rev, version
	d.mu.Unlock()
	d.startLoops(ctx)
	clusters := d.fleet.Catalog().Clusters
	for _, l := range d.loopList() {
		t := target{revision: rev.Commit.String(), committed: rev.Time, generation: change.Generation}
		if c := clusters[l.name]; c != nil {
			t.supersedes = strings.Join(c.Supersedes, " ")
		}
		l.revise(ctx, t, change.Changed, change.Removed)
	}
	d.announce(rev, change, took)
	return nil
}

// today is the day policies are decided on: the only thing they know of time.
func (d *Daemon) today() string { return d.opts.Now().UTC().Format(time.DateOnly) }

// announce says what a revision is, after the clusters have been told.
func (d *Daemon) announce(rev git.Revision, change fleet.Change, took time.Duration) {
	d.slept(change, rev.Commit.String())
	verdict := d.fleet.Verdict().Short()
	diags := d.fleet.Diags()
	mistakes, _ := diags.Count()
	d.mu.Lock()
	d.source.Revision, d.source.Subject = rev.Commit.String(), rev.Subject
	d.source.Verdict, d.source.Errors, d.source.Message = verdict, mistakes, ""
	d.source.Phases = map[string]string{}
	for name, phase := range d.fleet.Phases() {
		d.source.Phases[name] = phase.String()
	}
	source := d.source
	d.mu.Unlock()
	d.opts.Metrics.Source(source)
	d.opts.Metrics.RenderMisses.Add(float64(change.Evaluations))
	d.opts.Metrics.RenderHits.Add(float64(change.Looked - change.Evaluations))
	d.opts.Metrics.ReconcileDuration.WithLabelValues("evaluate").Observe(took.Seconds())
	d.opts.Log.Info("revision evaluated", "rev", rev.Commit.String(), "verdict", verdict, "errors", mistakes,
		"evaluations", change.Declarations+change.Evaluations, "changed", len(change.Changed), "removed", len(change.Removed), "took", took)
	d.opts.Journal.Append(context.Background(), journal.Record{
		Time: d.opts.Now(), Kind: journal.Evaluated, Revision: rev.Commit.String(), Actor: rev.Author,
		Message: fmt.Sprintf("verdict %s, %d errors, %d units changed, %d removed", verdict, mistakes, len(change.Changed), len(change.Removed)),
	})
}

// startLoops starts a loop for every cluster that is declared. A cluster that
// is not declared any more keeps its loop until the daemon ends, so that what
// is removed from it goes.
func (d *Daemon) startLoops(ctx context.Context) {
	cat := d.fleet.Catalog()
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, c := range cat.Clusters {
		if d.loops[name] != nil || c.Broken() {
			continue
		}
		connection := c.Connection
		l := &loop{
			name: name, fleet: d.fleet, removal: d.removal, twin: d.twin, metrics: d.opts.Metrics,
			journal: d.opts.Journal, ledger: d.opts.Ledger,
			log: d.opts.Log, now: d.opts.Now, marks: filepath.Join(d.opts.DataDir, "marks-"+name),
			anew: make(chan struct{}, 1), secrets: d.opts.Secrets,
			slots: make(chan struct{}, d.opts.Parallel), queue: newQueue(), noting: d.opts.Note, ratchet: d.ratchet(name), units: map[catalog.UnitKey]*unitState{},
			connect: func(ctx context.Context) (Live, error) { return d.opts.Connect(ctx, name, connection, d.fence.check) },
		}
		l.lead = func(ctx context.Context) (context.Context, func(), error) {
			if d.opts.Lead == nil {
				return ctx, func() {}, nil
			}
			return d.opts.Lead(ctx, name, connection, l.standBy)
		}
		d.loops[name] = l
		d.running.Go(func() { l.run(ctx) })
	}
}

// ratchet makes what keeps one cluster from going back. The caller holds mu.
func (d *Daemon) ratchet(name string) *ratchet {
	r := &ratchet{
		name: name, branch: d.opts.Remote.Branch, line: &lineage{}, store: d.copy, wrote: make(chan struct{}, 1),
		trust: func(ctx context.Context, from, to git.Hash) error { return d.trust.between(ctx, from, to, false) },
		ask:   d.Wake,
	}
	for commit, j := range d.barred {
		r.bar(commit.String(), j)
	}
	return r
}

func (d *Daemon) loopList() []*loop {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.loops))
}

// removal proves that a unit was removed on purpose: its declaration was there
// at the revision its objects were last recorded at, that revision is an
// ancestor of the present one, and it is not there now.
func (d *Daemon) removal(key catalog.UnitKey, recorded string) (string, error) {
	reason, gone := d.fleet.Gone(key)
	if !gone {
		return "", fmt.Errorf("it is not known whether %s is still declared", key)
	}
	if _, preview := catalog.PreviewOf(key.Environment); preview {
		return d.ended(key, reason)
	}
	d.mu.Lock()
	now := d.current.Commit
	d.mu.Unlock()
	then, err := git.ParseHash(recorded)
	if err != nil {
		return "", fmt.Errorf("%s is not declared, and it is not recorded since when: %w", key, err)
	}
	proven, err := d.acted(key, now, then)
	if err != nil {
		return "", fmt.Errorf("%s is not declared, and its history cannot be read: %w", key, err)
	}
	if !proven {
		return "", fmt.Errorf("%s is not declared at %s, which does not descend from %s where it was applied; its objects stay. To remove it, release it again and take that back in a commit of its own", key, now, then)
	}
	return reason, nil
}

// Units lists the status of all units, sorted.
func (d *Daemon) Units() []status.Unit {
	var out []status.Unit
	for _, l := range d.loopList() {
		l.mu.Lock()
		for _, u := range l.units {
			out = append(out, l.seen(u.status))
		}
		l.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b status.Unit) int { return cmp.Compare(a.Unit.String(), b.Unit.String()) })
	return out
}

// seen is a unit's status as it can be vouched for: of a cluster that is not
// reached nothing is known. The caller holds mu.
func (l *loop) seen(s status.Unit) status.Unit {
	if l.live != nil || l.up.Reachable {
		return s
	}
	s.Sync, s.Reason, s.Message = status.Unknown, "ClusterUnreachable", "cluster "+l.name+" is not reached"
	if l.up.Message != "" {
		s.Message += ": " + l.up.Message
	}
	if !l.up.Since.IsZero() {
		s.Since = l.up.Since
	}
	return s
}

// Clusters lists the status of all clusters, sorted.
func (d *Daemon) Clusters() []status.Cluster {
	var out []status.Cluster
	for _, l := range d.loopList() {
		l.mu.Lock()
		c := l.up
		c.Name, c.Units = l.name, len(l.units)
		live, goal := l.live, l.target.revision
		l.mu.Unlock()
		c.Held = l.ratchet.held(goal)
		if live != nil {
			s := live.Stats()
			c.Objects = s.Entries
			for _, n := range s.Requests {
				c.Requests += n
			}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b status.Cluster) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Source is the status of what is read from Git.
func (d *Daemon) Source() status.Source {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.source
}

// Fleet is what should be, for those who only read.
func (d *Daemon) Fleet() *fleet.Fleet { return d.fleet }
