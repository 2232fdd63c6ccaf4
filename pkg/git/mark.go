package git

import (
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// markRefs are places in history that this copy remembers for itself.
const markRefs = "refs/fairway/mark/"

// Mark remembers a commit under a name, in this copy alone. Errors: the name is none
// that a reference may have; the copy is read-only or cannot be written.
func (s *Store) Mark(name string, commit Hash) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	ref := plumbing.ReferenceName(markRefs + name)
	if err := ref.Validate(); err != nil {
		return fmt.Errorf("mark %s as %q: %w", commit, name, err)
	}
	if err := s.writable(); err != nil {
		return fmt.Errorf("mark %s as %q: %w", commit, name, err)
	}
	return s.setRef(ref, commit)
}

// Marked is the commit that is remembered under a name; the zero hash for none.
func (s *Store) Marked(name string) Hash { return s.ref(plumbing.ReferenceName(markRefs + name)) }
