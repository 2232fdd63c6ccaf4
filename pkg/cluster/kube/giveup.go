package kube

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Yield gives up a unit's fields of an object that another unit has taken over:
// an apply of nothing by the unit's own manager. Fields that both own stay, and
// those that only this unit declared go, as they would within one unit. It is
// bound to the object of that UID; one that is gone is nothing to give up.
func (c *Cluster) Yield(ctx context.Context, id object.ID, uid, unit string) error {
	return c.yield(ctx, id, uid, unit, "")
}

func (c *Cluster) yield(ctx context.Context, id object.ID, uid, unit, user string) error {
	res, err := c.locate(ctx, "give up", id, Kind{Group: id.Group, Kind: id.Kind})
	if err != nil {
		return err
	}
	meta := map[string]any{"name": id.Name, "uid": uid}
	if id.Namespace != "" {
		meta["namespace"] = id.Namespace
	}
	body, err := object.Encode(map[string]any{"apiVersion": apiVersion(res), "kind": id.Kind, "metadata": meta})
	if err != nil {
		return fmt.Errorf("give up %s: %w", id, err)
	}
	req := c.client.patch(types.ApplyPatchType, res.path(id), body).Param("fieldManager", manager(unit)).Param("force", "true")
	if _, err := do(ctx, as(req, user)); err != nil {
		return inName(user, refusalOf("give up", id, err, c.index.secretive(id)))
	}
	return nil
}

func apiVersion(res resource) string {
	if res.Group == "" {
		return res.Version
	}
	return res.Group + "/" + res.Version
}

// Release lets go of an adopted object: what the engine wrote on it as its own
// mark goes, and the unit's ownership of fields with it, while every value
// stays. It is bound to exactly the object that was read.
func (c *Cluster) Release(ctx context.Context, id object.ID, uid, unit string) error {
	return c.release(ctx, id, uid, unit, "")
}

func (c *Cluster) release(ctx context.Context, id object.ID, uid, unit, user string) error {
	res, err := c.locate(ctx, "release", id, Kind{Group: id.Group, Kind: id.Kind})
	if err != nil {
		return err
	}
	a, err := do(ctx, c.client.short.Get().AbsPath(res.path(id)))
	if err != nil {
		return c.refuseRead(id, res, err)
	}
	fields, err := a.objectOf(id, false)
	if err != nil {
		return fmt.Errorf("release %s: %w", id, err)
	}
	meta, _ := fields["metadata"].(map[string]any)
	if meta["uid"] != uid || object.Annotation(fields, object.AnnotationUnit) != unit {
		return nil // it is not what we adopted any more
	}
	body, err := object.Encode(map[string]any{"metadata": unmarked(meta, manager(unit))})
	if err != nil {
		return fmt.Errorf("release %s: %w", id, err)
	}
	req := c.client.patch(types.MergePatchType, res.path(id), body).Param("fieldManager", managerPrefix+"release")
	if _, err := do(ctx, as(req, user)); err != nil {
		return inName(user, refusalOf("release", id, err, c.index.secretive(id)))
	}
	return nil
}

// unmarked is the patch of metadata that takes the engine's marks and one
// manager's entries away. Kubernetes takes a list of one empty entry for "nobody
// owns anything".
func unmarked(meta map[string]any, by string) map[string]any {
	list, _ := meta["managedFields"].([]any)
	kept := make([]any, 0, len(list))
	for _, e := range list {
		if entry, _ := e.(map[string]any); entry["manager"] != by {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		kept = append(kept, map[string]any{})
	}
	return map[string]any{
		"uid": meta["uid"], "resourceVersion": meta["resourceVersion"], "managedFields": kept,
		"labels": map[string]any{object.LabelManagedBy: nil},
		"annotations": map[string]any{
			object.AnnotationUnit: nil, object.AnnotationSource: nil, object.AnnotationCommit: nil, object.AnnotationDigest: nil,
		},
	}
}
