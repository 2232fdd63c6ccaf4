package git

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxBlob is the most bytes of a file that are ever read.
const maxBlob = 1 << 20

// maxDepth ends every walk, whatever the tree says of itself.
const maxDepth = 512

// source gives the content behind hashes. Implementations are safe for concurrent use.
type source interface {
	// entries of the directory, sorted by name; not to be modified.
	entries(h Hash) ([]Entry, error)
	// content of the file, at most maxBlob bytes.
	content(path string, h Hash) ([]byte, error)
	// sound remembers the trees that Check has seen.
	sound() *soundTrees
}

// Tree is a read-only directory tree by content, and the one thing evaluation reads
// from. It is safe for concurrent use. Paths are slash-separated, relative to the
// root, which is "." or "".
type Tree struct {
	src  source
	root Hash
}

// Hash returns the content address of a path and its kind. Two trees with the same
// hash at a path hold the same bytes there. Errors: ErrNotFound; ErrNotFile when
// the path leads through a symlink or submodule.
func (t *Tree) Hash(name string) (Hash, Kind, error) {
	e, err := t.find(name)
	if err != nil {
		return Hash{}, 0, fmt.Errorf("find %s: %w", name, err)
	}
	return e.Hash, e.Kind, nil
}

// ReadFile returns the content of a regular file. Errors: ErrNotFound; ErrNotFile
// for directories, symlinks and submodules; ErrTooLarge above 1 MiB.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	e, err := t.find(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if e.Kind != File {
		return nil, fmt.Errorf("read %s: a %s: %w", name, e.Kind, ErrNotFile)
	}
	content, err := t.src.content(name, e.Hash)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content, nil
}

// ReadDir returns the entries of a directory sorted by name; the caller owns the
// slice. Errors: ErrNotFound; ErrNotFile when the path is not a directory.
func (t *Tree) ReadDir(name string) ([]Entry, error) {
	entries, err := t.list(name)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	return slices.Clone(entries), nil
}

func (t *Tree) list(name string) ([]Entry, error) {
	e, err := t.find(name)
	if err != nil {
		return nil, err
	}
	if e.Kind != Dir {
		return nil, fmt.Errorf("a %s: %w", e.Kind, ErrNotFile)
	}
	return t.src.entries(e.Hash)
}

// find walks from the root to name.
func (t *Tree) find(name string) (Entry, error) {
	at := Entry{Name: ".", Kind: Dir, Hash: t.root}
	if name == "" || name == "." {
		return at, nil
	}
	for rest := name; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if at.Kind == Symlink || at.Kind == Submodule {
			return Entry{}, fmt.Errorf("%s is a %s: %w", at.Name, at.Kind, ErrNotFile)
		}
		if at.Kind != Dir {
			return Entry{}, ErrNotFound
		}
		entries, err := t.src.entries(at.Hash)
		if err != nil {
			return Entry{}, err
		}
		next, ok := lookup(entries, part)
		if !ok {
			return Entry{}, ErrNotFound
		}
		at = next
	}
	return at, nil
}

// Only returns the tree that holds nothing but the given paths, and those of them
// that do not exist not at all. It is how a commit is compared with an [OpenDir] of
// the same roots.
func (t *Tree) Only(roots ...string) (*Tree, error) {
	s := &selection{source: t.src, dirs: map[Hash][]Entry{}}
	root, err := s.pick(t.root, ".", cleanRoots(roots))
	if err != nil {
		return nil, fmt.Errorf("select %s: %w", strings.Join(roots, ", "), err)
	}
	return &Tree{src: s, root: root}, nil
}

// selection is a source with some directories cut down.
type selection struct {
	source
	dirs map[Hash][]Entry
}

func (s *selection) entries(h Hash) ([]Entry, error) {
	if entries, ok := s.dirs[h]; ok {
		return entries, nil
	}
	return s.source.entries(h)
}

// pick cuts the directory h at dir down to what leads to roots.
func (s *selection) pick(h Hash, dir string, roots []string) (Hash, error) {
	all, err := s.source.entries(h)
	if err != nil {
		return Hash{}, err
	}
	var kept []Entry
	for _, e := range all {
		name := path.Join(dir, e.Name)
		in, above := within(roots, name)
		if !in && above && e.Kind == Dir {
			if e.Hash, err = s.pick(e.Hash, name, roots); err != nil {
				return Hash{}, err
			}
			in = len(s.dirs[e.Hash]) > 0
		}
		if in {
			kept = append(kept, e)
		}
	}
	cut := hashTree(kept)
	s.dirs[cut] = kept
	return cut, nil
}

// within reports whether name is at or below a root, and whether it is above one.
func within(roots []string, name string) (in, above bool) {
	for _, root := range roots {
		if root == "." || name == root || strings.HasPrefix(name, root+"/") {
			return true, false
		}
		above = above || strings.HasPrefix(root, name+"/")
	}
	return false, above
}

// cleanRoots spells roots in one way; none means everything.
func cleanRoots(roots []string) []string {
	if len(roots) == 0 {
		return []string{"."}
	}
	clean := make([]string, len(roots))
	for i, root := range roots {
		clean[i] = path.Clean(root)
	}
	return clean
}
