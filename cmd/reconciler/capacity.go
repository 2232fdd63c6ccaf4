package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/fleet"
)

func newCapacity(a *app) *cobra.Command {
	var rev, base, output string
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "Show what services request of clusters' nodes, and what there is",
		Long: `capacity adds up what all services request on each cluster that declares its
nodes, and holds it against them: what is requested all the time, and what when
all services are scaled as far as they may be. It asks no cluster. With --base,
the units that request more or less than there are listed. Exit code 1 means
that more is requested all the time than may be.`,
		Example: `  reconciler capacity
  reconciler capacity --base origin/main
  reconciler capacity -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.capacity(cmd.Context(), rev, base, output)
		},
	}
	cmd.Flags().StringVar(&rev, "rev", "", "the revision to look at (default: the files as they are here)")
	cmd.Flags().StringVar(&base, "base", "", "a revision to compare with")
	cmd.Flags().StringVarP(&output, "output", "o", "table", "how it is written: table, json or yaml")
	return cmd
}

// capacityReport is what is written.
type capacityReport struct {
	Clusters []fleet.ClusterCapacity `json:"clusters"`
	// Changes are the units that request something else than at the base.
	Changes []capacityChange `json:"changes,omitempty"`
}

type capacityChange struct {
	Unit string `json:"unit"`
	// Class is the class of nodes; Least and Most are how much more is requested.
	Class string          `json:"class,omitempty"`
	Least capacity.Amount `json:"least"`
	Most  capacity.Amount `json:"most"`
}

func (a *app) capacity(ctx context.Context, rev, base, output string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	f, _, _, err := w.fleet(ctx, rev)
	if err != nil {
		return err
	}
	report := capacityReport{Clusters: f.Capacity()}
	if base != "" {
		before, _, _, err := w.fleet(ctx, base)
		if err != nil {
			return err
		}
		report.Changes = capacityChanges(before, f)
	}
	if err := a.printCapacity(report, output); err != nil {
		return err
	}
	for _, c := range report.Clusters {
		if slices.ContainsFunc(c.Classes, capacity.Row.Over) {
			return errNo
		}
	}
	return nil
}

func capacityChanges(before, now *fleet.Fleet) []capacityChange {
	type place struct{ unit, class string }
	sums := map[place]capacity.Demand{}
	add := func(f *fleet.Fleet, times int64) {
		for _, u := range f.Units("") {
			for _, d := range u.Demand() {
				at := place{u.Key.String(), d.Class}
				sum := sums[at]
				sum.Least, sum.Most = sum.Least.Plus(d.Least, times), sum.Most.Plus(d.Most, times)
				sums[at] = sum
			}
		}
	}
	add(before, -1)
	add(now, 1)
	var out []capacityChange
	for at, d := range sums {
		if d != (capacity.Demand{}) {
			out = append(out, capacityChange{at.unit, at.class, d.Least, d.Most})
		}
	}
	slices.SortFunc(out, func(x, y capacityChange) int {
		return cmp.Or(cmp.Compare(y.Least.CPU, x.Least.CPU), cmp.Compare(y.Most.CPU, x.Most.CPU), cmp.Compare(x.Unit, y.Unit), cmp.Compare(x.Class, y.Class))
	})
	return out
}

func (a *app) printCapacity(report capacityReport, output string) error {
	if output == "table" {
		return a.capacityTable(report)
	}
	raw, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("write capacity: %w", err)
	}
	switch output {
	case "json":
		_, err = fmt.Fprintf(a.out, "%s\n", raw)
	case "yaml":
		if raw, err = yaml.JSONToYAML(raw); err == nil {
			_, err = a.out.Write(raw)
		}
	default:
		err = fmt.Errorf("unknown output %q: use table, json or yaml", output)
	}
	return err
}

func (a *app) capacityTable(report capacityReport) error {
	if len(report.Clusters) == 0 {
		_, err := fmt.Fprintln(a.out, "no cluster declares its nodes")
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTER\tCLASS\tPOOLS\tNODES\tPODS\tCORES\tLEAST\tMOST\tGIB\tLEAST\tMOST\tPRICE/H\t")
	for _, c := range report.Clusters {
		for _, r := range c.Classes {
			note := ""
			switch {
			case r.Over():
				note = "too much"
			case r.Strained():
				note = "too much under load"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%.2f\t%s\n", c.Cluster, cmp.Or(r.Class, "-"), cmp.Or(strings.Join(r.Pools, ","), "-"), r.Nodes, r.Least.Pods,
				r.Room.Cores(), r.Least.Cores(), r.Most.Cores(), r.Room.GiB(), r.Least.GiB(), r.Most.GiB(), r.Price, note)
		}
	}
	if len(report.Changes) > 0 {
		fmt.Fprintln(w, "\nUNIT\tCLASS\tCORES\tUNDER LOAD\tGIB\tUNDER LOAD")
		for _, c := range report.Changes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Unit, cmp.Or(c.Class, "-"), c.Least.Cores(), c.Most.Cores(), c.Least.GiB(), c.Most.GiB())
		}
	}
	return w.Flush()
}
