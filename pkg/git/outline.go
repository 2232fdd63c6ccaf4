package git

import (
	"encoding/binary"
	"fmt"
)

// Outline writes down a tree's names and hashes without any content, so that a
// later process can ask what has changed since. [ParseOutline] reads it.
func (t *Tree) Outline() ([]byte, error) {
	o := outliner{src: t.src, seen: map[Hash]bool{}, out: append([]byte(nil), t.root[:]...)}
	if err := o.dir(t.root, 0); err != nil {
		return nil, fmt.Errorf("outline tree %s: %w", t.root, err)
	}
	return o.out, nil
}

// An outline is the root's hash, and for each directory its hash, the length of
// its tree object and that.
type outliner struct {
	src  source
	seen map[Hash]bool
	out  []byte
}

func (o *outliner) dir(h Hash, depth int) error {
	if o.seen[h] {
		return nil
	}
	if depth > maxDepth {
		return ErrTooLarge
	}
	o.seen[h] = true
	entries, err := o.src.entries(h)
	if err != nil {
		return err
	}
	raw := encodeTree(entries)
	o.out = append(o.out, h[:]...)
	o.out = binary.LittleEndian.AppendUint32(o.out, uint32(len(raw)))
	o.out = append(o.out, raw...)
	for _, e := range entries {
		if e.Kind != Dir {
			continue
		}
		if err := o.dir(e.Hash, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// ParseOutline gives the tree that was outlined. It can be listed and compared;
// its files cannot be read: ErrNotFound. raw must not change any more.
func ParseOutline(raw []byte) (*Tree, error) {
	if len(raw) < len(Hash{}) {
		return nil, fmt.Errorf("parse outline: %w", ErrCorrupt)
	}
	o := &outline{dirs: make(map[Hash][]byte, len(raw)/100)}
	root := Hash(raw[:len(Hash{})])
	const head = len(Hash{}) + 4
	for rest := raw[len(Hash{}):]; len(rest) > 0; {
		if len(rest) < head || uint64(binary.LittleEndian.Uint32(rest[len(Hash{}):])) > uint64(len(rest)-head) {
			return nil, fmt.Errorf("parse outline of %s: %w", root, ErrCorrupt)
		}
		end := head + int(binary.LittleEndian.Uint32(rest[len(Hash{}):]))
		o.dirs[Hash(rest[:len(Hash{})])] = rest[head:end]
		rest = rest[end:]
	}
	return &Tree{src: o, root: root}, nil
}

// outline is the source of an outlined tree. Directories are decoded when asked
// for: a comparison looks at few.
type outline struct {
	dirs    map[Hash][]byte
	checked soundTrees
}

func (o *outline) entries(h Hash) ([]Entry, error) {
	raw, ok := o.dirs[h]
	if !ok {
		return nil, fmt.Errorf("directory %s: %w", h, ErrNotFound)
	}
	return decodeTree(raw)
}

func (o *outline) content(path string, _ Hash) ([]byte, error) {
	return nil, fmt.Errorf("%s is outlined only: %w", path, ErrNotFound)
}

func (o *outline) sound() *soundTrees { return &o.checked }
