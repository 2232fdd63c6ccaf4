package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/render"
)

func newPlan(a *app) *cobra.Command {
	var sel selector
	var c client
	var to reach
	var base, rev, at, output string
	var exitCode bool
	var number int
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change, field by field, and why",
		Long: `plan compares the working tree (or a revision) with the live clusters, or with
--base with another revision and no cluster at all. What it prints is what the
daemon would do. With --pr it is what the daemon reported on a pull request.`,
		Example: `  reconciler plan                          against the live clusters
  reconciler plan --base origin/main       against another revision, without any cluster
  reconciler plan --base HEAD~1 -o markdown
  reconciler plan --pr 12                  what merging a pull request would do`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if number > 0 {
				return a.planPull(cmd.Context(), &c, number, output)
			}
			set, err := a.plan(cmd.Context(), sel, to, base, rev, at)
			if err != nil {
				return err
			}
			if err := a.printPlan(set, output); err != nil {
				return err
			}
			if exitCode && len(set.Plans) > 0 {
				return errNo
			}
			return nil
		},
	}
	sel.flags(cmd)
	c.flags(cmd)
	cmd.Flags().IntVar(&number, "pr", 0, "print what the daemon reported on this pull request")
	cmd.Flags().StringVar(&base, "base", "", "compare with this revision and not with live clusters")
	cmd.Flags().StringVar(&rev, "rev", "", "plan for a revision and not for the working tree")
	cmd.Flags().StringVar(&at, "at", "", "the moment to plan for, where environments sleep at night, as 2026-12-01T22:00:00Z (default: now, and with --base none, so that all are awake)")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "how the plan is written: text, json or markdown")
	to.flags(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", true, "exit with 1 if there is anything to do")
	return cmd
}

func (a *app) printPlan(set plan.Set, output string) error {
	switch output {
	case "text":
		c := plan.Colors{}
		if a.colored(a.out) {
			c = plan.ANSI()
		}
		return set.Text(a.out, c)
	case "json":
		return set.JSON(a.out)
	case "markdown":
		return set.Markdown(a.out)
	}
	return fmt.Errorf("unknown output %q: use text, json or markdown", output)
}

func (a *app) plan(ctx context.Context, sel selector, to reach, base, rev, at string) (plan.Set, error) {
	w, err := a.open()
	if err != nil {
		return plan.Set{}, err
	}
	defer w.close()
	defer a.progress("planning")()
	if base == "" {
		w.now = time.Now
	}
	if err := w.at(at); err != nil {
		return plan.Set{}, err
	}
	f, _, commit, err := w.fleet(ctx, rev)
	if err != nil {
		return plan.Set{}, err
	}
	if base != "" {
		before, _, baseCommit, err := w.fleet(ctx, base)
		if err != nil {
			return plan.Set{}, fmt.Errorf("revision %s: %w", base, err)
		}
		plans, err := fleet.Compare(ctx, before, f, append(keysOf(sel.pick(f)), keysOf(sel.pick(before))...), commit)
		return plan.Collect(baseCommit, commit, plans), err
	}
	live, err := to.dialAll(ctx, f, sel, nil)
	if err != nil {
		return plan.Set{}, err
	}
	defer closeAll(live)
	plans, err := againstClusters(ctx, f, live, sel, commit)
	return plan.Collect("", commit, plans), err
}

func keysOf(units []*render.Unit) []catalog.UnitKey {
	keys := make([]catalog.UnitKey, len(units))
	for i, u := range units {
		keys[i] = u.Key
	}
	return keys
}

// againstClusters plans for what is live. What a unit will change is read, to
// be shown.
func againstClusters(ctx context.Context, f *fleet.Fleet, live map[string]*kube.Cluster, sel selector, commit string) ([]plan.Plan, error) {
	var mu sync.Mutex
	var plans []plan.Plan
	var errs []error
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	one := func(key catalog.UnitKey, u *render.Unit) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			p, err := liveUnit(ctx, f, live[key.Cluster], key, u, commit)
			mu.Lock()
			defer mu.Unlock()
			plans, errs = append(plans, p), append(errs, err)
		})
	}
	for _, u := range sel.pick(f) {
		if live[u.Key.Cluster] != nil {
			one(u.Key, u)
		}
	}
	for name, k := range live {
		owners, known := k.Units().Members()
		if !known {
			return nil, fmt.Errorf("cluster %s: the inventory cannot be read: %w", name, k.Units().Why())
		}
		for unit := range owners {
			key, err := catalog.ParseUnitKey(unit)
			if err == nil && f.Unit(key) == nil && key.Cluster == name && sel.matches(key, "") {
				one(key, nil)
			}
		}
	}
	wg.Wait()
	for name, k := range live {
		if err := withhold(f, k, name, plans); err != nil {
			errs = append(errs, err)
		}
	}
	return plans, errors.Join(errs...)
}

// withhold takes the deletions on a cluster out of plans that together delete
// more than may go without a word.
func withhold(f *fleet.Fleet, k *kube.Cluster, name string, plans []plan.Plan) error {
	ours := 0
	owners, _ := k.Units().Members()
	for unit := range owners {
		owned, known := k.Inventory(unit).Members()
		if !known {
			return fmt.Errorf("cluster %s: the inventory of %s cannot be read: %w", name, unit, k.Inventory(unit).Why())
		}
		ours += len(owned)
	}
	var pending []plan.Pending
	for _, p := range plans {
		if p.Unit.Cluster == name {
			pending = append(pending, p.Pending())
		}
	}
	hold, _ := plan.Breaker(name, ours, pending, f.ClusterConsent(k.UID(), name))
	for i := range plans {
		if hold != nil && plans[i].Unit.Cluster == name && plans[i].Undecided() {
			plans[i].Withhold(hold)
		}
	}
	return nil
}

func liveUnit(ctx context.Context, f *fleet.Fleet, k *kube.Cluster, key catalog.UnitKey, u *render.Unit, commit string) (plan.Plan, error) {
	d := f.Wanted(k.UID(), key, u, commit)
	gone := func(key catalog.UnitKey, _ string) (string, error) {
		if reason, gone := f.Gone(key); gone {
			return reason, nil
		}
		return "", errors.New("it is not known whether the unit is still declared")
	}
	switch {
	case u == nil:
		reason, err := gone(key, "")
		if err != nil {
			return plan.Plan{Unit: key, Hold: &plan.Hold{Reason: plan.HoldUnknown, Message: err.Error()}}, nil
		}
		d.Removed = reason
	case !u.Held():
		b, err := f.Bundle(ctx, u)
		if err != nil {
			return plan.Plan{}, err
		}
		d.Objects = b.Objects
	}
	g := reconcile.Look(ctx, k, key, d.Objects, true, nil)
	return f.JudgePlan(ctx, plan.Compute(fleet.Relate(f, k, gone, d, g.Live), g.Live))
}
