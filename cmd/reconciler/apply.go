package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/reconcile"
	"github.com/fairway-dev/fairway/pkg/secret"
)

func newApply(a *app) *cobra.Command {
	var sel selector
	var to reach
	var rev, file, keys string
	var yes bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Bring clusters to a revision once, without the daemon",
		Long: `apply plans for a revision, shows the plan, and carries it out after a yes. It
applies commits only: what is live must have a place in Git. Where a daemon
runs, merging is the way; apply is for the time before there is one.`,
		Example: `  reconciler apply --env dev
  reconciler apply --rev v1.4.0 --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.apply(cmd.Context(), sel, to, rev, file, keys, yes)
		},
	}
	sel.flags(cmd)
	cmd.Flags().StringVar(&rev, "rev", "HEAD", "the revision to apply")
	to.flags(cmd)
	cmd.Flags().StringVar(&file, "journal", "", "file that takes down what was done and why (default: in the user's cache folder)")
	cmd.Flags().StringVar(&keys, "age-key-file", "", "file with the age keys that open the encrypted files beside services")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) apply(ctx context.Context, sel selector, to reach, rev, file, keys string, yes bool) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	defer w.close()
	w.now = time.Now
	f, _, commit, err := w.fleet(ctx, rev)
	if err != nil {
		return err
	}
	j := journal.Open(journal.Options{
		Path:    cmp.Or(file, filepath.Join(cacheDir(), "journal.db")),
		OnError: func(err error) { fmt.Fprintln(a.err, err) },
	})
	defer j.Close()
	ledger := audit.New(j, nil)
	live, err := to.dialAll(ctx, f, sel, ledger)
	if err != nil {
		return err
	}
	defer closeAll(live)
	plans, err := againstClusters(ctx, f, live, sel, commit)
	if err != nil {
		return err
	}
	set := plan.Collect("", commit, plans)
	if err := a.printPlan(set, "text"); err != nil || len(set.Plans) == 0 {
		return err
	}
	if !yes && !a.confirmed("Apply this plan?") {
		return errors.New("nothing was applied")
	}
	if err := allowed(ctx, w, f, live, commit); err != nil {
		return err
	}
	if err := a.unapproved(ctx, live, set); err != nil {
		return err
	}
	return a.carryOut(ctx, f, live, set, secret.Keyring{Path: keys}, j, ledger)
}

// allowed holds that no cluster is taken back to before what it was brought to, and
// that whoever must sign did.
func allowed(ctx context.Context, w *workspace, f *fleet.Fleet, live map[string]*kube.Cluster, commit string) error {
	store, err := git.OpenRepository(w.top)
	if err != nil {
		return err
	}
	defer store.Close()
	for name, k := range live {
		hold, err := reconcile.Allow(ctx, w.evaluator, store, k, name, commit, f.Catalog().Clusters[name].Supersedes)
		if err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
		if hold != nil {
			return fmt.Errorf("nothing was applied: %s\n%s", hold.Message, hold.Hint)
		}
	}
	return nil
}

// unapproved holds the plans of units that wait for the approval of a merge.
func (a *app) unapproved(ctx context.Context, live map[string]*kube.Cluster, set plan.Set) error {
	for name, k := range live {
		rec, err := k.LoadRatchet(ctx)
		if err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
		for i, p := range set.Plans {
			if hold := reconcile.Unapproved(rec, p.Unit); hold != nil && p.Unit.Cluster == name {
				set.Plans[i].Hold = hold
				fmt.Fprintf(a.err, "%s: held: %s\n", p.Unit, hold.Message)
			}
		}
	}
	return nil
}

func (a *app) confirmed(question string) bool {
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	line, _ := bufio.NewReader(a.in).ReadString('\n') // no answer is a no
	return strings.EqualFold(strings.TrimSpace(line), "y") || strings.EqualFold(strings.TrimSpace(line), "yes")
}

// carryOut applies plans one unit after the other, teams' and clusters' own
// units first.
func (a *app) carryOut(ctx context.Context, f *fleet.Fleet, live map[string]*kube.Cluster, set plan.Set, keys secret.Keyring, j *journal.Journal, ledger *audit.Ledger) error {
	var errs []error
	for _, own := range []bool{true, false} {
		for _, p := range set.Plans {
			if p.Unit.Own() != own || p.Hold != nil {
				continue
			}
			shard := func(key catalog.UnitKey) string { return shardOf(f, key) }
			target := reconcile.Acting(live[p.Unit.Cluster], p.Unit, f.Unit(p.Unit))
			applier := &apply.Applier{Target: target, Shard: shard, Secrets: keys, Parallel: 4, WaveTimeout: 5 * time.Minute}
			r := applier.Run(cluster.WithCause(ctx, reconcile.Announce(ctx, ledger, p)), p)
			j.Append(context.WithoutCancel(ctx), reconcile.Chronicle(p, r)...)
			if r.Err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p.Unit, r.Err))
				continue
			}
			fmt.Fprintf(a.err, "%s: %s written in %s\n", p.Unit, diag.Many(r.Writes(), "object"), r.Took.Round(time.Millisecond))
		}
	}
	return errors.Join(errs...)
}

func shardOf(f *fleet.Fleet, key catalog.UnitKey) string {
	if key.OfCluster() {
		return key.Environment + "." + key.Service
	}
	team, ok := key.Team()
	if u := f.Unit(key); !ok && u != nil {
		team = u.Team
	}
	return key.Environment + "." + team
}
