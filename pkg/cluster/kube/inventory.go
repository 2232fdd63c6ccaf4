package kube

import (
	"context"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// LoadInventory reads from the cluster which objects each unit has, whole or
// not at all. Until it has succeeded once every inventory is unknown and
// Intend refuses.
func (c *Cluster) LoadInventory(ctx context.Context) error { return c.inventory.Load(ctx) }

// Inventory says which objects a unit has or intends to have, with what is
// recorded of each; an empty UID is an object that may not exist. It asks nobody.
func (c *Cluster) Inventory(unit string) object.Set[object.ID, cluster.Owned] {
	return c.inventory.Of(unit)
}

// ReadInventory is Inventory after a consistent read of what is stored. The
// delete gate uses it; it is unknown unless that read succeeded.
func (c *Cluster) ReadInventory(ctx context.Context, unit string) object.Set[object.ID, cluster.Owned] {
	if err := c.inventory.Check(ctx, unit); err != nil {
		return object.Unknown[object.ID, cluster.Owned](err)
	}
	return c.inventory.Of(unit)
}

// Units lists the units that have anything in the inventory, with their shards.
func (c *Cluster) Units() object.Set[string, string] { return c.inventory.Units() }

// Intend records that a unit of a shard may create or take over some objects,
// and returns when the cluster holds that. Nothing may be written before. A shard is an
// environment and a team. Example: "prod.shop".
func (c *Cluster) Intend(ctx context.Context, shard, unit, revision string, objects []cluster.Intent) error {
	return c.inventory.Intend(ctx, shard, unit, revision, objects)
}

// Condemn records that objects of a unit, by their UIDs, are to be deleted, and
// returns when the cluster holds that.
func (c *Cluster) Condemn(ctx context.Context, unit string, uids map[object.ID]string) error {
	return c.inventory.Condemn(ctx, unit, uids)
}

// Confirm records the UID of an object that Apply created. It is written within
// FlushAfter, or with the next Intend of the shard.
func (c *Cluster) Confirm(unit string, id object.ID, uid string) { c.inventory.Confirm(unit, id, uid) }

// Forget drops an object from the inventory, after a consistent read has shown
// that the one with this UID is gone. It is written as Confirm is.
func (c *Cluster) Forget(unit string, id object.ID, uid string) { c.inventory.Forget(unit, id, uid) }

// Flush writes what Confirm and Forget left to be written.
func (c *Cluster) Flush(ctx context.Context) error { return c.inventory.Flush(ctx) }
