package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/plan"
	"github.com/fairway-dev/fairway/pkg/render"
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
	var fresh []*render.Unit
	for _, u := range d.fleet.Units(removed.Cluster) {
		if u.Key.Own() || u.Key.Environment != removed.Environment {
			continue
		}
		there, err := released(tree, u.Key)
		if err != nil {
			return nil, err
		}
		if !there {
			fresh = append(fresh, u)
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	slices.SortFunc(fresh, func(a, b *render.Unit) int { return cmp.Compare(a.Key.String(), b.Key.String()) })
	return d.fleet.twinAmong(ctx, tree, removed, fresh)
}

// released reports whether a tree releases a service in an environment, or anything
// of a team for the team's own unit, or declares the cluster for the cluster's.
func released(tree *git.Tree, key catalog.UnitKey) (bool, error) {
	if key.OfCluster() {
		_, _, err := tree.Hash("platform/clusters/" + key.Cluster + "/cluster.cue")
		if errors.Is(err, git.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	root := "environments/" + key.Environment + "/releases"
	if team, ok := key.Team(); ok {
		_, _, err := tree.Hash(root + "/" + team)
		if errors.Is(err, git.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	teams, err := tree.ReadDir(root)
	if errors.Is(err, git.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, team := range teams {
		_, _, err := tree.Hash(root + "/" + team.Name + "/" + key.Service + ".cue")
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, git.ErrNotFound) {
			return false, err
		}
	}
	return false, nil
}

// twinAmong compares a removed service as a tree had it with new ones. A new one
// that cannot be evaluated may be anything.
func (f *Fleet) twinAmong(ctx context.Context, tree *git.Tree, removed catalog.UnitKey, fresh []*render.Unit) (*plan.Hold, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, err := f.evaluator.EarlierService(ctx, f.declared, tree, removed.Service)
	if errors.Is(err, eval.ErrNotDeclared) {
		return nil, nil
	}
	for _, u := range fresh {
		now := f.declared.Catalog.ServiceIn(u.Key.Environment, u.Key.Service)
		switch {
		case now == nil:
		case now.Broken():
			return &plan.Hold{
				Reason:  plan.HoldRenamed,
				Message: fmt.Sprintf("%s was removed while %s came, which cannot be evaluated and may be the same service; its objects stay", removed.Service, now.Name),
				Hint:    "mend " + now.Source, With: u.Key,
			}, nil
		case err != nil:
			return nil, err
		case now.Path == old.Path && now.Image == old.Image:
			hint := fmt.Sprintf("if it was renamed, add to %s:  objectName: %q", now.Source, old.ObjectName)
			if now.ObjectName == old.ObjectName {
				hint = fmt.Sprintf("if it was moved, set namespace in teams/%s/team.cue to the earlier one", now.Team)
			}
			return &plan.Hold{
				Reason:  plan.HoldRenamed,
				Message: fmt.Sprintf("%s was removed while %s came, which runs the same image on the same path; its objects stay, and the new one waits", removed.Service, now.Name),
				Hint:    hint, With: u.Key,
			}, nil
		}
	}
	return nil, nil
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
		p := plan.Compute(Relate(l.fleet, live, l.removal, d, g.Live), g.Live)
		if p.Hold != nil && p.Hold.Reason == plan.HoldRenamed && p.Hold.With == key {
			return &plan.Hold{Reason: plan.HoldRenamed, Message: p.Hold.Message, Hint: p.Hold.Hint, With: old}
		}
	}
	return nil
}
