package git

import (
	"container/heap"
	"fmt"
	"slices"
)

// MergeBase returns the newest revision that both a and b contain, along all parents:
// what a merge of the two starts from. Of several that do not contain each other it is
// one. Errors: ErrNotFound when there is none, or history is missing; ErrTooLarge
// beyond 100,000 revisions.
func (s *Store) MergeBase(a, b Hash) (Revision, error) {
	w := painter{store: s, paint: map[Hash]paint{}}
	for _, side := range []struct {
		commit Hash
		paint  paint
	}{{a, ofA}, {b, ofB}} {
		if err := w.add(side.commit, side.paint); err != nil {
			return Revision{}, fmt.Errorf("find what %s and %s have in common: %w", a, b, err)
		}
	}
	var found []Revision
	for n := 0; w.open(); n++ {
		if n > maxHistory {
			return Revision{}, fmt.Errorf("find what %s and %s have in common: more than %d revisions: %w", a, b, maxHistory, ErrTooLarge)
		}
		rev := heap.Pop(&w.queue).(Revision)
		p := w.paint[rev.Commit]
		if p == ofA|ofB {
			found = append(found, rev)
			p |= older
		}
		for _, parent := range rev.Parents {
			if err := w.add(parent, p); err != nil {
				return Revision{}, fmt.Errorf("find what %s and %s have in common: %w", a, b, err)
			}
		}
	}
	for _, rev := range found { // the newest by their times, unless another one contains it
		if w.paint[rev.Commit]&older == 0 {
			return rev, nil
		}
	}
	return Revision{}, fmt.Errorf("%s and %s have nothing in common: %w", a, b, ErrNotFound)
}

// open reports whether there is more to find: something that is not below what was
// found already. Times may lie, so what is below is walked as long as there is.
func (w *painter) open() bool {
	return slices.ContainsFunc(w.queue, func(r Revision) bool { return w.paint[r.Commit]&older == 0 })
}

// paint tells from which sides a revision was reached.
type paint uint8

const (
	ofA paint = 1 << iota
	ofB
	older // than one that both contain
)

// painter walks from both sides at once, the newest revision first.
type painter struct {
	store *Store
	paint map[Hash]paint
	queue newest
}

func (w *painter) add(commit Hash, p paint) error {
	if w.paint[commit]|p == w.paint[commit] {
		return nil
	}
	rev, err := w.store.revision(commit)
	if err != nil {
		return err
	}
	w.paint[commit] |= p
	heap.Push(&w.queue, rev)
	return nil
}

// newest is a heap of revisions by time.
type newest []Revision

func (q newest) Len() int           { return len(q) }
func (q newest) Less(i, j int) bool { return q[i].Time.After(q[j].Time) }
func (q newest) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *newest) Push(x any)        { *q = append(*q, x.(Revision)) }
func (q *newest) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
