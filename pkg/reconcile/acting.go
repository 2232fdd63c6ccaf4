package reconcile

import (
	"context"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/apply"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/render"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

// Acting is a cluster as one unit may write to it. A team's own unit and
// a cluster's are the daemon's to write. A service is written in the name of its team's account, so
// that the cluster itself refuses what the team may not have; where that
// account may not write, nothing is written. Reading stays the daemon's.
//
// The unit is nil for one that is only to be removed.
func Acting(live Live, key catalog.UnitKey, u *render.Unit) apply.Target {
	if key.Own() {
		return live
	}
	a := &acting{Live: live, unit: key}
	if u != nil {
		a.namespace = u.Namespace()
	}
	return a
}

type acting struct {
	Live
	unit      catalog.UnitKey
	namespace string // its team's; "" where the unit is not declared any more
}

// Apply writes as the account of the service's team, whatever namespace the
// object names.
func (a *acting) Apply(ctx context.Context, r cluster.ApplyRequest) (cluster.Applied, error) {
	if a.namespace == "" {
		return cluster.Applied{}, fmt.Errorf("it is not known whose %s is", a.unit)
	}
	w, err := a.as(a.namespace)
	if err != nil {
		return cluster.Applied{}, err
	}
	return w.Apply(ctx, r)
}

// What goes, goes as the account of the namespace the object is in: a service
// that moved to another team leaves objects in the namespace of the first. That
// it is the unit's was found out before.

// Delete deletes as the account of the object's namespace.
func (a *acting) Delete(ctx context.Context, id object.ID, uid, resourceVersion string) error {
	w, err := a.as(id.Namespace)
	if err != nil {
		return err
	}
	return w.Delete(ctx, id, uid, resourceVersion)
}

// Yield gives up fields as the account of the object's namespace.
func (a *acting) Yield(ctx context.Context, id object.ID, uid, unit string) error {
	w, err := a.as(id.Namespace)
	if err != nil {
		return err
	}
	return w.Yield(ctx, id, uid, unit)
}

// Release takes our marks off as the account of the object's namespace.
func (a *acting) Release(ctx context.Context, id object.ID, uid, unit string) error {
	w, err := a.as(id.Namespace)
	if err != nil {
		return err
	}
	return w.Release(ctx, id, uid, unit)
}

// as is the cluster as the account of a namespace may write to it.
func (a *acting) as(namespace string) (cluster.Writer, error) {
	account, err := tenancy.Account(namespace)
	if err != nil {
		return nil, err
	}
	return a.Live.As(account), nil
}
