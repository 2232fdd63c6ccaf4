package reconcile

import (
	"context"
	"slices"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// Announce takes down a plan that is about to be carried out, and gives the
// cause its requests are to carry.
func Announce(ctx context.Context, ledger *audit.Ledger, p plan.Plan) *cluster.Cause {
	if !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Action.Writes() || s.Action == plan.Release }) {
		return nil
	}
	r := journal.Record{
		Unit: p.Unit.String(), Cluster: p.Unit.Cluster, Revision: p.Revision, PlanDigest: p.Digest().Short(), Message: p.Removed,
	}
	for _, s := range p.Steps {
		r.Steps = append(r.Steps, journal.Step{Object: s.ID.String(), Action: string(s.Action), Reason: s.Reason})
	}
	return ledger.Plan(ctx, r)
}

// Chronicle says what came of a plan: one record for each object that was touched.
func Chronicle(p plan.Plan, r apply.Result) []journal.Record {
	if len(r.Outcomes) == 0 {
		return nil
	}
	digest := p.Digest().Short()
	out := make([]journal.Record, 0, len(r.Outcomes))
	for _, o := range r.Outcomes {
		rec := journal.Record{
			Kind: journal.Applied, Unit: p.Unit.String(), Cluster: p.Unit.Cluster, Revision: p.Revision, PlanDigest: digest,
			Reason: o.Reason, Object: o.ID.String(), Action: string(o.Action), Fields: o.Fields, Message: o.Error, Requests: o.Requests,
		}
		switch {
		case o.Err != nil:
			rec.Kind = journal.Failed
		case o.Action == plan.Drift:
			rec.Kind = journal.Drift
		}
		out = append(out, rec)
	}
	return out
}

// chronicle writes the journal, and counts what was changed by hand.
func (l *loop) chronicle(key catalog.UnitKey, p plan.Plan, r apply.Result) {
	for _, rec := range Chronicle(p, r) {
		rec.Time = l.now()
		if rec.Action == string(plan.Heal) || rec.Action == string(plan.Drift) {
			l.metrics.Drifts.WithLabelValues(key.Environment, rec.Action).Inc()
		}
		l.journal.Append(context.Background(), rec)
	}
}
