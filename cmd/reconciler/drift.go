package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/plan"
)

func newDrift(a *app) *cobra.Command {
	var sel selector
	var to reach
	var rev, output string
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Show what was changed by hand in the clusters, and by whom",
		Long: `drift compares what a revision declares with what is live, and shows only what
somebody changed by hand since we applied it. Exit code 1 means there is drift.`,
		Example: `  reconciler drift
  reconciler drift --env prod -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := a.drift(cmd.Context(), sel, to, rev)
			if err != nil {
				return err
			}
			if err := a.printPlan(set, output); err != nil {
				return err
			}
			if len(set.Plans) > 0 {
				return errNo
			}
			return nil
		},
	}
	sel.flags(cmd)
	cmd.Flags().StringVar(&rev, "rev", "HEAD", "the revision that should be live")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "how drift is written: text, json or markdown")
	to.flags(cmd)
	return cmd
}

// drift is a live plan of which only what was changed by hand is kept.
func (a *app) drift(ctx context.Context, sel selector, to reach, rev string) (plan.Set, error) {
	set, err := a.plan(ctx, sel, to, "", rev, "")
	if err != nil {
		return plan.Set{}, err
	}
	plans := make([]plan.Plan, 0, len(set.Plans))
	for _, p := range set.Plans {
		p.Hold = nil
		p.Steps = slices.DeleteFunc(p.Steps, func(s plan.Step) bool {
			return s.Action != plan.Heal && s.Action != plan.Drift && s.Reason != plan.DeletedByHand
		})
		plans = append(plans, p)
	}
	only := plan.Collect("", set.Revision, plans)
	only.Unchanged += set.Unchanged
	return only, nil
}
