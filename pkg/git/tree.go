package git

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// MaxFile is the most bytes of a file that are ever read.
const MaxFile = 1 << 20

// maxDepth ends every walk, whatever the tree says of itself.
const maxDepth = 512

// source gives the content behind hashes. Implementations are safe for concurrent use.
type source interface {
	// entries of the directory, sorted by name; not to be modified.
	entries(h Hash) ([]Entry, error)
	// content of the file, at most MaxFile bytes.
	content(path string, h Hash) ([]byte, error)
	// sound remembers the trees that Check has seen.
	sound() *soundTrees
}

// Source gives the content behind hashes to a tree that is in no repository. It is
// safe for concurrent use.
type Source interface {
	// Entries of the directory, sorted by name; not to be modified.
	Entries(h Hash) ([]Entry, error)
	// Content of the file, at most MaxFile bytes.
	Content(path string, h Hash) ([]byte, error)
}

// NewTree is the tree of a source.
func NewTree(src Source, root Hash) *Tree { return &Tree{src: &foreign{Source: src}, root: root} }

// foreign is a Source from elsewhere.
type foreign struct {
	Source
	checked soundTrees
}

func (f *foreign) entries(h Hash) ([]Entry, error)             { return f.Entries(h) }
func (f *foreign) content(name string, h Hash) ([]byte, error) { return f.Content(name, h) }
func (f *foreign) sound() *soundTrees                          { return &f.checked }

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
// that do not exist not at all. It is how a commit is compared with a folder of
// the same roots.
func (t *Tree) Only(roots ...string) (*Tree, error) {
	s := &selection{source: t.src, dirs: map[Hash][]Entry{}}
	root, err := s.pick(t.root, ".", NewRoots(roots))
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
func (s *selection) pick(h Hash, dir string, roots Roots) (Hash, error) {
	all, err := s.source.entries(h)
	if err != nil {
		return Hash{}, err
	}
	var kept []Entry
	for _, e := range all {
		name := path.Join(dir, e.Name)
		in, above := roots.Within(name)
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
	cut := HashTree(kept)
	s.dirs[cut] = kept
	return cut, nil
}

// Roots are paths that a tree is cut down to, spelled in one way.
type Roots []string

// NewRoots spells paths in one way; none means everything.
func NewRoots(paths []string) Roots {
	if len(paths) == 0 {
		return Roots{"."}
	}
	clean := make(Roots, len(paths))
	for i, p := range paths {
		clean[i] = path.Clean(p)
	}
	return clean
}

// Within reports whether name is at or below a root, and whether it is above one.
func (r Roots) Within(name string) (in, above bool) {
	for _, root := range r {
		if root == "." || name == root || strings.HasPrefix(name, root+"/") {
			return true, false
		}
		above = above || strings.HasPrefix(root, name+"/")
	}
	return false, above
}
