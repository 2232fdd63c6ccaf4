package git

import (
	"cmp"
	"fmt"
	"slices"
)

// maxChanges bounds a diff: a crafted tree can name one subtree at every leaf.
const maxChanges = 1 << 20

// Change is one path whose file, symlink or submodule differs between two trees.
// A path that is a file on one side and a directory on the other is a change of the
// path itself and one of each path below it.
type Change struct {
	Path string
	// Before and After are zero where the path is absent. They are equal when only
	// the kind or the executable bit changed.
	Before, After Hash
	// Kind after the change, or before it for a path that went.
	Kind Kind
}

// Diff returns what differs from a to b, sorted by path. It descends only into
// directories whose hashes differ, so its cost follows the change and not the trees.
// A nil tree is an empty one. Errors: ErrTooLarge above a million changes.
func Diff(a, b *Tree) ([]Change, error) {
	d := differ{}
	var before, after Hash
	if a != nil {
		d.a, before = a.src, a.root
	}
	if b != nil {
		d.b, after = b.src, b.root
	}
	if before == after {
		return nil, nil
	}
	if err := d.dir("", before, after, 0); err != nil {
		return nil, fmt.Errorf("diff %s..%s: %w", before, after, err)
	}
	slices.SortFunc(d.changes, func(x, y Change) int { return cmp.Compare(x.Path, y.Path) })
	return d.changes, nil
}

type differ struct {
	a, b    source
	changes []Change
}

// dir compares two directories; a zero hash is an absent one.
func (d *differ) dir(prefix string, before, after Hash, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s is %d directories deep: %w", prefix, depth, ErrTooLarge)
	}
	was, err := listing(d.a, before)
	if err != nil {
		return err
	}
	is, err := listing(d.b, after)
	if err != nil {
		return err
	}
	for len(was) > 0 || len(is) > 0 {
		var x, y Entry
		switch order := compareHeads(was, is); {
		case order < 0:
			x, was = was[0], was[1:]
		case order > 0:
			y, is = is[0], is[1:]
		default:
			x, was, y, is = was[0], was[1:], is[0], is[1:]
		}
		if x == y {
			continue
		}
		if err := d.entry(prefix, x, y, depth); err != nil {
			return err
		}
	}
	return nil
}

// entry compares one name; the zero Entry is an absent one.
func (d *differ) entry(prefix string, x, y Entry, depth int) error {
	name := prefix + cmp.Or(x.Name, y.Name)
	if x.Kind == Dir || y.Kind == Dir {
		var before, after Hash
		if x.Kind == Dir {
			before, x = x.Hash, Entry{}
		}
		if y.Kind == Dir {
			after, y = y.Hash, Entry{}
		}
		if err := d.dir(name+"/", before, after, depth+1); err != nil {
			return err
		}
	}
	if x.Kind == 0 && y.Kind == 0 {
		return nil
	}
	if len(d.changes) >= maxChanges {
		return fmt.Errorf("more than %d changes: %w", maxChanges, ErrTooLarge)
	}
	d.changes = append(d.changes, Change{Path: name, Before: x.Hash, After: y.Hash, Kind: cmp.Or(y.Kind, x.Kind)})
	return nil
}

func listing(src source, h Hash) ([]Entry, error) {
	if h.IsZero() {
		return nil, nil
	}
	return src.entries(h)
}

// compareHeads says which of two sorted listings has the next name.
func compareHeads(was, is []Entry) int {
	switch {
	case len(is) == 0:
		return -1
	case len(was) == 0:
		return 1
	}
	return byName(was[0], is[0])
}
