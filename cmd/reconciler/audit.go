package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/audit"
	"github.com/fairway-dev/fairway/pkg/journal"
)

func newAudit(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Prove what the journal says",
		Long: `audit is about the journal, which says why each change was made. The API servers
have logs of their own; where the two agree, neither is to be believed blindly.`,
		Example: `  reconciler audit verify --journal /var/lib/reconciler/journal.db`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditVerify(a))
	return cmd
}

func newAuditVerify(a *app) *cobra.Command {
	var s audit.Sources
	var output string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify the journal's chain, and match it with the API servers' audit logs",
		Long: `verify walks the journal's chain of hashes, and says the first record that was
changed or is missing. Given the audit log of a cluster's API server, it matches
both ways: every change that was asked for must be in the journal, with its
revision, unit, plan and reason, and every change that the journal tells of must
be in the log. Every deletion must have been bound to one version of one object.

The journal may be in use. Exit code 1 means that something does not match.`,
		Example: `  reconciler audit verify --journal /var/lib/reconciler/journal.db
  reconciler audit verify --journal journal.db --audit-log prod-eu=/var/log/kubernetes/audit.log --user reconciler`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.auditVerify(cmd.Context(), s, output) },
	}
	cmd.Flags().StringVar(&s.Journal, "journal", "", "file of the journal, journal.db in the data folder")
	cmd.Flags().StringToStringVar(&s.Logs, "audit-log", nil, "audit log of a cluster's API server, as CLUSTER=FILE; may be given several times")
	cmd.Flags().StringSliceVar(&s.Users, "user", nil, "name the daemon has at the API servers; whatever it changes must be in the journal")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "how the report is written: text or json")
	return cmd
}

func (a *app) auditVerify(ctx context.Context, s audit.Sources, output string) error {
	if s.Journal == "" {
		return errors.New("--journal is needed")
	}
	if output != "text" && output != "json" {
		return fmt.Errorf("unknown output %q: use text or json", output)
	}
	report, err := audit.Match(ctx, s)
	if broken, ok := errors.AsType[*journal.BrokenError](err); ok {
		fmt.Fprintln(a.out, broken)
		return errNo
	}
	if err != nil {
		return err
	}
	if output == "json" {
		err = json.NewEncoder(a.out).Encode(report)
	} else {
		err = a.printReport(report, len(s.Logs) > 0)
	}
	if err == nil && len(report.Problems) > 0 {
		return errNo
	}
	return err
}

func (a *app) printReport(r audit.Report, matched bool) error {
	for _, p := range r.Problems {
		fmt.Fprintf(a.out, "%s: %s: %s (%s)\n", p.Cluster, p.Request, p.What, p.ID)
	}
	_, err := fmt.Fprintf(a.out, "%d records hold: %d plans, %d other writes\n", r.Records, r.Plans, r.Deeds)
	if matched && err == nil {
		_, err = fmt.Fprintf(a.out, "%d requests changed something, %d of them deleted; %d are told of; %d are from before the journal, %d did not arrive; %d do not match\n",
			r.Requests, r.Deletes, r.Told, r.Before, r.Unheard, len(r.Problems))
	}
	return err
}
