package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

// reach is how clusters are reached, and where the daemon's records are on them.
type reach struct {
	kubeconfig string
	system     systemNamespace
}

func (r *reach) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.kubeconfig, "kubeconfig", "", "file with the clusters' contexts (default: as kubectl)")
	r.system.flag(cmd)
}

// systemNamespace is the namespace of the inventory and the lease on every cluster.
// It takes only names that no team can have.
type systemNamespace string

func (n *systemNamespace) flag(cmd *cobra.Command) {
	*n = tenancy.SystemNamespace
	cmd.Flags().Var(n, "system-namespace", "namespace of the daemon's inventory and Lease on each cluster; its name begins with "+tenancy.SystemNamespace)
}

// String, Set and Type make it a flag's value.
func (n *systemNamespace) String() string { return string(*n) }
func (n *systemNamespace) Type() string   { return "string" }
func (n *systemNamespace) Set(text string) error {
	if why := tenancy.System(text); why != "" {
		return errors.New(why)
	}
	*n = systemNamespace(text)
	return nil
}

// dialAll reaches the clusters that the selected units are on.
func (r reach) dialAll(ctx context.Context, f *fleet.Fleet, sel selector, ledger cluster.Ledger) (map[string]*kube.Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	live := map[string]*kube.Cluster{}
	for name, c := range f.Catalog().Clusters {
		if sel.cluster != "" && sel.cluster != name || c.Broken() {
			continue
		}
		k, err := r.dial(ctx, name, c.Connection, kube.Options{Ledger: ledger})
		if err != nil {
			closeAll(live)
			return nil, err
		}
		k.SetHealth(f.Health())
		live[name] = k
	}
	return live, nil
}

func closeAll(live map[string]*kube.Cluster) {
	for _, k := range live {
		k.Close()
	}
}

// dial reaches one cluster and learns what it has of ours.
func (r reach) dial(ctx context.Context, name, connection string, opts kube.Options) (*kube.Cluster, error) {
	cfg, err := kube.Config(r.kubeconfig, connection)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	opts.Name, opts.Namespace = name, string(r.system)
	k, err := kube.Connect(ctx, cfg, opts)
	if err != nil {
		return nil, err
	}
	if err := k.LoadInventory(ctx); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}
