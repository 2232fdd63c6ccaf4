package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube/internal/owned"
	"github.com/fairway-dev/fairway/pkg/object"
)

// ApplyRequest asks for one object to be written.
type ApplyRequest = cluster.ApplyRequest

// Apply makes an object as desired by server-side apply: one request, and none
// before it. The answer tells what we own now, so the index holds the object
// as clean before its watch event arrives, and the event is no drift.
//
// Fields that others own are a *cluster.ConflictError.
func (c *Cluster) Apply(ctx context.Context, r ApplyRequest) (cluster.Applied, error) {
	if !r.DryRun {
		c.index.begin(r.Object.ID)
		defer c.index.end(r.Object.ID)
	}
	fields, created, err := c.apply(ctx, r)
	if err != nil {
		return cluster.Applied{}, err
	}
	e := c.index.record(fields, manager(r.Unit))
	if !r.DryRun {
		c.index.applied(r.Object.ID, e)
	}
	return cluster.Applied{UID: e.uid, ResourceVersion: e.rv, Created: created, Shared: owned.Shared(fields, manager(r.Unit))}, nil
}

// Preview says what the object would be after Apply, as the server's own
// defaulting and admission would leave it, and changes nothing.
func (c *Cluster) Preview(ctx context.Context, r ApplyRequest) (cluster.Live, error) {
	r.DryRun = true
	fields, _, err := c.apply(ctx, r)
	if err != nil {
		return cluster.Live{}, err
	}
	return c.live(r.Object.ID, fields, r.Unit), nil
}

func (c *Cluster) apply(ctx context.Context, r ApplyRequest) (fields map[string]any, created bool, err error) {
	id := r.Object.ID
	res, err := c.locate(ctx, "apply", id, KindOf(r.Object))
	if err != nil {
		return nil, false, err
	}
	body, err := stamped(r.Object.Body, r.Commit, r.Object.Digest, r.UID)
	if err != nil {
		return nil, false, fmt.Errorf("apply %s: %w", id, err)
	}
	req := c.client.patch(types.ApplyPatchType, res.path(id), body).
		Param("fieldManager", manager(r.Unit)).
		Param("force", strconv.FormatBool(r.Force))
	if r.DryRun {
		req = req.Param("dryRun", metav1.DryRunAll)
	}
	a, err := do(ctx, as(req, r.As))
	if err != nil {
		return nil, false, inName(r.As, c.refuseApply(r, res, err))
	}
	if fields, err = a.objectOf(id, r.DryRun); err != nil {
		return nil, false, fmt.Errorf("apply %s: %w", id, err)
	}
	return fields, a.status == http.StatusCreated, nil
}

// locate finds where an object of a kind lives.
func (c *Cluster) locate(ctx context.Context, verb string, id object.ID, kind Kind) (resource, error) {
	res, err := c.kinds.resolve(ctx, kind)
	if err != nil {
		return res, fmt.Errorf("%s %s: %w", verb, id, err)
	}
	if err := res.checkScope(id); err != nil {
		return res, fmt.Errorf("%s: %w", verb, err)
	}
	return res, nil
}

func (c *Cluster) refuseApply(r ApplyRequest, res resource, err error) error {
	if conflict := conflict(r, err); conflict != nil {
		return fmt.Errorf("apply %w", conflict)
	}
	err = refusalOf("apply", r.Object.ID, err, c.index.secretive(r.Object.ID) || object.Secretive(r.Object.ID, r.Object.Fields()))
	switch {
	case isNoKind(err):
		c.kinds.forget(res.Kind)
	case errors.Is(err, cluster.ErrNotFound):
		// An apply creates what is missing, so what was not found is where it belongs.
		return fmt.Errorf("%w: %w", cluster.ErrNoNamespace, err)
	}
	return err
}

// conflict reads which fields are whose from a refused apply; nil for other refusals.
func conflict(r ApplyRequest, err error) *cluster.ConflictError {
	status, ok := statusOf(err)
	if !ok || !apierrors.IsConflict(err) || status.Details == nil {
		return nil
	}
	out := &cluster.ConflictError{ID: r.Object.ID}
	desired := r.Object.Fields()
	for _, cause := range status.Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			out.Owners = append(out.Owners, owned.Conflict(desired, cause.Field, cause.Message))
		}
	}
	if len(out.Owners) == 0 {
		return nil
	}
	return out
}
