package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// prune deletes one object of ours and forgets it once it is confirmed gone.
// What is still there, held by a finalizer perhaps, stays in the inventory and
// is looked at again.
func (a *Applier) prune(ctx context.Context, unit string, s plan.Step) error {
	if object.Protected(s.ID) {
		return fmt.Errorf("prune %s: objects of this kind are never deleted without consent", s.ID)
	}
	uid, err := a.deleteGate(ctx, unit, s.ID)
	if err != nil {
		return err
	}
	_, err = a.Target.Get(ctx, s.ID, unit)
	if errors.Is(err, cluster.ErrNotFound) {
		a.Target.Forget(unit, s.ID, uid)
		return nil
	}
	return err
}

// deleteGate is the one place that deletes. It reads the object afresh and
// deletes exactly that object, if the inventory lists it for this unit by UID
// and the object names this unit as its owner; otherwise nothing is deleted. It gives
// the UID the inventory lists, which a plan made before the creation lacks.
func (a *Applier) deleteGate(ctx context.Context, unit string, id object.ID) (uid string, err error) {
	owned, known := a.Target.ReadInventory(ctx, unit).Members()
	if !known {
		return "", fmt.Errorf("delete %s: the inventory of %s cannot be read", id, unit)
	}
	uid, listed := owned[id]
	if !listed {
		return "", fmt.Errorf("delete %s: it is not in the inventory of %s", id, unit)
	}
	live, err := a.Target.Get(ctx, id, unit)
	if errors.Is(err, cluster.ErrNotFound) {
		return uid, nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s before deleting it: %w", id, err)
	}
	owner := object.Annotation(live.Fields, object.AnnotationUnit)
	switch {
	case owner != unit:
		return "", fmt.Errorf("delete %s: it belongs to %q and not to %s", id, owner, unit)
	case uid == "":
		// Its creation was intended and never confirmed. It names us, so we made
		// it; the next pass finds its UID confirmed and deletes it.
		a.Target.Confirm(unit, id, live.UID)
		return "", fmt.Errorf("delete %s: its creation was not confirmed yet; it is now, and will be deleted", id)
	case uid != live.UID:
		return "", fmt.Errorf("delete %s: it was made anew by somebody else (UID %s, ours was %s)", id, live.UID, uid)
	}
	err = a.Target.Delete(ctx, id, live.UID, live.ResourceVersion)
	if errors.Is(err, cluster.ErrNotFound) {
		return uid, nil
	}
	if err != nil {
		return "", fmt.Errorf("delete %s: %w", id, err)
	}
	return uid, nil
}
