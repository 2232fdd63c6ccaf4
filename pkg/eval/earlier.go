package eval

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/git"
)

// ErrNotDeclared: a tree does not declare what was asked for.
var ErrNotDeclared = errors.New("is not declared")

// EarlierService is a service as an earlier tree declares it, under the present
// platform. One that the tree does not have is ErrNotDeclared.
func (e *Evaluator) EarlierService(ctx context.Context, st *State, tree *git.Tree, name string) (*catalog.Service, error) {
	teams, err := tree.ReadDir("teams")
	if err != nil {
		return nil, fmt.Errorf("look for service %s: %w", name, err)
	}
	for _, team := range teams {
		pl := serviceAt(team.Name, name)
		ent, _, err := e.evaluate(ctx, tree, st.platform, pl)
		switch {
		case err != nil:
			return nil, fmt.Errorf("evaluate service %s as it was: %w", name, err)
		case ent == nil:
			continue
		case len(ent.diags) > 0:
			return nil, fmt.Errorf("evaluate service %s as it was: %s", name, ent.diags[0].Message)
		}
		return serviceOf(catalog.Declared{Name: name, Source: pl.source(), Data: ent.result.Data}, team.Name), nil
	}
	return nil, fmt.Errorf("service %s: %w", name, ErrNotDeclared)
}
