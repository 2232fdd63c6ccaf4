package kube

import (
	"context"

	"github.com/fairway-dev/fairway/pkg/object"
)

// LoadInventory reads from the cluster which objects each unit has, whole or
// not at all. Until it has succeeded once every inventory is unknown and
// Intend refuses.
func (c *Cluster) LoadInventory(ctx context.Context) error { return c.inventory.Load(ctx) }

// Inventory says which objects a unit has or intends to have, with their UIDs;
// an empty UID is an object that is intended and may not exist. It asks nobody.
func (c *Cluster) Inventory(unit string) object.Set[object.ID, string] { return c.inventory.Of(unit) }

// ReadInventory is Inventory after a consistent read of what is stored. The
// delete gate uses it; it is unknown unless that read succeeded.
func (c *Cluster) ReadInventory(ctx context.Context, unit string) object.Set[object.ID, string] {
	if err := c.inventory.Check(ctx, unit); err != nil {
		return object.Unknown[object.ID, string](err)
	}
	return c.inventory.Of(unit)
}

// Units lists the units that have anything in the inventory, with their shards.
func (c *Cluster) Units() object.Set[string, string] { return c.inventory.Units() }

// Intend records that a unit of a shard may create some objects, and returns
// when the cluster holds that. Nothing may be created before. A shard is an
// environment and a team. Example: "prod.shop".
func (c *Cluster) Intend(ctx context.Context, shard, unit, revision string, ids []object.ID) error {
	return c.inventory.Intend(ctx, shard, unit, revision, ids)
}

// Confirm records the UID of an object that Apply created. It is written within
// FlushAfter, or with the next Intend of the shard.
func (c *Cluster) Confirm(unit string, id object.ID, uid string) { c.inventory.Confirm(unit, id, uid) }

// Forget drops an object from the inventory, after a consistent read has shown
// that the one with this UID is gone. It is written as Confirm is.
func (c *Cluster) Forget(unit string, id object.ID, uid string) { c.inventory.Forget(unit, id, uid) }

// Flush writes what Confirm and Forget left to be written.
func (c *Cluster) Flush(ctx context.Context) error { return c.inventory.Flush(ctx) }
