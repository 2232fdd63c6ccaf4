package eval

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/git"
)

// Released reports whether a tree holds the release of a unit, or any release of a
// team for the team's own unit: by the files that are there, whatever they say.
func Released(tree *git.Tree, key catalog.UnitKey) (bool, error) {
	dir := path.Join("environments", key.Environment, "releases")
	list := func(dir string) ([]git.Entry, error) {
		entries, err := tree.ReadDir(dir)
		if err != nil && !errors.Is(err, git.ErrNotFound) && !errors.Is(err, git.ErrNotFile) {
			return nil, fmt.Errorf("look for the release of %s: %w", key, err)
		}
		return entries, nil
	}
	if team, ok := key.Team(); ok {
		entries, err := list(path.Join(dir, team))
		return len(entries) > 0, err
	}
	teams, err := list(dir)
	if err != nil {
		return false, err
	}
	for _, team := range teams {
		if team.Kind != git.Dir {
			continue
		}
		entries, err := list(path.Join(dir, team.Name))
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(entries, func(e git.Entry) bool { return e.Name == key.Service+".cue" }) {
			return true, nil
		}
	}
	return false, nil
}
