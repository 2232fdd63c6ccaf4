// Package pulls looks after pull requests: what each would do, said before it is merged.
package pulls

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/fleet"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/compose"
	"github.com/fairway-dev/fairway/pkg/review"
)

// Reviewer says what proposals would do. It has a fleet of its own beside the one that
// is in force, which goes from the base to a proposal and back: both ways cost what the
// proposal changes, and nothing for what it does not. Its methods are safe for concurrent
// use; one proposal is looked at at a time.
type Reviewer struct {
	// InForce is the fleet that stands for the base.
	InForce *fleet.Fleet
	// Trial is brought to proposals. It has the same evaluator, day and clock.
	Trial *fleet.Fleet
	// Today is the day policies are decided on; nil leaves the trial's.
	Today func() string

	mu sync.Mutex
}

// Proposal is a change as trees: what a merge of Head into Base would give is
// reviewed, where Ancestor is the last revision that both contain.
type Proposal struct {
	Base, Head, Ancestor git.Revision
	BaseTree             *git.Tree
	HeadTree             *git.Tree
	AncestorTree         *git.Tree
	History              eval.History
}

// Open reads a proposal's trees from a store.
func Open(store *git.Store, base, head git.Revision) (Proposal, error) {
	ancestor, err := store.MergeBase(base.Commit, head.Commit)
	if err != nil {
		return Proposal{}, fmt.Errorf("propose %s for %s: %w", head.Commit, base.Commit, err)
	}
	p := Proposal{Base: base, Head: head, Ancestor: ancestor}
	p.History = func(dir string, visit func(*git.Tree) bool) error { // the base comes before what is merged into it
		if !visit(p.BaseTree) {
			return nil
		}
		return fleet.Before(store, base.Commit)(dir, visit)
	}
	for _, side := range []struct {
		tree   **git.Tree
		commit git.Hash
	}{{&p.BaseTree, base.Commit}, {&p.HeadTree, head.Commit}, {&p.AncestorTree, ancestor.Commit}} {
		if *side.tree, err = store.Tree(side.commit); err != nil {
			return Proposal{}, err
		}
	}
	return p, nil
}

// errMoved: the fleet in force is not, or no longer, at the proposal's base.
var errMoved = errors.New("the base moved meanwhile")

// tries is how often a proposal is looked at anew because the base moved meanwhile.
const tries = 3

// Review says what merging a proposal would do. The fleet in force must be at its base.
func (r *Reviewer) Review(ctx context.Context, p Proposal) (review.Report, error) {
	return r.review(ctx, p, func(in *review.Input, merged *git.Tree) (err error) {
		for range tries {
			if err = r.fill(ctx, p, merged, r.InForce, in); !errors.Is(err, errMoved) {
				break
			}
		}
		return err
	})
}

// Past says the same of a proposal whose base need not be in force any more.
func (r *Reviewer) Past(ctx context.Context, p Proposal) (review.Report, error) {
	report, _, err := r.Replay(ctx, p)
	return report, err
}

// Replay is Past, and gives the base's rules as well.
func (r *Reviewer) Replay(ctx context.Context, p Proposal) (report review.Report, rules *catalog.Catalog, err error) {
	report, err = r.review(ctx, p, func(in *review.Input, merged *git.Tree) error {
		before := r.InForce.Aside()
		if r.Today != nil {
			before.On(r.Today())
		}
		before.Beside(r.InForce.BesideIt())
		if _, err := before.Advance(ctx, p.BaseTree, p.History); err != nil {
			return fmt.Errorf("evaluate the base: %w", err)
		}
		before.Read(func(cat *catalog.Catalog) { rules = cat })
		return r.fill(ctx, p, merged, before, in)
	})
	return report, rules, err
}

// review has the plans of a proposal filled in, where it can be merged.
func (r *Reviewer) review(ctx context.Context, p Proposal, fill func(in *review.Input, merged *git.Tree) error) (review.Report, error) {
	merged, conflicts, err := compose.Merge(p.AncestorTree, p.BaseTree, p.HeadTree)
	if err != nil {
		return review.Report{}, fmt.Errorf("review %s: %w", p.Head.Commit, err)
	}
	if bad, err := merged.Check(git.Limits{}); err != nil {
		return review.Report{}, fmt.Errorf("review %s: %w", p.Head.Commit, err)
	} else if len(bad) > 0 {
		return review.Report{}, fmt.Errorf("review %s: %d names can be mistaken for others, such as %s", p.Head.Commit, len(bad), bad[0])
	}
	in := review.Input{Base: p.Base.Commit.String(), Head: p.Head.Commit.String(), Conflicts: conflicts}
	if len(conflicts) > 0 {
		return review.New(in), nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Trial.Fleeting = true
	if err := fill(&in, merged); err != nil {
		return review.Report{}, fmt.Errorf("review %s: %w", p.Head.Commit, err)
	}
	return review.New(in), nil
}

// fill plans from a fleet that is at the base to the trial, which it brings to the merged
// tree.
func (r *Reviewer) fill(ctx context.Context, p Proposal, merged *git.Tree, before *fleet.Fleet, in *review.Input) error {
	generation := before.Generation()
	if same, err := alike(before.Tree(), p.BaseTree); err != nil || !same {
		return errors.Join(err, errMoved)
	}
	if r.Today != nil {
		r.Trial.On(r.Today())
	}
	r.Trial.Beside(before.BesideIt())
	if _, err := r.Trial.Advance(ctx, p.BaseTree, p.History); err != nil {
		return fmt.Errorf("evaluate the base: %w", err)
	}
	in.Before = r.Trial.Diags()
	change, err := r.Trial.Advance(ctx, merged, p.History)
	if err != nil {
		return fmt.Errorf("evaluate what comes of it: %w", err)
	}
	in.After = r.Trial.Diags()
	keys := slices.DeleteFunc(slices.Concat(change.Changed, change.Removed), func(key catalog.UnitKey) bool {
		_, preview := catalog.PreviewOf(key.Environment) // they follow, and are nobody's to approve
		return preview
	})
	if in.Plans, err = fleet.Compare(ctx, before, r.Trial, keys, in.Head); err != nil {
		return err
	}
	r.describe(keys, before, in)
	if before.Generation() != generation {
		return errMoved
	}
	return nil
}

// alike reports whether two trees hold the same.
func alike(a, b *git.Tree) (bool, error) {
	if a == nil || b == nil {
		return a == b, nil
	}
	changes, err := git.Diff(a, b)
	return len(changes) == 0, err
}

// describe adds what plans do not say of units: whose they are, and what they cost.
func (r *Reviewer) describe(keys []catalog.UnitKey, before *fleet.Fleet, in *review.Input) {
	in.Ranks, in.Teams, in.Costs = map[string]int{}, map[catalog.UnitKey]string{}, map[catalog.UnitKey]review.Cost{}
	for _, side := range []struct {
		fleet *fleet.Fleet
		costs func(*review.Cost) *float64
	}{
		{before, func(c *review.Cost) *float64 { return &c.Before }},
		{r.Trial, func(c *review.Cost) *float64 { return &c.After }},
	} {
		side.fleet.Read(func(cat *catalog.Catalog) {
			for name, e := range cat.Environments {
				in.Ranks[name] = e.Rank
			}
			for _, key := range keys {
				u := side.fleet.Unit(key)
				if u == nil {
					continue
				}
				in.Teams[key] = u.Team
				cost := in.Costs[key]
				price, _ := capacity.Cost(cat.Clusters[key.Cluster], u.Demand())
				*side.costs(&cost) = price * capacity.HoursPerMonth
				in.Costs[key] = cost
			}
		})
	}
}
