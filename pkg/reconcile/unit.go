package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/render"
	"github.com/fairway-dev/fairway/pkg/secret"
	"github.com/fairway-dev/fairway/pkg/status"
)

// reconcile brings one unit to what the fleet wants of it: desired, live,
// plan, apply, and one place at the end where what came of it is recorded.
func (l *loop) reconcile(ctx context.Context, live Live, key catalog.UnitKey, seen *survey) {
	l.mu.Lock()
	u := l.unit(key)
	want, goal := u.want, l.target
	if want == nil {
		want = l.fleet.Unit(key)
		u.want = want
	}
	if want != nil {
		u.status.Team, u.status.Source = want.Team, fleet.Proposed(key.Environment, want.Source)
	}
	l.mu.Unlock()
	if want == nil && l.forgotten(live, key) {
		// An event named it: the last word of a unit that was removed, or a copy of
		// somebody's with our annotations. There is nothing of it to keep or delete.
		l.drop(key)
		return
	}
	hold, err := l.ratchet.allow(ctx, live, goal)
	if ctx.Err() != nil {
		return
	}
	if hold != nil || err != nil {
		l.record(live, key, goal, plan.Plan{Unit: key, Revision: goal.revision, Hold: hold}, apply.Result{Err: err}, want)
		return
	}
	desired, err := l.desired(ctx, live, key, want, goal.revision)
	if err != nil {
		l.record(live, key, goal, plan.Plan{Unit: key}, apply.Result{Err: err}, want)
		return
	}
	if l.occupied(live, key, desired) {
		return
	}
	p, err := l.plan(ctx, live, desired, seen)
	if err == nil {
		p, err = l.within(ctx, live, goal, p)
	}
	if errors.Is(err, errMoving) {
		l.queue.add(l.now().Add(firstRetry), key)
		return
	}
	if err != nil {
		l.record(live, key, goal, plan.Plan{Unit: key}, apply.Result{Err: err}, want)
		return
	}
	p = l.calm(key, p)
	if p.Hold == nil && deletes(p) {
		if p.Hold, err = l.ratchet.secure(ctx, live, goal); err != nil {
			l.record(live, key, goal, plan.Plan{Unit: key}, apply.Result{Err: err}, want)
			return
		}
	}
	l.begins(key, p)
	r := l.applier(live, key, want).Run(cluster.WithCause(ctx, Announce(ctx, l.ledger, p)), p)
	if ctx.Err() != nil && r.Err != nil {
		l.chronicle(key, p, r)
		return // a newer revision took over, or the daemon ends
	}
	l.record(live, key, goal, p, r, want)
	if r.Writes() > 0 {
		l.ratchet.brought(goal)
	}
}

// begins notes that a unit is being written, if it is.
func (l *loop) begins(key catalog.UnitKey, p plan.Plan) {
	if p.Writes() == 0 || p.Hold != nil {
		return
	}
	l.note(key, func(s *status.Unit) {
		s.Sync = status.Applying
		if p.Removed != "" {
			s.Sync = status.Removing
		}
	})
}

// deletes reports whether a plan deletes anything.
func deletes(p plan.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Action == plan.Prune })
}

// desired says what should be of a unit. A unit that nothing declares is
// removed only where Git proves that its declaration was.
func (l *loop) desired(ctx context.Context, live Live, key catalog.UnitKey, want *render.Unit, revision string) (plan.Desired, error) {
	d := l.fleet.Wanted(live.UID(), key, want, revision)
	if want == nil {
		reason, err := l.removal(key, live.Recorded(key.String()))
		if d.Removed = reason; err == nil {
			d.Renamed = l.renamed(ctx, live, key)
		}
		return d, err
	}
	if want.Held() {
		return d, nil
	}
	d.Renamed = l.succeeds(ctx, live, key, revision)
	b, err := l.fleet.Bundle(ctx, want)
	d.Objects = b.Objects
	return d, err
}

// within holds a plan's deletions back where the cluster as a whole would lose
// more than it may without a word; creations and updates go on.
func (l *loop) within(ctx context.Context, live Live, goal target, p plan.Plan) (plan.Plan, error) {
	if p.Hold != nil || !p.Undecided() {
		return p, nil
	}
	hold, err := l.countedHold(ctx, live, goal)
	if err != nil || hold == nil {
		return p, err
	}
	p.Withhold(hold)
	return p, nil
}

// plan looks at what is live and computes what must change. Objects that were
// read and found as they should be are marked, so that they need not be read again.
func (l *loop) plan(ctx context.Context, live Live, d plan.Desired, seen *survey) (plan.Plan, error) {
	g := Look(ctx, live, d.Unit, d.Objects, false, seen)
	if found, known := g.Objects.Members(); known {
		l.remember(d.Unit, found)
	}
	p, err := l.fleet.JudgePlan(ctx, plan.Compute(fleet.Relate(l.fleet, live, l.removal, d, g.Live), g.Live))
	if err != nil {
		return p, err
	}
	if p.Hold != nil && p.Hold.Reason == plan.HoldUnknown {
		return p, errors.New(p.Hold.Message)
	}
	if p.Writes() > 0 {
		hold, err := l.ratchet.unit(d, g.Live)
		if hold != nil || err != nil {
			return plan.Plan{Unit: d.Unit, Revision: d.Revision, Hold: hold}, err
		}
		if hold := l.ratchet.waits(d.Unit); hold != nil {
			return plan.Plan{Unit: d.Unit, Revision: d.Revision, Hold: hold}, nil
		}
	}
	touched := map[object.ID]bool{}
	for _, s := range p.Steps {
		touched[s.ID] = true
	}
	for id, m := range g.marks {
		if !touched[id] {
			live.MarkClean(id, m.UID, m.Mark)
		}
	}
	confirm(live, d, g.Live)
	return p, nil
}

// confirm records the UIDs of declared objects whose creation was intended and
// not confirmed, because the process that made them ended before it could.
func confirm(live Live, d plan.Desired, l plan.Live) {
	owned, _ := l.Inventory.Members()
	seen, _ := l.Objects.Members()
	for _, o := range d.Objects {
		entry, listed := owned[o.ID]
		if s, there := seen[o.ID]; there && listed && entry.UID == "" && s.Unit == d.Unit.String() && !s.Deleting {
			live.Confirm(s.Unit, o.ID, s.UID)
		}
	}
}

// remember puts what was last applied beside what is seen, so that a change can
// be shown field by field without reading the object.
func (l *loop) remember(key catalog.UnitKey, seen map[object.ID]plan.Seen) {
	l.mu.Lock()
	applied := l.unit(key).applied
	l.mu.Unlock()
	objects, ok := l.fleet.Applied(applied)
	if !ok {
		return
	}
	for i := range objects {
		s, there := seen[objects[i].ID]
		if there && s.Applied == objects[i].Digest {
			s.Before = &objects[i]
			seen[objects[i].ID] = s
		}
	}
}

func (l *loop) note(key catalog.UnitKey, change func(*status.Unit)) {
	l.mu.Lock()
	u := l.unit(key)
	was := u.status.Sync
	change(&u.status)
	if u.status.Sync != was {
		u.status.Since = l.now()
	}
	now := u.status
	l.mu.Unlock()
	l.metrics.Unit(now)
}

// record notes what came of a unit, once, from the result.
func (l *loop) record(live Live, key catalog.UnitKey, goal target, p plan.Plan, r apply.Result, want *render.Unit) {
	l.chronicle(key, p, r)
	l.noteHeals(p, r)
	l.follow(key, p, r)
	l.measure(goal, r)
	if p.Removed != "" && r.Err == nil && l.forgotten(live, key) {
		l.drop(key)
		return
	}
	l.mu.Lock()
	u := l.unit(key)
	was, before := u.status.Sync, u.told
	u.status = next(u.status, goal, p, r, want)
	if r.Err != nil {
		u.failures++
		u.status.Attempts = u.failures
		u.status.Next = l.now().Add(backoff(u.failures))
		l.queue.add(u.status.Next, key)
	} else {
		u.failures = 0
	}
	switch {
	case u.status.Sync == status.Held && before.Sync == status.Held:
		u.status.Since = before.Since // a look in between does not make the hold younger
	case u.status.Sync != was:
		u.status.Since = l.now()
	}
	if l.target != goal && u.status.Sync != status.Synced {
		l.queue.add(l.now(), key) // the newer revision may have said that it may
	}
	u.told = u.status
	if p.Hold == nil && r.Err == nil && want != nil {
		u.applied = want.CacheKey()
	}
	now := u.status
	l.mu.Unlock()
	l.metrics.Unit(now)
	l.health(live, key)
	l.said(before, now, r)
}

// follow has units looked at whose turn comes after this pass: those that gave
// objects up, and this one where a deleted object is there still.
func (l *loop) follow(key catalog.UnitKey, p plan.Plan, r apply.Result) {
	done := map[object.ID]bool{}
	for _, o := range r.Outcomes {
		done[o.ID] = o.Err == nil
		if o.Left {
			l.queue.add(l.now().Add(lookAgain), key)
		}
	}
	for _, s := range p.Steps {
		if s.From != (catalog.UnitKey{}) && done[s.ID] {
			l.queue.add(l.now(), s.From)
		}
	}
}

// lookAgain is after how long a deleted object that stays is looked at, to say
// what holds it.
const lookAgain = 5 * time.Second

// measure counts a pass.
func (l *loop) measure(goal target, r apply.Result) {
	result := "ok"
	if r.Err != nil {
		result = "failed"
	}
	l.metrics.Reconciles.WithLabelValues(result).Inc()
	l.metrics.ReconcileDuration.WithLabelValues("apply").Observe(r.Took.Seconds())
	if r.Err == nil && r.Writes() > 0 && !goal.committed.IsZero() {
		l.metrics.CommitToApplied.Observe(max(l.now().Sub(goal.committed), 0).Seconds())
	}
}

// forgotten reports whether nothing is left of a unit that was removed.
func (l *loop) forgotten(live Live, key catalog.UnitKey) bool {
	left, known := live.Inventory(key.String()).Members()
	return known && len(left) == 0
}

// drop ends what is known of a unit.
func (l *loop) drop(key catalog.UnitKey) {
	l.mu.Lock()
	delete(l.units, key)
	l.mu.Unlock()
	l.metrics.UnitGone(key)
}

// next is the status of a unit after a pass.
func next(s status.Unit, goal target, p plan.Plan, r apply.Result, want *render.Unit) status.Unit {
	s.Desired, s.Reason, s.Message, s.Hint, s.Attempts = goal.revision, "", "", "", 0
	s.Next = s.Next.Truncate(0)
	switch {
	case r.Err != nil:
		s.Sync, s.Reason, s.Message, s.Hint = status.Failed, reasonOf(r.Err), firstLine(r.Err), hintOf(r.Err)
		return s
	case p.Hold != nil:
		s.Sync, s.Reason, s.Message, s.Hint = status.Held, p.Hold.Reason, p.Hold.Message, p.Hold.Hint
		return s
	case p.Withheld != nil:
		s.Sync, s.Reason, s.Message, s.Hint = status.Held, p.Withheld.Reason, p.Withheld.Message, p.Withheld.Hint
		return s
	case p.Removed != "":
		s.Sync, s.Message = status.Removing, p.Removed
		if what := waits(p); what != "" {
			s.Reason, s.Message = "DeletionWaits", p.Removed+"; "+what
		}
		return s
	}
	s.Revision = goal.revision
	if want != nil {
		s.Digest, s.Objects, s.Asleep = want.Digest, want.Objects, want.Asleep
	}
	s.Sync = status.Synced
	if what := waits(p); what != "" {
		s.Reason, s.Message = "DeletionWaits", what
	}
	if step, drifted := driftOf(p); drifted {
		s.Sync, s.Reason, s.Message = status.Drifted, "ChangedByHand", fmt.Sprintf("%s %s", step.ID, step.Reason)
		s.Hint = "put it back, or commit it; the environment reports drift and does not heal it"
		if step.Contested {
			s.Reason = "Contested"
			s.Hint = fmt.Sprintf("stop whoever changes it, or take the field out of what is declared; it is tried again every %s", truce)
		}
	}
	return s
}

// waits says which objects go and are not gone yet, and what for.
func waits(p plan.Plan) string {
	for _, s := range p.Steps {
		if s.Action == plan.Wait {
			return fmt.Sprintf("%s %s", s.ID, s.Reason)
		}
	}
	return ""
}

// driftOf is the drift that is only reported, a contested one first.
func driftOf(p plan.Plan) (found plan.Step, drifted bool) {
	for _, s := range p.Steps {
		if s.Action == plan.Drift && (!drifted || s.Contested && !found.Contested) {
			found, drifted = s, true
		}
	}
	return found, drifted
}

// hintOf says what to do about a refusal, where that is known. An object is never
// deleted and made again to get around one.
func hintOf(err error) string {
	if errors.Is(err, cluster.ErrInvalid) && strings.Contains(err.Error(), "immutable") {
		return "the field cannot change on a live object, which is not deleted for it: put the field back, or give the object another name, such as by the service's objectName"
	}
	if errors.Is(err, secret.ErrMAC) {
		return "change the file with sops, which writes the checksum anew; nothing of the unit is written until then"
	}
	if errors.Is(err, secret.ErrKey) {
		return "nothing of the unit is written until the file opens; it is tried again"
	}
	if errors.Is(err, cluster.ErrForbidden) {
		return "the cluster's rights are what reconciler rbac prints; it is tried again"
	}
	return ""
}

func reasonOf(err error) string {
	var conflict *cluster.ConflictError
	switch {
	case errors.As(err, &conflict):
		return "FieldConflict"
	case errors.Is(err, secret.ErrKey), errors.Is(err, secret.ErrMAC), errors.Is(err, secret.ErrForm):
		return "SecretNotOpened"
	case errors.Is(err, cluster.ErrInvalid):
		return "RefusedByCluster"
	case errors.Is(err, cluster.ErrForbidden):
		return "Forbidden"
	case errors.Is(err, cluster.ErrUnreachable):
		return "ClusterUnreachable"
	case errors.Is(err, cluster.ErrNoNamespace):
		return "NamespaceMissing"
	case errors.Is(err, cluster.ErrNoKind):
		return "KindNotServed"
	}
	return "ApplyFailed"
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// said logs a unit's change, and notes in the journal when it becomes held or
// is held no more.
func (l *loop) said(before, now status.Unit, r apply.Result) {
	attrs := []any{"unit", now.Unit.String(), "sync", string(now.Sync), "rev", now.Desired}
	switch {
	case now.Sync == status.Failed:
		l.log.Error("unit failed", append(attrs, "attempt", now.Attempts, "err", now.Message)...)
	case now.Sync == status.Held && (before.Sync != status.Held || before.Message != now.Message):
		l.log.Error("unit held", append(attrs, "reason", now.Reason, "message", now.Message)...)
		l.journal.Append(context.Background(), journal.Record{
			Time: l.now(), Kind: journal.Held, Unit: now.Unit.String(), Cluster: l.name, Revision: now.Desired, Reason: now.Reason, Message: now.Message,
		})
	case before.Sync == status.Held && now.Sync != status.Held:
		l.log.Info("unit released", attrs...)
		l.journal.Append(context.Background(), journal.Record{Time: l.now(), Kind: journal.Unheld, Unit: now.Unit.String(), Cluster: l.name, Revision: now.Desired})
	case r.Writes() > 0:
		l.log.Info("unit applied", append(attrs, "writes", r.Writes(), "took", r.Took)...)
	}
}
