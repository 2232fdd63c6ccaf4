package git

import (
	"fmt"
	"slices"
)

// verify proves that a commit can be used: its first parents down to a revision that
// was verified before, and every tree and blob that it does not share with last.
// Trees are read and so checked against their hash, blobs are looked up. Commits
// reached only through second parents are not looked at: nothing here reads them.
func (s *Store) verify(commit, last Hash) error {
	rev, err := s.revision(commit)
	if err != nil {
		return fmt.Errorf("verify %s: %w", commit, err)
	}
	known := s.tips()
	err = s.walk(commit, func(r Revision) bool {
		return r.Commit == commit || !slices.Contains(known, r.Commit)
	})
	if err != nil {
		return fmt.Errorf("verify history of %s: %w", commit, err)
	}
	var base Hash
	if prev, err := s.revision(last); err == nil {
		base = prev.Tree
	}
	if err := s.verifyTree(base, rev.Tree, maxDepth); err != nil {
		return fmt.Errorf("verify tree of %s: %w", commit, err)
	}
	return nil
}

// verifyTree looks for every object of tree that base does not have at the same path,
// down to a depth.
func (s *Store) verifyTree(base, tree Hash, depth int) error {
	v := verifier{objects: s.objects, seen: map[Hash]bool{}}
	return v.dir(base, tree, depth)
}

type verifier struct {
	objects *objects
	seen    map[Hash]bool
}

func (v *verifier) dir(base, tree Hash, depth int) error {
	if base == tree || v.seen[tree] || depth <= 0 {
		return nil
	}
	v.seen[tree] = true
	entries, err := v.objects.entries(tree)
	if err != nil {
		return err
	}
	var before []Entry
	if !base.IsZero() {
		if before, err = v.objects.entries(base); err != nil {
			before = nil // then all of tree has to be there
		}
	}
	for _, e := range entries {
		was, _ := lookup(before, e.Name)
		switch {
		case was == e || e.Kind == Submodule:
		case e.Kind == Dir:
			var below Hash
			if was.Kind == Dir {
				below = was.Hash
			}
			if err := v.dir(below, e.Hash, depth-1); err != nil {
				return err
			}
		case !v.seen[e.Hash]:
			if !v.objects.has(e.Hash) {
				return fmt.Errorf("%s: object %s: %w", e.Name, e.Hash, ErrNotFound)
			}
			v.seen[e.Hash] = true
		}
	}
	return nil
}
