package compose

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/fairway-dev/fairway/pkg/git"
)

// Merge gives the tree that a merge of theirs into ours would give, where ancestor is
// the last that both have in common, and the paths that both changed so that no merge
// can say what is meant; those stay as ours has them. It descends only where both sides
// changed something, so it costs what they changed. Lines of text that both changed
// apart from each other are merged, as Git does.
func Merge(ancestor, ours, theirs *git.Tree) (*git.Tree, []string, error) {
	m := &merger{pool: newPool(), ancestor: ancestor, ours: ours, theirs: theirs}
	root, there, err := m.dir("", 0)
	if err != nil {
		return nil, nil, fmt.Errorf("merge: %w", err)
	}
	slices.Sort(m.conflicts)
	return m.pool.tree(root, there), m.conflicts, nil
}

type merger struct {
	*pool
	ancestor, ours, theirs *git.Tree
	conflicts              []string
}

// three is one name on all three sides; an entry without a name is not there.
type three struct{ base, ours, theirs git.Entry }

// dir merges a directory that not all three have alike.
func (m *merger) dir(dir string, depth int) (git.Hash, bool, error) {
	if depth > maxDepth {
		return git.Hash{}, false, fmt.Errorf("%s is %d directories deep: %w", dir, depth, git.ErrTooLarge)
	}
	all := map[string]*three{}
	for side, t := range []*git.Tree{m.ancestor, m.ours, m.theirs} {
		entries, err := m.list(t, dir)
		if err != nil {
			return git.Hash{}, false, err
		}
		for _, e := range entries {
			if all[e.Name] == nil {
				all[e.Name] = &three{}
			}
			*[]*git.Entry{&all[e.Name].base, &all[e.Name].ours, &all[e.Name].theirs}[side] = e
		}
	}
	var merged []git.Entry
	for name, x := range all {
		e, err := m.entry(path.Join(dir, name), *x, depth)
		if err != nil {
			return git.Hash{}, false, err
		}
		if e.Name != "" {
			merged = append(merged, e)
		}
	}
	root, there := m.keep(merged)
	return root, there, nil
}

// entry merges one name.
func (m *merger) entry(name string, x three, depth int) (git.Entry, error) {
	switch {
	case x.theirs == x.base || x.ours == x.theirs:
		return x.ours, nil
	case x.ours == x.base:
		return x.theirs, nil
	}
	directory := func(e git.Entry) bool { return e.Name == "" || e.Kind == git.Dir }
	if directory(x.ours) && directory(x.theirs) && directory(x.base) {
		h, there, err := m.dir(name, depth+1)
		if err != nil || !there {
			return git.Entry{}, err
		}
		return git.Entry{Name: path.Base(name), Kind: git.Dir, Hash: h}, nil
	}
	if x.base.Kind == git.File && x.ours.Kind == git.File && x.theirs.Kind == git.File && x.base.Name != "" && x.ours.Name != "" && x.theirs.Name != "" {
		return m.text(name, x)
	}
	m.conflicts = append(m.conflicts, name)
	return x.ours, nil
}

// text merges a file that both sides changed.
func (m *merger) text(name string, x three) (git.Entry, error) {
	var texts [3]string
	for i, t := range []*git.Tree{m.ancestor, m.ours, m.theirs} {
		raw, err := t.ReadFile(name)
		if err != nil && !errors.Is(err, git.ErrTooLarge) {
			return git.Entry{}, err
		}
		if err != nil || bytes.IndexByte(raw, 0) >= 0 { // too large, or no text
			m.conflicts = append(m.conflicts, name)
			return x.ours, nil
		}
		texts[i] = string(raw)
	}
	merged, ok := mergeText(texts[0], texts[1], texts[2])
	if !ok {
		m.conflicts = append(m.conflicts, name)
		return x.ours, nil
	}
	out := x.ours
	out.Hash = m.file([]byte(merged))
	if x.ours.Exec == x.base.Exec {
		out.Exec = x.theirs.Exec
	}
	return out, nil
}

// edit is lines of the ancestor, from and up to but not with to, and what stands for
// them on a side.
type edit struct {
	from, to int
	lines    []string
}

func editsOf(base, side []string) []edit {
	var out []edit
	for _, op := range difflib.NewMatcherWithJunk(base, side, false, nil).GetOpCodes() {
		if op.Tag != 'e' {
			out = append(out, edit{op.I1, op.I2, side[op.J1:op.J2]})
		}
	}
	return out
}

// mergeText merges lines; false where both sides changed the same ones, or ones that
// touch, unless they made the same of them.
func mergeText(base, ours, theirs string) (string, bool) {
	lines := strings.SplitAfter(base, "\n")
	a, b := editsOf(lines, strings.SplitAfter(ours, "\n")), editsOf(lines, strings.SplitAfter(theirs, "\n"))
	var out strings.Builder
	at := 0
	apply := func(e edit) {
		out.WriteString(strings.Join(lines[at:e.from], ""))
		out.WriteString(strings.Join(e.lines, ""))
		at = e.to
	}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].to < b[0].from:
			apply(a[0])
			a = a[1:]
		case len(a) == 0 || b[0].to < a[0].from:
			apply(b[0])
			b = b[1:]
		case a[0].from == b[0].from && a[0].to == b[0].to && slices.Equal(a[0].lines, b[0].lines):
			apply(a[0])
			a, b = a[1:], b[1:]
		default:
			return "", false
		}
	}
	out.WriteString(strings.Join(lines[at:], ""))
	return out.String(), true
}
