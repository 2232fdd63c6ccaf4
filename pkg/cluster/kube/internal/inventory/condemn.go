package inventory

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Condemn records that some objects of a unit, by their UIDs, are to be deleted.
// It returns when that is stored, and shares writes as Intend does. Entries of other UIDs stay as they are.
func (v *Inventory) Condemn(ctx context.Context, name string, uids map[object.ID]string) error {
	done, err := v.condemn(&change{unit: name, condemn: uids, done: make(chan error, 1)})
	if err := waitFor(ctx, done, err); err != nil {
		return fmt.Errorf("record the deletions of %s: %w", name, err)
	}
	return nil
}

// condemn queues the change of Condemn.
func (v *Inventory) condemn(c *change) (<-chan error, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.why(c.unit); err != nil {
		return nil, err
	}
	u := v.units[c.unit]
	if u == nil {
		return nil, errors.New("nothing is recorded of it")
	}
	u.shard.pending = append(u.shard.pending, c)
	v.start(u.shard)
	return c.done, nil
}

func waitFor(ctx context.Context, done <-chan error, err error) error {
	if err != nil {
		return err
	}
	select {
	case err = <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// condemned marks the entries of the given UIDs. An entry that was only intended
// takes the UID, as Confirm would have given it.
func condemned(items []item, uids map[object.ID]string) []item {
	for i, it := range items {
		uid := uids[it.id]
		if uid != "" && (it.UID == "" || it.UID == uid) && !it.Adopted {
			items[i].UID, items[i].Condemned = uid, true
		}
	}
	return items
}
