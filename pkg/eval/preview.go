package eval

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/git"
)

// Preview evaluates what of a tree must be known before the revision is followed:
// its clusters and its signing policy. It has a worker of its own, so that what
// others ask goes on being answered against the present platform.
func (e *Evaluator) Preview(ctx context.Context, tree *git.Tree) (*catalog.Catalog, error) {
	apart := &Evaluator{Pool: NewPool(e.Pool.command, 1), Cache: e.Cache, Engine: e.Engine}
	defer apart.Pool.Close()
	places := map[string]place{signing().source(): signing()}
	clusters, err := tree.ReadDir("platform/clusters")
	if err != nil && !errors.Is(err, git.ErrNotFound) {
		return nil, fmt.Errorf("preview a revision: %w", err)
	}
	for _, c := range clusters {
		if p, ok := placeOf(path.Join("platform/clusters", c.Name, "cluster.cue")); ok {
			places[p.source()] = p
		}
	}
	platform, err := apart.loadPlatform(ctx, tree)
	if err != nil {
		return nil, fmt.Errorf("preview a revision: %w", err)
	}
	found, _, err := apart.evaluateAll(ctx, tree, platform, places)
	if err != nil {
		return nil, fmt.Errorf("preview a revision: %w", err)
	}
	st, delta := NewState(), Delta{}
	for source, ent := range found {
		st.commit(source, ent, &delta)
	}
	return st.Catalog, nil
}
