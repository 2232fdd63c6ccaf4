package preview

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

// Set are the previews that there are to be, and what is known of those that ended. Its
// methods are safe for concurrent use.
type Set struct {
	// Changed is called after the previews became others, and Keep with what [Open] reads,
	// so that a start without the forge goes on with the previews that there were; nil for
	// nobody. What is kept can end none.
	Changed func()
	Keep    func(raw []byte)

	keeping sync.Mutex
	mu      sync.Mutex
	open    map[int]Preview
	ended   map[int]string // and why
	version int
}

// Open is a set as it was kept; an empty one where that cannot be read.
func Open(raw []byte) *Set {
	s := &Set{open: map[int]Preview{}, ended: map[int]string{}, version: 1}
	var kept []Preview
	if json.Unmarshal(raw, &kept) != nil {
		return s
	}
	for _, p := range kept {
		s.open[p.Number] = p
	}
	return s
}

// Put has a preview be there as it is given. It reports false, and changes nothing, where
// there are as many others already as there may be; what has no files counts for none.
func (s *Set) Put(p Preview, most int) (room bool) {
	s.change(func() (kept, same bool) {
		before, there := s.open[p.Number]
		if room = len(p.Files) == 0 || len(before.Files) > 0 || s.running() < most; !room {
			return true, true
		}
		s.open[p.Number] = p
		delete(s.ended, p.Number)
		same = there && maps.EqualFunc(before.Files, p.Files, bytes.Equal)
		return same && before.Head == p.Head, same
	})
	return room
}

// running counts the previews that have files. The caller holds mu.
func (s *Set) running() int {
	n := 0
	for _, p := range s.open {
		if len(p.Files) > 0 {
			n++
		}
	}
	return n
}

// End takes a preview away, which is known to have ended, and says why.
func (s *Set) End(number int, reason string) {
	s.change(func() (kept, same bool) {
		_, there := s.open[number]
		same = !there && s.ended[number] != ""
		delete(s.open, number)
		s.ended[number] = reason
		return same, same
	})
}

// change makes a change, and keeps and tells it if it is one.
func (s *Set) change(make func() (kept, same bool)) {
	if same := s.keep(make); !same && s.Changed != nil {
		s.Changed()
	}
}

// keep makes a change and keeps it, one at a time, so that what is kept last is what there
// is; it reports whether the previews are the same as before.
func (s *Set) keep(make func() (kept, same bool)) bool {
	s.keeping.Lock()
	defer s.keeping.Unlock()
	s.mu.Lock()
	kept, same := make()
	if !same {
		s.version++
	}
	raw, err := json.Marshal(s.list())
	s.mu.Unlock()
	if !kept && err == nil && s.Keep != nil {
		s.Keep(raw)
	}
	return same
}

// list are the previews by number. The caller holds mu.
func (s *Set) list() []Preview {
	out := make([]Preview, 0, len(s.open))
	for _, n := range slices.Sorted(maps.Keys(s.open)) {
		out = append(out, s.open[n])
	}
	return out
}

// List are the previews by number.
func (s *Set) List() []Preview {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list()
}

// Files declare all of them, by path in the tree; version is another when they are.
func (s *Set) Files() (files map[string][]byte, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files = map[string][]byte{}
	for _, p := range s.open {
		maps.Copy(files, p.Files)
	}
	return files, s.version
}

// Ended says why a preview is not there, by its environment; false where that is not
// known for certain.
func (s *Set) Ended(environment string) (string, bool) {
	number, ok := catalog.PreviewOf(environment)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, open := s.open[number]; ok && open && len(p.Files) == 0 {
		return "its pull request touches no service", true
	}
	reason := s.ended[number]
	return reason, ok && reason != ""
}
