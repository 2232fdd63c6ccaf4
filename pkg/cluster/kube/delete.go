package kube

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Delete removes exactly the object that was looked at: the server refuses if
// its UID or its resourceVersion is another by now (ErrPrecondition), and
// without both nothing is sent. Dependents follow in the background: a
// foreground delete would put a finalizer on the object, and one child that
// hangs would hang the whole unit.
//
// Only the delete gate in package apply may call this.
func (c *Cluster) Delete(ctx context.Context, id object.ID, uid, resourceVersion string) error {
	return c.delete(ctx, id, uid, resourceVersion, "")
}

func (c *Cluster) delete(ctx context.Context, id object.ID, uid, resourceVersion, user string) error {
	if uid == "" || resourceVersion == "" {
		return fmt.Errorf("delete %s: uid and resourceVersion are both needed", id)
	}
	res, err := c.locate(ctx, "delete", id, Kind{Group: id.Group, Kind: id.Kind})
	if err != nil {
		return err
	}
	propagation := metav1.DeletePropagationBackground
	body, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions:     &metav1.Preconditions{UID: (*types.UID)(&uid), ResourceVersion: &resourceVersion},
		PropagationPolicy: &propagation,
	})
	if err != nil {
		return fmt.Errorf("delete %s: %w", id, err)
	}
	if _, err = do(ctx, as(c.client.short.Delete().AbsPath(res.path(id)).Body(body), user)); err != nil {
		err = inName(user, refusalOf("delete", id, err, c.index.secretive(id)))
		if errors.Is(err, cluster.ErrNoNamespace) {
			return fmt.Errorf("delete %s: its namespace is going away: %w", id, err)
		}
		return err
	}
	c.index.leaving(id, uid)
	return nil
}
