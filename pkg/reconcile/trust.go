package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/signature"
)

// errUntrusted: a commit is not signed as the policy asks.
var errUntrusted = errors.New("the signing policy refuses it")

// apart is how far a commit's time may lie before its parent's, and after now:
// clocks differ, and nobody may sign into a time when his key was still good.
const apart = 24 * time.Hour

// trust holds commits against the signing policy. Each is judged by the policy that
// stood before it, so what a push lets in cannot let itself in.
type trust struct {
	evaluator *eval.Evaluator
	pinned    *signature.Policy // instead of what Git declares
	store     func() *git.Store
	now       func() time.Time

	mu       sync.Mutex
	policies map[policyKey]policy
	good     map[git.Hash]*signature.Policy // commits and what found them good
}

// policyKey is what a policy is evaluated from.
type policyKey struct{ signing, schema git.Hash }

// policy is what came of evaluating one; nil where none is declared.
type policy struct {
	*signature.Policy
	broken error
}

// between holds every commit after one revision up to another against the policy.
// Where the second does not descend from the first, it alone is judged, by the
// policy of the first; where there is no first, by its own. With fresh set the last
// signature must be good now and not only when it was made.
func (t *trust) between(ctx context.Context, from, to git.Hash, fresh bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, chain, err := t.chain(from, to)
	if err != nil {
		return err
	}
	for i, r := range chain {
		at := time.Time{}
		if fresh && i == len(chain)-1 {
			at = t.now()
		}
		if err := t.one(ctx, before, r, at); err != nil {
			return err
		}
		before = r
	}
	return nil
}

// chain lists the revisions after from up to to, oldest first, and what the first
// of them is judged by.
func (t *trust) chain(from, to git.Hash) (before git.Revision, chain []git.Revision, err error) {
	store := t.store()
	for at := to; ; {
		revs, err := store.FirstParents(at, stride)
		if err != nil {
			return before, nil, err
		}
		for _, r := range revs {
			if r.Commit == from {
				slices.Reverse(chain)
				return r, chain, nil
			}
			chain = append(chain, r)
		}
		last := revs[len(revs)-1]
		if len(last.Parents) == 0 || from.IsZero() {
			break
		}
		at = last.Parents[0]
	}
	if known, err := store.FirstParents(from, 1); err == nil {
		return known[0], chain[:1], nil
	}
	return chain[0], chain[:1], nil
}

// one judges a revision by what stood before it.
func (t *trust) one(ctx context.Context, before, r git.Revision, at time.Time) error {
	p, err := t.standing(ctx, before.Commit)
	if err != nil {
		return err
	}
	if p == nil || !p.Required || at.IsZero() && t.good[r.Commit] == p {
		return nil
	}
	refused := func(why error) error {
		return fmt.Errorf("commit %s by %s (%q): %w: %w", r.Commit, r.Author, r.Subject, why, errUntrusted)
	}
	switch {
	case r.Time.Before(before.Time.Add(-apart)):
		return refused(fmt.Errorf("it is dated %s, before what it follows", r.Time.UTC().Format(time.RFC3339)))
	case r.Time.After(t.now().Add(apart)):
		return refused(fmt.Errorf("it is dated %s, in the future", r.Time.UTC().Format(time.RFC3339)))
	}
	raw, err := t.store().RawCommit(r.Commit)
	if err != nil {
		return err
	}
	for _, when := range []time.Time{{}, at} {
		if _, err := p.Check(raw, when); err != nil {
			return refused(err)
		}
	}
	if t.good == nil || len(t.good) > 1<<16 {
		t.good = map[git.Hash]*signature.Policy{}
	}
	t.good[r.Commit] = p
	return nil
}

// standing is the policy at a revision, or the last good one before it.
func (t *trust) standing(ctx context.Context, commit git.Hash) (*signature.Policy, error) {
	if t.pinned != nil {
		return t.pinned, nil
	}
	tree, err := t.store().Tree(commit)
	if err != nil {
		return nil, err
	}
	p, err := t.policyOf(ctx, tree)
	if err != nil || p.broken == nil {
		return p.Policy, err
	}
	first := p.broken
	var failed error
	err = t.store().Versions(commit, "platform/signing", func(tree *git.Tree) bool {
		p, failed = t.policyOf(ctx, tree)
		return failed == nil && p.broken != nil
	})
	switch {
	case errors.Join(err, failed) != nil:
		return nil, errors.Join(err, failed)
	case p.broken != nil:
		return nil, fmt.Errorf("the signing policy at %s: %w: %w", commit, first, errUntrusted)
	}
	return p.Policy, nil
}

// policyOf evaluates the policy of a tree, once for equal content.
func (t *trust) policyOf(ctx context.Context, tree *git.Tree) (policy, error) {
	var key policyKey
	var err error
	if key.signing, _, err = tree.Hash("platform/signing"); errors.Is(err, git.ErrNotFound) {
		return policy{}, nil
	} else if err != nil {
		return policy{}, err
	}
	if key.schema, _, err = tree.Hash("schema"); err != nil && !errors.Is(err, git.ErrNotFound) {
		return policy{}, err
	}
	if p, ok := t.policies[key]; ok {
		return p, nil
	}
	cat, err := t.evaluator.Preview(ctx, tree)
	if err != nil {
		return policy{}, err
	}
	p := policy{broken: errors.New("it does not evaluate; run reconciler vet")}
	if cat.Signing != nil && !cat.Signing.Broken() {
		p.Policy, p.broken = signature.Parse(cat.Signing.Data)
	}
	if t.policies == nil {
		t.policies = map[policyKey]policy{}
	}
	t.policies[key] = p
	return p, nil
}
