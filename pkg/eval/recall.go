package eval

import (
	"context"
	"fmt"

	"github.com/fairway-dev/fairway/pkg/git"
)

// maxRecall bounds how many earlier versions of a broken service are tried.
const maxRecall = 20

// recall finds, for each broken service, the newest earlier version that
// evaluates under the present platform. A broken service stays as it is, and
// so must what its neighbours know of it: a network policy that forgot a
// caller because of a typing mistake would cut off what still runs.
//
// It goes by Git's history alone, so that the answer does not depend on what
// this process happens to have seen.
func (e *Evaluator) recall(ctx context.Context, p platform, evaluated map[string]*entry, history History) error {
	if history == nil {
		return nil
	}
	for _, source := range sortedKeys(evaluated) {
		ent := evaluated[source]
		if ent == nil || ent.place.kind != kindService || len(ent.diags) == 0 {
			continue
		}
		if err := e.recallOne(ctx, p, ent, history); err != nil {
			return fmt.Errorf("look for the last good version of %s: %w", source, err)
		}
	}
	return nil
}

func (e *Evaluator) recallOne(ctx context.Context, p platform, ent *entry, history History) error {
	tried := 0
	var failed error
	err := history(ent.place.dir, func(tree *git.Tree) bool {
		earlier, _, err := e.evaluate(ctx, tree, p, ent.place)
		if err != nil {
			failed = err
			return false
		}
		if earlier != nil && len(earlier.diags) == 0 {
			ent.good = earlier
			return false
		}
		tried++
		return tried < maxRecall
	})
	if failed != nil {
		return failed
	}
	return err
}
