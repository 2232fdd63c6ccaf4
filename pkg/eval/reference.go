package eval

import (
	"context"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/git"
)

// Reference documents everything a tree lets people declare, in the order of
// the files: the schema's declarations, then each path's services.
func (e *Evaluator) Reference(ctx context.Context, tree *git.Tree) ([]protocol.FieldDoc, error) {
	if _, err := e.loadPlatform(ctx, tree); err != nil {
		return nil, err
	}
	a, err := e.Pool.ask(ctx, protocol.Question{Reference: true})
	if err != nil {
		return nil, fmt.Errorf("document the schema: %w", err)
	}
	if len(a.Faults) > 0 {
		return nil, fmt.Errorf("document the schema: %s: %s", a.Faults[0].Pos, a.Faults[0].Message)
	}
	return a.Reference, nil
}
