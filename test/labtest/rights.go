package labtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/fairway-dev/fairway/pkg/cluster/kube"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

// User is the identity under test, as the API server knows it.
const User = "fairway"

// prepare installs what teams may do, without which nothing can be written in
// their names.
func (p *Plane) prepare(ctx context.Context) error {
	rights, err := tenancy.Installation{User: User}.Manifests()
	if err != nil {
		return err
	}
	return p.Install(ctx, slices.DeleteFunc(rights, func(o object.Object) bool { return o.ID.Name != tenancy.TeamRole })...)
}

// Restrict takes from the identity under test the right to do everything, and
// gives it what an operator would install for a daemon.
func (p *Plane) Restrict(ctx context.Context) error {
	rights, err := tenancy.Installation{User: User}.Manifests()
	if err != nil {
		return err
	}
	if err := p.Install(ctx, rights...); err != nil {
		return err
	}
	nobody, err := object.Parse([]byte(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"fairway-lab:fairway"},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},"subjects":[]}`))
	if err != nil {
		return err
	}
	return p.Install(ctx, nobody)
}

// Inventory lets the identity under test keep an inventory in one more namespace.
func (p *Plane) Inventory(ctx context.Context, namespace string) error {
	rights, err := tenancy.Installation{User: User, Namespace: namespace}.Manifests()
	if err != nil {
		return err
	}
	return p.Install(ctx, slices.DeleteFunc(rights, func(o object.Object) bool {
		return o.ID.Namespace != namespace && o.ID.Name != namespace
	})...)
}

// Install writes objects as the identity that arranges the test.
func (p *Plane) Install(ctx context.Context, objects ...object.Object) error {
	cfg, err := kube.Config(p.AdminKubeconfig, "")
	if err != nil {
		return fmt.Errorf("install on the plane: %w", err)
	}
	cfg.UserAgent = "labtest" // whoever counts the daemon's requests does not count these
	return kube.Install(ctx, cfg, objects)
}
