package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// The reasons to hold a unit for the history of its revision.
const (
	// HoldRewound: the cluster, or an object, was brought to a revision that the
	// present one does not contain.
	HoldRewound = "RewoundRevision"
	// HoldUntrusted: the signing policy refuses a commit since then.
	HoldUntrusted = "UntrustedRevision"
)

// ratchet keeps one cluster from being taken back to an older state. What it goes
// by is in the cluster: the revision recorded there, and the commit that each
// object names as its last writer. Disk and memory only save asking again.
type ratchet struct {
	name, branch string
	line         *lineage
	store        func() *git.Store
	trust        func(ctx context.Context, from, to git.Hash) error // nil trusts

	mu      sync.Mutex
	rec     cluster.Ratchet
	read    bool // rec was read from the cluster, in this connection or an earlier one
	verdict verdict
	covered map[git.Hash]bool // what was found out about commits outside the line
	pending target            // brought about and not recorded yet
	wrote   chan struct{}

	barring sync.Mutex
	barred  barred
	ask     func() // has it asked again what waits; nil where nobody is
}

// verdict is what came of judging a revision against a record.
type verdict struct {
	revision, version string
	hold              *plan.Hold
}

// load takes in what the cluster has recorded.
func (r *ratchet) load(rec cluster.Ratchet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rec, r.read, r.verdict, r.covered = rec, true, verdict{}, map[git.Hash]bool{}
	r.heard(rec)
}

// recorded is what the cluster has recorded, and whether that was ever read.
func (r *ratchet) recorded() (cluster.Ratchet, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rec, r.read
}

// held says why the whole cluster stays as it is at a revision; "" if it does not.
func (r *ratchet) held(revision string) string {
	if !r.mu.TryLock() {
		return "" // it is being judged
	}
	defer r.mu.Unlock()
	if r.verdict.revision != revision || r.verdict.hold == nil {
		return ""
	}
	return r.verdict.hold.Message
}

// allow says whether the cluster may be brought to a revision. The first one, and
// one that replaces the recorded history, are recorded before anything is written.
func (r *ratchet) allow(ctx context.Context, live Live, goal target) (*plan.Hold, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.verdict.revision == goal.revision && r.verdict.version == r.rec.Version && !r.untold() {
		return r.verdict.hold, nil
	}
	return r.advance(ctx, live, goal, false)
}

// secure is allow, and records the revision: it comes before the first deletion,
// because what is deleted leaves nothing that would tell of it.
func (r *ratchet) secure(ctx context.Context, live Live, goal target) (*plan.Hold, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.advance(ctx, live, goal, true)
}

// advance judges a revision and records it where that is needed, and what waits for
// approval before anything is written. When somebody else recorded one meanwhile, it
// judges by that. The caller holds mu.
func (r *ratchet) advance(ctx context.Context, live Live, goal target, record bool) (*plan.Hold, error) {
	for range 5 {
		hold, forward, err := r.judge(ctx, goal)
		if err != nil {
			return nil, err
		}
		if hold != nil || (forward && !record || r.rec.Revision == goal.revision) && !r.untold() {
			r.verdict = verdict{goal.revision, r.rec.Version, hold}
			return hold, nil
		}
		next := r.rec
		if record || !forward {
			if next, err = r.next(goal, forward); err != nil {
				return nil, err
			}
		}
		if !forward && r.rec.Revision != "" {
			r.replaced(goal.revision)
		}
		next.Unapproved = r.names()
		next, err = live.SaveRatchet(ctx, next)
		switch {
		case err == nil:
			r.rec, r.covered = next, map[git.Hash]bool{}
			continue
		case !errors.Is(err, cluster.ErrPrecondition):
			return nil, err
		}
		if r.rec, err = live.LoadRatchet(ctx); err != nil {
			return nil, err
		}
		r.heard(r.rec)
		r.covered = map[git.Hash]bool{}
	}
	return nil, fmt.Errorf("record revision %s: others record at the same time", goal.revision)
}

// next is the record that says that the cluster is brought to a revision.
func (r *ratchet) next(goal target, forward bool) (cluster.Ratchet, error) {
	next := r.rec
	next.Revision, next.Branch = goal.revision, r.branch
	if forward {
		return next, nil
	}
	now, err := git.ParseHash(goal.revision)
	if err != nil {
		return next, err
	}
	root, err := r.line.root(r.store(), now)
	if err != nil {
		return next, err
	}
	next.Root, next.Superseded = root.String(), nil
	if r.rec.Revision == "" {
		return next, nil
	}
	for _, commit := range slices.Concat([]string{r.rec.Revision}, strings.Fields(goal.supersedes), r.rec.Superseded) {
		if !slices.Contains(next.Superseded, commit) {
			next.Superseded = append(next.Superseded, commit)
		}
	}
	return next, nil
}

// judge says whether a revision may follow the recorded one, and whether it simply
// continues it. The caller holds mu.
func (r *ratchet) judge(ctx context.Context, goal target) (hold *plan.Hold, forward bool, err error) {
	now, err := git.ParseHash(goal.revision)
	if err != nil || r.rec.Revision == "" {
		return nil, false, err
	}
	then, err := git.ParseHash(r.rec.Revision)
	if err != nil {
		return nil, false, err
	}
	if forward, err = r.line.has(r.store(), now, then); err != nil {
		return nil, false, err
	}
	if !forward && !r.replaces(strings.Fields(goal.supersedes), then) {
		return r.refusal(now, then), false, nil
	}
	if r.trust == nil {
		return nil, forward, nil
	}
	if err := r.trust(ctx, then, now); err != nil {
		hold, err = untrusted(err)
		return hold, false, err
	}
	return nil, forward, nil
}

// untrusted is what comes of an error of judging signatures.
func untrusted(err error) (*plan.Hold, error) {
	if !errors.Is(err, errUntrusted) {
		return nil, err
	}
	return &plan.Hold{
		Reason: HoldUntrusted, Message: err.Error(),
		Hint: "sign the commit, or take it back by a new commit that is signed; see Signed commits in docs/operators.md",
	}, nil
}

// refusal says why a cluster stays as it is.
func (r *ratchet) refusal(now, then git.Hash) *plan.Hold {
	why := "does not contain"
	if older, err := r.store().IsAncestor(now, then); err == nil && older {
		why = "is older than"
	}
	return &plan.Hold{
		Reason: HoldRewound,
		Message: fmt.Sprintf("cluster %s was brought to commit %s of branch %s; revision %s %s it, so nothing is written",
			r.name, then, r.rec.Branch, now, why),
		Hint: advice(then.String(), "platform/clusters/"+r.name+"/cluster.cue"),
	}
}

// replaces reports whether commits that a declaration supersedes stand for one: it
// is named, or comes before one that is.
func (r *ratchet) replaces(supersedes []string, then git.Hash) bool {
	for _, s := range supersedes {
		h, err := git.ParseHash(s)
		if err != nil {
			continue
		}
		if before, err := r.store().IsAncestor(then, h); h == then || err == nil && before {
			return true
		}
	}
	return false
}

// Allow says whether a cluster may be brought to a revision, and records that it is:
// what a command does that writes without a daemon. The signing policy is asked as the
// daemon asks it: since what the cluster has recorded, or of the revision alone where
// that is nothing. The hold is nil where it may.
func Allow(ctx context.Context, e *eval.Evaluator, store *git.Store, live Live, name, revision string, supersedes []string) (*plan.Hold, error) {
	rec, err := live.LoadRatchet(ctx)
	if err != nil {
		return nil, err
	}
	open := func() *git.Store { return store }
	trust := &trust{evaluator: e, store: open, now: time.Now}
	r := &ratchet{name: name, line: &lineage{}, store: open, wrote: make(chan struct{}, 1)}
	r.trust = func(ctx context.Context, from, to git.Hash) error { return trust.between(ctx, from, to, true) }
	r.branch = rec.Branch
	r.load(rec)
	if rec.Revision == "" {
		now, err := git.ParseHash(revision)
		if err != nil {
			return nil, err
		}
		if err := r.trust(ctx, git.Hash{}, now); err != nil {
			return untrusted(err)
		}
	}
	return r.secure(ctx, live, target{revision: revision, supersedes: strings.Join(supersedes, " ")})
}

// covers reports whether what a commit wrote may be written over at a revision: it
// is part of that revision's history, or of one that was replaced on purpose.
func (r *ratchet) covers(goal, commit git.Hash) (bool, error) {
	ok, err := r.line.has(r.store(), goal, commit)
	if ok || err != nil {
		return ok, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok, known := r.covered[commit]; known {
		return ok, nil
	}
	if r.covered == nil {
		r.covered = map[git.Hash]bool{}
	}
	r.covered[commit] = r.replaces(r.rec.Superseded, commit) || r.lost(commit)
	return r.covered[commit], nil
}

// lost reports whether nothing can be proven of a commit because the history that
// was replaced is gone for good: then the word of whoever replaced it counts.
func (r *ratchet) lost(commit git.Hash) bool {
	gone := func(h git.Hash) bool {
		_, err := r.store().FirstParents(h, 1)
		return errors.Is(err, git.ErrNotFound)
	}
	return gone(commit) && slices.ContainsFunc(r.rec.Superseded, func(s string) bool {
		h, err := git.ParseHash(s)
		return err == nil && gone(h)
	})
}

// unit holds a unit of which an object was last written at a commit that the
// revision does not contain. Objects that name no commit were changed by hand.
func (r *ratchet) unit(d plan.Desired, l plan.Live) (*plan.Hold, error) {
	goal, err := git.ParseHash(d.Revision)
	if err != nil {
		return nil, err
	}
	seen, _ := l.Objects.Members()
	var worst object.ID
	var newer git.Hash
	for id, s := range seen {
		commit, err := git.ParseHash(s.Commit)
		if err != nil || s.Unit == "" {
			continue
		}
		ok, err := r.covers(goal, commit)
		if err != nil {
			return nil, err
		}
		if !ok && (newer.IsZero() || id.Compare(worst) < 0) {
			worst, newer = id, commit
		}
	}
	if newer.IsZero() {
		return nil, nil
	}
	return &plan.Hold{
		Reason:  HoldRewound,
		Message: fmt.Sprintf("%s was last written at commit %s, which revision %s does not contain; the unit stays", worst, newer, goal),
		Hint: fmt.Sprintf("bring that commit back to the branch; or, if its history was replaced on purpose, commit supersedes: [\"%s\"] to platform/clusters/%s/cluster.cue",
			newer, r.name),
	}, nil
}

// brought notes that something was written at a revision. It is recorded a while
// later, with what comes until then.
func (r *ratchet) brought(goal target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rec.Revision == goal.revision {
		return
	}
	r.pending = goal
	select {
	case r.wrote <- struct{}{}:
	default:
	}
}

// keep records what was brought about, once in an interval, until the context ends.
func (r *ratchet) keep(ctx context.Context, live Live, interval time.Duration, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wrote:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
		if err := r.flush(ctx, live); err != nil && ctx.Err() == nil {
			log.Error("record the revision", "cluster", r.name, "err", err)
			select {
			case r.wrote <- struct{}{}: // once more after the interval
			default:
			}
		}
	}
}

// flush records what is pending.
func (r *ratchet) flush(ctx context.Context, live Live) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending.revision == "" {
		return nil
	}
	if _, err := r.advance(ctx, live, r.pending, true); err != nil {
		return err
	}
	r.pending = target{}
	return nil
}
