package fleet

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

// Twin finds a service of an environment that came after a tree and may be another one of
// that tree under a new name: a hold for the one that was removed, or nil.
func (f *Fleet) Twin(ctx context.Context, tree *git.Tree, removed catalog.UnitKey) (*plan.Hold, error) {
	var fresh []*render.Unit
	for _, u := range f.Units(removed.Cluster) {
		if u.Key.Own() || u.Key.Environment != removed.Environment {
			continue
		}
		there, err := Released(tree, u.Key)
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
	return f.twinAmong(ctx, tree, removed, fresh)
}

// Released reports whether a tree releases a service in an environment, or anything
// of a team for the team's own unit, or declares the cluster for the cluster's.
func Released(tree *git.Tree, key catalog.UnitKey) (bool, error) {
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
