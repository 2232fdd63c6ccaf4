package git

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Limits are the sizes a tree must keep within. A zero field means its default.
type Limits struct {
	Entries int // names in the whole tree, 50,000
	Depth   int // directories above a name, 64
	Path    int // bytes of a path, 4,096
	Name    int // bytes of a name, 255
}

// BadName is a path that the platform refuses, and why.
type BadName struct {
	Path string
	Why  string
}

func (b BadName) String() string { return fmt.Sprintf("%q: %s", b.Path, b.Why) }

// maxBadNames is how many offenders one Check reports.
const maxBadNames = 50

// Check returns the names that a machine or a reader could take for another name:
// control characters, invisible and direction-changing characters, bytes that are
// not UTF-8, "..", spellings of ".git", a trailing dot or space, a backslash, two
// names that differ only in case; and the paths beyond the limits. It lists 50 at
// most. Subtrees found sound before, in this or an earlier revision, are not read
// again. The error is about reading.
func (t *Tree) Check(limits Limits) ([]BadName, error) {
	limits.Entries = cmp.Or(limits.Entries, 50_000)
	limits.Depth = cmp.Or(limits.Depth, 64)
	limits.Path = cmp.Or(limits.Path, 4096)
	limits.Name = cmp.Or(limits.Name, 255)
	c := checker{src: t.src, limits: limits, seen: map[Hash]extent{}}
	all, err := c.dir("", t.root, 0)
	if err != nil {
		return nil, fmt.Errorf("check tree %s: %w", t.root, err)
	}
	if all.entries > limits.Entries {
		c.report(".", fmt.Sprintf("holds %d names, more than %d", all.entries, limits.Entries))
	}
	if all.beyond(limits) {
		if err := c.locate("", t.root, 0); err != nil {
			return nil, fmt.Errorf("check tree %s: %w", t.root, err)
		}
	}
	return c.bad, nil
}

// extent is how far a tree reaches, seen from its own root.
type extent struct {
	entries int // saturates
	depth   int
	path    int
	name    int
	faulty  bool // holds a bad name somewhere
}

func (x extent) beyond(l Limits) bool { return x.depth > l.Depth || x.path > l.Path || x.name > l.Name }

// add takes in an entry named so, with what is below it.
func (x *extent) add(name string, below extent) {
	x.entries = min(x.entries+1+below.entries, 1<<40)
	x.depth = max(x.depth, below.depth+1)
	x.name = max(x.name, len(name), below.name)
	x.path = max(x.path, len(name)+min(below.path, 1)+below.path)
	x.faulty = x.faulty || below.faulty
}

// soundTrees remembers the extents of trees without bad names, by content.
type soundTrees struct {
	mu sync.Mutex
	by map[Hash]extent
}

const maxSoundTrees = 1 << 18

func (s *soundTrees) get(h Hash) (extent, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.by[h]
	return x, ok
}

func (s *soundTrees) put(h Hash, x extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil || len(s.by) >= maxSoundTrees {
		s.by = map[Hash]extent{}
	}
	s.by[h] = x
}

type checker struct {
	src    source
	limits Limits
	seen   map[Hash]extent // in this walk, sound or not: a tree is read once
	bad    []BadName
}

func (c *checker) report(path, why string) {
	if len(c.bad) < maxBadNames {
		c.bad = append(c.bad, BadName{Path: path, Why: why})
	}
}

// dir checks one directory and what is below it.
func (c *checker) dir(prefix string, h Hash, depth int) (extent, error) {
	if x, ok := c.src.sound().get(h); ok {
		return x, nil
	}
	if x, ok := c.seen[h]; ok {
		return x, nil
	}
	if depth > maxDepth {
		return extent{}, fmt.Errorf("%s is %d directories deep: %w", prefix, depth, ErrTooLarge)
	}
	entries, err := c.src.entries(h)
	if err != nil {
		return extent{}, err
	}
	x := extent{faulty: c.names(prefix, entries)}
	for _, e := range entries {
		var below extent
		if e.Kind == Dir {
			if below, err = c.dir(prefix+e.Name+"/", e.Hash, depth+1); err != nil {
				return extent{}, err
			}
		}
		x.add(e.Name, below)
	}
	c.seen[h] = x
	if !x.faulty {
		c.src.sound().put(h, x)
	}
	return x, nil
}

// names reports the bad names of one directory, and whether there are any.
func (c *checker) names(prefix string, entries []Entry) (faulty bool) {
	folded := make(map[string]string, len(entries))
	for _, e := range entries {
		why := nameFault(e.Name)
		key := fold(e.Name)
		if twin, ok := folded[key]; ok && why == "" {
			why = fmt.Sprintf("differs from %q only in case", twin)
		}
		folded[key] = e.Name
		if why != "" {
			c.report(prefix+e.Name, why)
			faulty = true
		}
	}
	return faulty
}

// locate reports the paths beyond the limits, descending only where there are some.
func (c *checker) locate(prefix string, h Hash, depth int) error {
	entries, err := c.src.entries(h)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if len(c.bad) >= maxBadNames {
			return nil
		}
		name := prefix + e.Name
		switch {
		case len(e.Name) > c.limits.Name:
			c.report(name, fmt.Sprintf("name is %d bytes, more than %d", len(e.Name), c.limits.Name))
		case len(name) > c.limits.Path:
			c.report(name, fmt.Sprintf("path is %d bytes, more than %d", len(name), c.limits.Path))
		case depth+1 > c.limits.Depth:
			c.report(name, fmt.Sprintf("is deeper than %d directories", c.limits.Depth))
		case e.Kind == Dir && c.reaches(e.Hash, name, depth+1):
			if err := c.locate(name+"/", e.Hash, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// reaches reports whether something below a directory is beyond the limits.
func (c *checker) reaches(h Hash, name string, depth int) bool {
	x, ok := c.src.sound().get(h)
	if !ok {
		x = c.seen[h]
	}
	return extent{depth: x.depth + depth, path: len(name) + 1 + x.path, name: x.name}.beyond(c.limits)
}

// nameFault says what is wrong with a name, or nothing.
func nameFault(name string) string {
	switch {
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case name == "." || name == ".." || path.Base(name) != name:
		return "is not a name"
	case strings.ContainsRune(name, '\\'):
		return "has a backslash"
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return "ends in a dot or a space"
	case isDotGit(name):
		return "reads as .git on some file systems"
	}
	for _, r := range name {
		switch {
		case unicode.IsControl(r):
			return fmt.Sprintf("has the control character %U", r)
		case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Variation_Selector):
			return fmt.Sprintf("has the invisible character %U", r)
		}
	}
	return ""
}

// isDotGit reports whether Windows or macOS would open the name as ".git".
func isDotGit(name string) bool {
	name, _, _ = strings.Cut(name, ":")
	name = strings.TrimRight(strings.ToLower(name), " .")
	return name == ".git" || name == "git~1"
}

// fold maps names that differ only in case to one.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}
