package eval

import (
	"context"
	"fmt"
	"slices"

	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/git"
)

// maxRecall bounds how many earlier versions of a broken service are tried, and
// maxKills how many of them may use their whole budget up: while they do,
// everybody waits.
const (
	maxRecall = 20
	maxKills  = 2
)

// killed reports a version that ended its worker.
func (e *entry) killed() bool {
	return e != nil && slices.ContainsFunc(e.result.Faults, func(f protocol.Fault) bool { return f.Code == protocol.CodeKilled })
}

// recalled are the kinds whose last good version matters while they are broken:
// what runs, where it runs, what its namespace is called, whether a cluster has a
// unit of its own, and what is waited for.
func recalled(k protocol.Kind) bool {
	return k == protocol.Service || k == protocol.Environment || k == protocol.Cluster || k == protocol.Team || k == protocol.Health
}

// recall finds, for each broken service, environment, team and cluster, the newest earlier
// version that evaluates under the present platform. A broken service stays as
// it is, and so must what its neighbours know of it: a network policy that
// forgot a caller because of a typing mistake would cut off what still runs. Of
// a broken environment it must be known still which units it has, or a restart
// would forget them.
//
// It goes by Git's history alone, so that the answer does not depend on what
// this process happens to have seen.
func (e *Evaluator) recall(ctx context.Context, p platform, evaluated map[string]*entry, history History) error {
	if history == nil {
		return nil
	}
	var missing []*entry
	for _, source := range sortedKeys(evaluated) {
		ent := evaluated[source]
		if ent == nil || len(ent.diags) == 0 || !recalled(ent.place.kind) {
			continue
		}
		if err := e.recallOne(ctx, p, ent, history); err != nil {
			return fmt.Errorf("look for the last good version of %s: %w", source, err)
		}
		if ent.good == nil {
			missing = append(missing, ent)
		}
	}
	for _, root := range []string{"platform", "schema"} {
		var err error
		if missing, err = e.recallPlatform(ctx, p, root, missing, history); err != nil {
			return fmt.Errorf("look for the last good %s: %w", root, err)
		}
	}
	return nil
}

// recallPlatform tries what no earlier version of its own helps under earlier
// platforms: then it was a change of the platform that broke it. It returns
// what is still missing and worth another try.
func (e *Evaluator) recallPlatform(ctx context.Context, p platform, root string, missing []*entry, history History) ([]*entry, error) {
	if len(missing) == 0 {
		return nil, nil
	}
	defer e.Pool.SetPlatform(p.files)
	tried, kills := 0, map[*entry]int{}
	var failed error
	err := history(root, func(tree *git.Tree) bool {
		earlier, err := e.loadPlatform(ctx, tree)
		if err != nil {
			failed = err
			return false
		}
		missing = slices.DeleteFunc(missing, func(ent *entry) bool {
			found, _, err := e.evaluate(ctx, tree, earlier, ent.place)
			if err != nil {
				failed = err
			}
			if found.killed() {
				kills[ent]++
			}
			if found == nil || len(found.diags) > 0 {
				return kills[ent] >= maxKills
			}
			ent.good = found
			return true
		})
		tried++
		return failed == nil && len(missing) > 0 && tried < maxRecall
	})
	if failed != nil {
		return nil, failed
	}
	return missing, err
}

func (e *Evaluator) recallOne(ctx context.Context, p platform, ent *entry, history History) error {
	tried, kills := 0, 0
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
		if earlier.killed() {
			kills++
		}
		tried++
		return tried < maxRecall && kills < maxKills
	})
	if failed != nil {
		return failed
	}
	return err
}
