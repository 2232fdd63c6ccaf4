package reconcile

import (
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/git"
)

// told is a history by parents, which counts what is read of it.
type told struct {
	parents map[git.Hash]git.Hash
	read    int
}

func (h *told) FirstParents(from git.Hash, limit int) ([]git.Revision, error) {
	var out []git.Revision
	for at := from; len(out) < limit; {
		parent, known := h.parents[at]
		if !known {
			return nil, fmt.Errorf("%s: %w", at, git.ErrNotFound)
		}
		h.read++
		r := git.Revision{Commit: at}
		if out = append(out, r); parent.IsZero() {
			break
		}
		out[len(out)-1].Parents = []git.Hash{parent}
		at = parent
	}
	return out, nil
}

func (h *told) before(head, commit git.Hash) bool {
	for at := head; !at.IsZero(); at = h.parents[at] {
		if at == commit {
			return true
		}
	}
	return false
}

func hashOf(n int) git.Hash {
	var h git.Hash
	binary.BigEndian.PutUint32(h[:], uint32(n))
	return h
}

// TestLineageEqualsWalking: whatever was asked before, in whatever order, a lineage
// answers as a walk from the start does.
func TestLineageEqualsWalking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &told{parents: map[git.Hash]git.Hash{}}
		n := rapid.IntRange(1, 40).Draw(t, "revisions")
		for i := 1; i <= n; i++ {
			h.parents[hashOf(i)] = hashOf(rapid.IntRange(max(0, i-4), i-1).Draw(t, "parent"))
		}
		var g lineage
		for range rapid.IntRange(1, 30).Draw(t, "questions") {
			head, commit := hashOf(rapid.IntRange(1, n).Draw(t, "head")), hashOf(rapid.IntRange(1, n+3).Draw(t, "commit"))
			got, err := g.has(h, head, commit)
			if want := h.before(head, commit); err != nil || got != want {
				t.Fatalf("%s before %s: got %v, %v, want %v", commit, head, got, err, want)
			}
		}
	})
}

// TestLineageCosts: a long history is read once, and a new revision costs a look at
// what came since.
func TestLineageCosts(t *testing.T) {
	h := &told{parents: map[git.Hash]git.Hash{}}
	for i := 1; i <= 10_000; i++ {
		h.parents[hashOf(i)] = hashOf(i - 1)
	}
	var g lineage
	ask := func(head, commit int, want bool) {
		t.Helper()
		if got, err := g.has(h, hashOf(head), hashOf(commit)); err != nil || got != want {
			t.Errorf("%d before %d: %v, %v", commit, head, got, err)
		}
	}
	ask(9_000, 8_990, true)
	if h.read > stride {
		t.Errorf("%d revisions read for a near one, want %d", h.read, stride)
	}
	ask(9_000, 1, true)
	ask(9_000, 20_000, false)
	h.read = 0
	for i := range 8_999 {
		ask(9_000, i+1, true)
	}
	if h.read > 0 {
		t.Errorf("%d revisions read again", h.read)
	}
	ask(9_001, 9_000, true)
	ask(9_001, 3, true)
	ask(9_000, 9_001, false)
	if h.read > stride {
		t.Errorf("%d revisions read for one new one", h.read)
	}
}
