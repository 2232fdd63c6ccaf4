// Package compose makes trees of trees: what a merge would give, and what a tree is
// with files put in. Nothing is written anywhere: a composed tree is read like any other,
// and has the hashes that Git would give it.
package compose

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/fairway-dev/fairway/pkg/git"
)

// maxDepth ends every walk, as in package git.
const maxDepth = 512

// pool is where a composed tree finds what stands behind its hashes: made here, or at a
// path of a tree it was composed of.
type pool struct {
	mu     sync.Mutex
	dirs   map[git.Hash][]git.Entry
	blobs  map[git.Hash][]byte
	places map[git.Hash]place
}

type place struct {
	tree *git.Tree
	path string
}

func newPool() *pool {
	return &pool{dirs: map[git.Hash][]git.Entry{}, blobs: map[git.Hash][]byte{}, places: map[git.Hash]place{}}
}

// Entries of a directory; what is in it is found from then on.
func (p *pool) Entries(h git.Hash) ([]git.Entry, error) {
	p.mu.Lock()
	entries, made := p.dirs[h]
	at, known := p.places[h]
	p.mu.Unlock()
	switch {
	case made:
		return entries, nil
	case !known:
		return nil, fmt.Errorf("read directory %s: %w", h, git.ErrNotFound)
	}
	return p.list(at.tree, at.path)
}

// Content of a file.
func (p *pool) Content(_ string, h git.Hash) ([]byte, error) {
	p.mu.Lock()
	content, made := p.blobs[h]
	at, known := p.places[h]
	p.mu.Unlock()
	switch {
	case made:
		return content, nil
	case !known:
		return nil, fmt.Errorf("read file %s: %w", h, git.ErrNotFound)
	}
	return at.tree.ReadFile(at.path)
}

// list reads a directory of a tree and notes where what is in it can be found; a
// directory that is not there is empty.
func (p *pool) list(t *git.Tree, dir string) ([]git.Entry, error) {
	if t == nil {
		return nil, nil
	}
	entries, err := t.ReadDir(dir)
	if errors.Is(err, git.ErrNotFound) || errors.Is(err, git.ErrNotFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range entries {
		if _, known := p.places[e.Hash]; !known {
			p.places[e.Hash] = place{t, path.Join(dir, e.Name)}
		}
	}
	return entries, nil
}

// keep takes in a directory that was put together; an empty one is none.
func (p *pool) keep(entries []git.Entry) (git.Hash, bool) {
	if len(entries) == 0 {
		return git.Hash{}, false
	}
	slices.SortFunc(entries, func(a, b git.Entry) int { return strings.Compare(a.Name, b.Name) })
	h := git.HashTree(entries)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dirs[h] = entries
	return h, true
}

func (p *pool) file(content []byte) git.Hash {
	h := git.HashBlob(content)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blobs[h] = content
	return h
}

// tree is the pool seen from a root; no root is the empty tree.
func (p *pool) tree(root git.Hash, there bool) *git.Tree {
	if !there {
		root = git.HashTree(nil)
		p.dirs[root] = nil
	}
	return git.NewTree(p, root)
}

// With gives a tree with files put in by path: nil content takes a file out, and a
// directory that is left empty goes with it. Errors: ErrNotFile where a path leads
// through a file.
func With(t *git.Tree, files map[string][]byte) (*git.Tree, error) {
	p := newPool()
	paths := make([]string, 0, len(files))
	for name := range files {
		if clean := path.Clean(name); clean != name || name == "." || strings.HasPrefix(name, "../") || path.IsAbs(name) {
			return nil, fmt.Errorf("put %q into a tree: the path is not clean", name)
		}
		paths = append(paths, name)
	}
	slices.Sort(paths)
	root, there, err := p.put(t, "", paths, files)
	if err != nil {
		return nil, err
	}
	return p.tree(root, there), nil
}

// put builds one directory with the files that lie in it; paths are sorted.
func (p *pool) put(t *git.Tree, dir string, paths []string, files map[string][]byte) (git.Hash, bool, error) {
	entries, err := p.list(t, dir)
	if err != nil {
		return git.Hash{}, false, err
	}
	entries = slices.Clone(entries)
	for i := 0; i < len(paths); {
		name, rest, below := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(paths[i], dir), "/"), "/")
		at := slices.IndexFunc(entries, func(e git.Entry) bool { return e.Name == name })
		n, fresh := 1, git.Entry{Name: name, Kind: git.File}
		there := files[paths[i]] != nil
		if below && rest != "" {
			here := path.Join(dir, name)
			for n = 1; i+n < len(paths) && strings.HasPrefix(paths[i+n], here+"/"); n++ {
			}
			if at >= 0 && entries[at].Kind != git.Dir {
				return git.Hash{}, false, fmt.Errorf("put %s into a tree: %s is a %s: %w", paths[i], here, entries[at].Kind, git.ErrNotFile)
			}
			fresh.Kind = git.Dir
			if fresh.Hash, there, err = p.put(t, here, paths[i:i+n], files); err != nil {
				return git.Hash{}, false, err
			}
		} else if there {
			if at >= 0 {
				fresh.Exec = entries[at].Exec
			}
			fresh.Hash = p.file(files[paths[i]])
		}
		entries = replace(entries, at, fresh, there)
		i += n
	}
	root, there := p.keep(entries)
	return root, there, nil
}

// replace puts an entry where one of its name is, or adds it, or takes it out.
func replace(entries []git.Entry, at int, e git.Entry, there bool) []git.Entry {
	switch {
	case at >= 0 && there:
		entries[at] = e
	case at >= 0:
		return slices.Delete(entries, at, at+1)
	case there:
		return append(entries, e)
	}
	return entries
}
