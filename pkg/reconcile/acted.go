package reconcile

import (
	"errors"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
)

// acted reports whether Git proves that a unit was taken away since a commit: that is
// part of the present history. Where it is part of one that was replaced on purpose,
// the present one itself must have had the release and have it no more.
func (d *Daemon) acted(key catalog.UnitKey, now, then git.Hash) (bool, error) {
	d.mu.Lock()
	l := d.loops[key.Cluster]
	d.mu.Unlock()
	descends, err := d.copy().IsAncestor(then, now)
	if descends || err != nil || l == nil {
		return descends, err
	}
	if covered, err := l.ratchet.covers(now, then); err != nil || !covered {
		return false, err
	}
	tree, err := d.copy().Tree(now)
	if err != nil {
		return false, err
	}
	if still, err := fleet.Released(tree, key); err != nil || still {
		return false, err
	}
	had, err := d.lastReleased(key, now)
	return had != nil, err
}

// lastReleased is the newest tree before a commit that released a unit; nil for none.
func (d *Daemon) lastReleased(key catalog.UnitKey, before git.Hash) (*git.Tree, error) {
	var found *git.Tree
	var failed error
	err := d.copy().Versions(before, "environments/"+key.Environment, func(tree *git.Tree) bool {
		had, err := fleet.Released(tree, key)
		if had {
			found = tree
		}
		failed = err
		return err == nil && !had
	})
	return found, errors.Join(err, failed)
}
