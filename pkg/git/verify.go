package git

import (
	"fmt"
	"slices"
)

// maxVerified is how many new revisions are verified one by one; of a longer history
// only the newest is.
const maxVerified = 1000

// verify proves that a commit can be used: its first parents down to a revision that
// was verified before, and every tree and blob that it does not share with last; then
// what each of the new revisions before it changed. Trees are read and so checked
// against their hash, blobs are looked up. Commits reached only through second parents
// are not looked at: nothing here reads them.
func (s *Store) verify(commit, last Hash) error {
	known := s.tips()
	var added []Revision
	err := s.walk(commit, func(r Revision) bool {
		added = append(added, r)
		return r.Commit == commit || !slices.Contains(known, r.Commit)
	})
	if err != nil {
		return fmt.Errorf("verify history of %s: %w", commit, err)
	}
	var base Hash
	if prev, err := s.revision(last); err == nil {
		base = prev.Tree
	}
	v := verifier{objects: s.objects, seen: map[Hash]bool{}}
	if err := v.dir(base, added[0].Tree, maxDepth); err != nil {
		return fmt.Errorf("verify tree of %s: %w", commit, err)
	}
	for i := 1; i+1 < min(len(added), maxVerified); i++ {
		if err := v.dir(added[i+1].Tree, added[i].Tree, maxDepth); err != nil {
			return fmt.Errorf("verify tree of %s: %w", added[i].Commit, err)
		}
	}
	return nil
}

// readable reports whether the names at the root of a tree are there.
func (s *Store) readable(tree Hash) bool {
	v := verifier{objects: s.objects, seen: map[Hash]bool{}}
	return v.dir(Hash{}, tree, 1) == nil
}

type verifier struct {
	objects *objects
	seen    map[Hash]bool
}

// dir looks for every object of tree that base does not have at the same path, down to
// a depth.
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
