package git

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxHistory bounds every walk along first parents.
const maxHistory = 100_000

// IsAncestor reports whether a is b, or is reached from b by first parents: whether b
// is a later state of the branch that had state a. Errors: ErrNotFound when history
// is missing; ErrTooLarge beyond 100,000 revisions.
func (s *Store) IsAncestor(a, b Hash) (bool, error) {
	found := false
	err := s.walk(b, func(rev Revision) bool {
		found = rev.Commit == a
		return !found
	})
	if err != nil {
		return false, fmt.Errorf("look for %s before %s: %w", a, b, err)
	}
	return found, nil
}

// FirstParents returns the revision from and those before it along first parents,
// newest first, limit at most.
func (s *Store) FirstParents(from Hash, limit int) ([]Revision, error) {
	var revs []Revision
	if limit <= 0 {
		return nil, nil
	}
	err := s.walk(from, func(rev Revision) bool {
		revs = append(revs, rev)
		return len(revs) < limit
	})
	if err != nil {
		return nil, fmt.Errorf("list revisions before %s: %w", from, err)
	}
	return revs, nil
}

// walk calls visit for from and its first parents until it returns false.
func (s *Store) walk(from Hash, visit func(Revision) bool) error {
	at := from
	for range maxHistory {
		rev, err := s.revision(at)
		if err != nil {
			return err
		}
		if !visit(rev) || len(rev.Parents) == 0 {
			return nil
		}
		at = rev.Parents[0]
	}
	return fmt.Errorf("more than %d revisions: %w", maxHistory, ErrTooLarge)
}

// revision reads a commit. Its Branch is left empty.
func (s *Store) revision(commit Hash) (Revision, error) {
	if rev, ok := s.commits.get(commit); ok {
		return rev, nil
	}
	raw, err := s.objects.read(plumbing.CommitObject, commit, maxCommit)
	if err != nil {
		return Revision{}, err
	}
	rev, err := decodeCommit(commit, raw)
	if err != nil {
		return Revision{}, err
	}
	s.commits.put(rev)
	return rev, nil
}

// RawCommit returns the bytes of a commit as they are stored, which is what a
// signature on it is over.
func (s *Store) RawCommit(commit Hash) ([]byte, error) {
	raw, err := s.objects.read(plumbing.CommitObject, commit, maxCommit)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", commit, err)
	}
	return raw, nil
}

func decodeCommit(h Hash, raw []byte) (Revision, error) {
	var obj plumbing.MemoryObject
	obj.SetType(plumbing.CommitObject)
	_, writeErr := obj.Write(raw)
	var c object.Commit
	if err := errors.Join(writeErr, c.Decode(&obj)); err != nil {
		return Revision{}, fmt.Errorf("parse commit %s: %w: %w", h, ErrCorrupt, err)
	}
	subject, _, _ := strings.Cut(strings.TrimLeft(c.Message, "\n"), "\n")
	rev := Revision{
		Commit:  h,
		Tree:    Hash(c.TreeHash),
		Time:    c.Committer.When,
		Author:  fmt.Sprintf("%s <%s>", c.Author.Name, c.Author.Email),
		Subject: strings.TrimSpace(subject),
	}
	for _, parent := range c.ParentHashes {
		rev.Parents = append(rev.Parents, Hash(parent))
	}
	return rev, nil
}

// commitCache keeps parsed commits, so that walks along history read each once.
type commitCache struct {
	mu sync.Mutex
	by map[Hash]Revision
}

const maxCommits = 1 << 15

func (c *commitCache) get(h Hash) (Revision, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rev, ok := c.by[h]
	return rev, ok
}

func (c *commitCache) put(rev Revision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil || len(c.by) >= maxCommits {
		c.by = map[Hash]Revision{}
	}
	c.by[rev.Commit] = rev
}

// maxVersions bounds how many commits Versions looks at.
const maxVersions = 10_000

// Versions visits the trees of the commits before one, along first parents and
// newest first, in which a path is there and other than in the tree visited
// last. It ends when visit returns false, at the root, at a shallow boundary,
// or after 10,000 commits.
func (s *Store) Versions(commit Hash, path string, visit func(*Tree) bool) error {
	start, err := s.Tree(commit)
	if err != nil {
		return err
	}
	last, _, err := start.Hash(path)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	seen := 0
	var failed error
	err = s.walk(commit, func(r Revision) bool {
		seen++
		if r.Commit == commit {
			return true
		}
		tree, err := s.Tree(r.Commit)
		if err != nil {
			failed = err
			return false
		}
		h, _, err := tree.Hash(path)
		if errors.Is(err, ErrNotFound) || h == last {
			return seen < maxVersions
		}
		if err != nil {
			failed = err
			return false
		}
		last = h
		return visit(tree) && seen < maxVersions
	})
	if failed != nil {
		return failed
	}
	return err
}
