package kube

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// As is the cluster as another user may write to it, with that user's rights
// and no others.
func (c *Cluster) As(user string) cluster.Writer { return &deputy{c, user} }

type deputy struct {
	cluster *Cluster
	user    string
}

// errNobody is for a user without a name, who would be the daemon itself.
var errNobody = errors.New("it is not said in whose name to write")

func (d *deputy) Apply(ctx context.Context, r cluster.ApplyRequest) (cluster.Applied, error) {
	if d.user == "" {
		return cluster.Applied{}, errNobody
	}
	r.As = d.user
	return d.cluster.Apply(ctx, r)
}

func (d *deputy) Delete(ctx context.Context, id object.ID, uid, resourceVersion string) error {
	if d.user == "" {
		return errNobody
	}
	return d.cluster.delete(ctx, id, uid, resourceVersion, d.user)
}

func (d *deputy) Yield(ctx context.Context, id object.ID, uid, unit string) error {
	if d.user == "" {
		return errNobody
	}
	return d.cluster.yield(ctx, id, uid, unit, d.user)
}

func (d *deputy) Release(ctx context.Context, id object.ID, uid, unit string) error {
	if d.user == "" {
		return errNobody
	}
	return d.cluster.release(ctx, id, uid, unit, d.user)
}

// as sends a request in the name of another user. The server checks that we may
// speak for that user, and then what that user may do; what we may do ourselves
// counts for nothing.
func as(r *rest.Request, user string) *rest.Request {
	if user == "" {
		return r
	}
	return r.SetHeader("Impersonate-User", user)
}

// inName says in whose name something was forbidden: whose rights to look at.
func inName(user string, err error) error {
	if user == "" || !errors.Is(err, cluster.ErrForbidden) {
		return err
	}
	return fmt.Errorf("as %s: %w", user, err)
}
