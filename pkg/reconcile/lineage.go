package reconcile

import (
	"fmt"
	"sync"

	"github.com/fairway-dev/fairway/pkg/git"
)

// history is what of a store the lineage walks.
type history interface {
	FirstParents(from git.Hash, limit int) ([]git.Revision, error)
}

// lineage answers whether one revision comes before another on a branch. It
// walks history once, as far as was ever asked, and then costs map lookups. Its
// methods are safe for concurrent use.
type lineage struct {
	mu     sync.Mutex
	depth  map[git.Hash]int // along first parents: a parent's is lower by one
	tip    git.Hash         // the highest
	bottom git.Revision     // the lowest
}

// stride is how many revisions are read at a time.
const stride = 256

// has reports whether commit is head or a first parent of it, however far. A
// commit nobody has is not; an error is about reading history.
func (g *lineage) has(from history, head, commit git.Hash) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.reach(from, head); err != nil {
		return false, fmt.Errorf("look for %s before %s: %w", commit, head, err)
	}
	for {
		if at, seen := g.depth[commit]; seen {
			return at <= g.depth[head], nil
		}
		if len(g.bottom.Parents) == 0 {
			return false, nil
		}
		revs, err := from.FirstParents(g.bottom.Parents[0], stride)
		if err != nil {
			return false, fmt.Errorf("look for %s before %s: %w", commit, head, err)
		}
		g.below(revs)
	}
}

// root is the first commit of the history of head.
func (g *lineage) root(from history, head git.Hash) (git.Hash, error) {
	if _, err := g.has(from, head, git.Hash{}); err != nil {
		return git.Hash{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bottom.Commit, nil
}

// reach makes head part of the line. Where it does not continue the line that
// is known, a new one begins.
func (g *lineage) reach(from history, head git.Hash) error {
	if _, seen := g.depth[head]; seen {
		return nil
	}
	var fresh []git.Revision
	for at := head; ; {
		revs, err := from.FirstParents(at, stride)
		if err != nil {
			return err
		}
		for i, r := range revs {
			if r.Commit == g.tip {
				g.above(append(fresh, revs[:i]...))
				return nil
			}
			if _, seen := g.depth[r.Commit]; seen {
				g.begin(append(fresh, revs...))
				return nil
			}
		}
		fresh = append(fresh, revs...)
		last := revs[len(revs)-1]
		if len(g.depth) == 0 || len(last.Parents) == 0 {
			g.begin(fresh)
			return nil
		}
		at = last.Parents[0]
	}
}

// begin forgets the line for another one, given newest first.
func (g *lineage) begin(revs []git.Revision) {
	g.depth = map[git.Hash]int{revs[0].Commit: 0}
	g.tip, g.bottom = revs[0].Commit, revs[0]
	g.below(revs[1:])
}

func (g *lineage) below(revs []git.Revision) {
	for _, r := range revs {
		g.depth[r.Commit] = g.depth[g.bottom.Commit] - 1
		g.bottom = r
	}
}

func (g *lineage) above(revs []git.Revision) {
	for i := len(revs) - 1; i >= 0; i-- {
		g.depth[revs[i].Commit] = g.depth[g.tip] + 1
		g.tip = revs[i].Commit
	}
}
