package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// A service that is removed while another comes that is just like it was
// probably renamed: taken at its word, Git asks for an outage. So the old one
// stays, the new one is not started beside it, and the message names the line
// that makes it a rename and the one that makes it a removal.

// twin finds a service of an environment that came after a revision and may be
// another one of that revision under a new name.
func (d *Daemon) twin(ctx context.Context, removed catalog.UnitKey, recorded string) (*plan.Hold, error) {
	then, err := git.ParseHash(recorded)
	if err != nil {
		return nil, err
	}
	tree, err := d.copy().Tree(then)
	if errors.Is(err, git.ErrNotFound) { // its history was replaced on purpose, and is gone
		d.mu.Lock()
		now := d.current.Commit
		d.mu.Unlock()
		if had, lookErr := d.lastReleased(removed, now); had != nil || lookErr != nil {
			tree, err = had, lookErr
		}
	}
	if err != nil {
		return nil, err
	}
	return d.fleet.Twin(ctx, tree, removed)
}

// renamed holds a removed unit that may live on under another name. What cannot
// be looked up is held as well.
func (l *loop) renamed(ctx context.Context, live Live, key catalog.UnitKey) *plan.Hold {
	if _, preview := catalog.PreviewOf(key.Environment); key.Own() || l.twin == nil || preview {
		return nil
	}
	hold, err := l.twin(ctx, key, live.Recorded(key.String()))
	if err != nil {
		return &plan.Hold{Reason: plan.HoldRenamed, Message: fmt.Sprintf("it cannot be said whether %s was renamed: %v; its objects stay", key.Service, err)}
	}
	return hold
}

// succeeds holds a new unit while one that was removed may be the same under its
// earlier name: two of them would run side by side.
func (l *loop) succeeds(ctx context.Context, live Live, key catalog.UnitKey, revision string) *plan.Hold {
	owned, known := live.Inventory(key.String()).Members()
	if _, preview := catalog.PreviewOf(key.Environment); key.Own() || !known || len(owned) > 0 || preview {
		return nil
	}
	units, _ := live.Units().Members()
	for name := range units {
		old, err := catalog.ParseUnitKey(name)
		if err != nil || old.Environment != key.Environment || old.Cluster != key.Cluster || l.fleet.Unit(old) != nil {
			continue
		}
		d, err := l.desired(ctx, live, old, nil, revision)
		if err != nil {
			continue // it does not go
		}
		g := Look(ctx, live, old, nil, false, nil)
		p := plan.Compute(fleet.Relate(l.fleet, live, l.removal, d, g.Live), g.Live)
		if p.Hold != nil && p.Hold.Reason == plan.HoldRenamed && p.Hold.With == key {
			return &plan.Hold{Reason: plan.HoldRenamed, Message: p.Hold.Message, Hint: p.Hold.Hint, With: old}
		}
	}
	return nil
}
