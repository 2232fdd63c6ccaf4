package fleet

import (
	"context"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/render"
)

// Compare plans units as if the clusters were exactly at one fleet and were to be
// brought to another: no cluster is asked. commit names the second. A key may stand in
// keys more than once.
func Compare(ctx context.Context, before, after *Fleet, keys []catalog.UnitKey, commit string) ([]plan.Plan, error) {
	var plans []plan.Plan
	seen := make(map[catalog.UnitKey]bool, len(keys))
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		p, ok, err := compare(ctx, before, after, key, commit)
		if err != nil {
			return nil, err
		}
		if ok {
			plans = append(plans, p)
		}
	}
	return plans, nil
}

// compare plans one unit; false where neither fleet says anything of it.
func compare(ctx context.Context, before, after *Fleet, key catalog.UnitKey, commit string) (plan.Plan, bool, error) {
	old, u := before.Unit(key), after.Unit(key)
	if u != nil && old != nil && old.Digest == u.Digest && !u.Held() {
		return plan.Plan{Unit: key, Unchanged: u.Objects}, true, nil
	}
	d := plan.Desired{Unit: key, Revision: commit}
	var err error
	if u == nil {
		reason, gone := after.Gone(key)
		if !gone || old == nil || old.Held() {
			return plan.Plan{}, false, nil
		}
		d.Removed = reason
	} else if d.Invalid = u.Diags; !u.Held() {
		if d.Objects, err = objectsOf(ctx, after, u); err != nil {
			return plan.Plan{}, false, err
		}
	}
	was, err := objectsOf(ctx, before, old)
	if err != nil {
		return plan.Plan{}, false, err
	}
	p := plan.Compute(d, plan.Assume(key.String(), was))
	if u != nil {
		p, err = after.JudgePlan(ctx, p)
	}
	return p, true, err
}

// objectsOf are the objects of a unit that renders; none of one that does not, or is not there.
func objectsOf(ctx context.Context, f *Fleet, u *render.Unit) ([]object.Object, error) {
	if u == nil || u.Held() {
		return nil, nil
	}
	b, err := f.Bundle(ctx, u)
	return b.Objects, err
}
