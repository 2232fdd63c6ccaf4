package apply

import (
	"cmp"
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
func (a *Applier) prune(ctx context.Context, unit string, s plan.Step) (left bool, err error) {
	uid, err := a.deleteGate(ctx, unit, s)
	if err != nil {
		return false, err
	}
	_, err = a.Target.Get(ctx, s.ID, unit)
	if errors.Is(err, cluster.ErrNotFound) {
		a.Target.Forget(unit, s.ID, uid)
		return false, nil
	}
	return err == nil, err
}

// condemn records the deletions of a plan that need to be, before the first of
// them, in one write.
func (a *Applier) condemn(ctx context.Context, p plan.Plan) error {
	uids := map[object.ID]string{}
	for _, s := range p.Steps {
		if s.Condemn {
			uids[s.ID] = cmp.Or(s.Owned, s.UID)
		}
	}
	if len(uids) == 0 {
		return nil
	}
	if err := a.Target.Condemn(ctx, p.Unit.String(), uids); err != nil {
		return fmt.Errorf("record in the inventory what will be deleted: %w", err)
	}
	return nil
}

// deleteGate is the one place that deletes. It reads the object afresh and
// deletes exactly that object, if the inventory lists it for this unit by UID
// and the object names this unit as its owner; otherwise nothing is deleted. What
// needs consent must be recorded as condemned, which a plan records only after
// consent; what was adopted is never deleted. It gives the UID the inventory
// lists, which a plan made before the creation lacks.
func (a *Applier) deleteGate(ctx context.Context, unit string, s plan.Step) (uid string, err error) {
	id := s.ID
	owned, known := a.Target.ReadInventory(ctx, unit).Members()
	if !known {
		return "", fmt.Errorf("delete %s: the inventory of %s cannot be read", id, unit)
	}
	entry, listed := owned[id]
	switch {
	case !listed:
		return "", fmt.Errorf("delete %s: it is not in the inventory of %s", id, unit)
	case entry.Adopted:
		return "", fmt.Errorf("delete %s: it was there before us and was adopted, so it stays", id)
	}
	uid = entry.UID
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
	case !entry.Condemned && (s.Guarded || object.Protected(id) || object.Locked(live.Fields)):
		return "", fmt.Errorf("delete %s: it goes with consent only, and none is recorded for it", id)
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
