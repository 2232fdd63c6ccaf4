package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/policy"
)

// newPolicyAdmission prints what a cluster enforces by itself.
func newPolicyAdmission(a *app) *cobra.Command {
	var cluster, output string
	cmd := &cobra.Command{
		Use:   "admission",
		Short: "Print what clusters enforce of the policies",
		Long: `admission writes, of each policy that has a form in CEL, the
ValidatingAdmissionPolicy and its binding, by which a cluster's API server refuses
what breaks it, whoever sends it.`,
		Example: `  reconciler policy admission --cluster prod-eu
  reconciler policy admission -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.admission(cmd.Context(), cluster, output) },
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "the cluster, as it is declared in platform/clusters (default: all of them)")
	cmd.Flags().StringVarP(&output, "output", "o", "yaml", "how objects are written: yaml or json")
	return cmd
}

func (a *app) admission(ctx context.Context, cluster, output string) error {
	if output != "yaml" && output != "json" {
		return fmt.Errorf("unknown output %q: use yaml or json", output)
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	f, _, _, err := w.fleet(ctx, "")
	if err != nil {
		return err
	}
	if cluster != "" && f.Catalog().Clusters[cluster] == nil {
		return fmt.Errorf("cluster %s is not declared", cluster)
	}
	objects, err := policy.Admission(f.Catalog(), cluster, w.today)
	if err != nil {
		return err
	}
	for _, o := range objects {
		text, err := writer{output: output}.encode(o)
		if err != nil {
			return fmt.Errorf("write %s: %w", o.ID, err)
		}
		if err := writeDocument(a.out, text, output); err != nil {
			return err
		}
	}
	return nil
}

// policyCost measures each policy over the fleet. Policies are measured side by
// side in the same runs, and told from each other by their share: how fast the
// machine is, and what else it does, falls out of that.
func (a *app) policyCost(ctx context.Context) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	f, _, _, err := w.fleet(ctx, "")
	if err != nil {
		return err
	}
	costs, err := f.PolicyCosts(ctx)
	if err != nil {
		return err
	}
	return a.printCosts(costs)
}

func (a *app) printCosts(costs []fleet.PolicyCost) error {
	slices.SortFunc(costs, func(x, y fleet.PolicyCost) int {
		return cmp.Or(cmp.Compare(y.PerUnit, x.PerUnit), cmp.Compare(x.Policy, y.Policy))
	})
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "POLICY\tOF ALL\tA UNIT")
	tooDear := 0
	for _, c := range costs {
		mark := ""
		if c.Dear() {
			tooDear++
			mark = "  too dear: judging without it would take half as long"
		}
		fmt.Fprintf(t, "%s\t%.1f %%\t%s%s\n", c.Policy, 100*c.Share, c.PerUnit, mark)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if tooDear > 0 {
		return errNo
	}
	return nil
}

// ownersOf are whom to talk to about a team's services.
func ownersOf(cat *catalog.Catalog, team string) []string {
	t := cat.Teams[team]
	if t == nil {
		return nil
	}
	return t.Owners
}
