package kube

// Recorded is the revision at which what a unit owns last grew, as the
// inventory notes it; "" if nothing is recorded.
func (c *Cluster) Recorded(unit string) string { return c.inventory.Revision(unit) }
