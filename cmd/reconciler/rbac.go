package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

func newRBAC(a *app) *cobra.Command {
	var installation tenancy.Installation
	var system systemNamespace
	var cluster, output string
	cmd := &cobra.Command{
		Use:   "rbac",
		Short: "Print the rights the daemon needs on a cluster, to be installed there",
		Long: `rbac prints what an operator installs on a cluster before the daemon can work
there: what the daemon may do itself, what it may do in the name of a team, and
policies for what rights cannot say. With --cluster, what that cluster offers to
services beside the usual kinds, and which admission policies its own unit may
hold, is in it. Install it anew after an upgrade and
after a change of what a cluster offers.`,
		Example: `  reconciler rbac | kubectl apply --server-side -f -
  reconciler rbac --cluster prod-eu --user reconciler@example.com
  reconciler rbac --service-account platform/reconciler`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cluster != "" {
				c, err := a.declaredCluster(cmd.Context(), cluster)
				if err != nil {
					return err
				}
				installation.Offered, installation.Policies = c.Kinds, c.Policies
			}
			installation.Namespace = string(system)
			return writeRights(a.out, installation, output)
		},
	}
	cmd.Flags().StringVar(&installation.User, "user", "", "the daemon's user name on the cluster, if it is no service account")
	cmd.Flags().StringVar(&installation.ServiceAccount, "service-account", "", "the daemon's service account on the cluster, as NAMESPACE/NAME (default: reconciler in the system namespace)")
	system.flag(cmd)
	cmd.Flags().StringVar(&cluster, "cluster", "", "the cluster, as it is declared in platform/clusters")
	cmd.Flags().StringVarP(&output, "output", "o", "yaml", "how objects are written: yaml or json")
	cmd.MarkFlagsMutuallyExclusive("user", "service-account")
	return cmd
}

func writeRights(w io.Writer, installation tenancy.Installation, output string) error {
	if !slices.Contains([]string{"yaml", "json"}, output) {
		return fmt.Errorf("unknown output %q: use yaml or json", output)
	}
	objects, err := installation.Manifests()
	if err != nil {
		return err
	}
	for _, o := range objects {
		text, err := writer{output: output}.encode(o)
		if err != nil {
			return fmt.Errorf("write %s: %w", o.ID, err)
		}
		if err := writeDocument(w, text, output); err != nil {
			return err
		}
	}
	return nil
}

// declaredCluster is a cluster as the working tree declares it.
func (a *app) declaredCluster(ctx context.Context, name string) (*catalog.Cluster, error) {
	w, err := a.open()
	if err != nil {
		return nil, err
	}
	defer w.close()
	f, _, _, err := w.fleet(ctx, "")
	if err != nil {
		return nil, err
	}
	c := f.Catalog().Clusters[name]
	if c == nil || c.Broken() {
		return nil, fmt.Errorf("cluster %s is not declared, or not without mistakes; see reconciler vet", name)
	}
	return c, nil
}
