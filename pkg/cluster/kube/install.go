package kube

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Install writes some objects once, in their order, as somebody who may: what
// a cluster needs before the daemon can work there. It takes over what is there
// already under these names.
func Install(ctx context.Context, cfg *rest.Config, objects []object.Object) error {
	cl, err := newClient(cfg, Options{Timeout: time.Minute}.filled())
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	defer cl.close()
	k := newKinds(cl, time.Now)
	for _, o := range objects {
		res, err := k.resolve(ctx, KindOf(o))
		if err != nil {
			return fmt.Errorf("install %s: %w", o.ID, err)
		}
		if err := res.checkScope(o.ID); err != nil {
			return fmt.Errorf("install: %w", err)
		}
		r := cl.patch(types.ApplyPatchType, res.path(o.ID), o.Body).Param("fieldManager", "fairway-install").Param("force", "true")
		if _, err := do(ctx, r); err != nil {
			return refusalOf("install", o.ID, err, false)
		}
	}
	return nil
}
