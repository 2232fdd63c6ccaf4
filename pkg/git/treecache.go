package git

import (
	"container/list"
	"sync"
)

// treeMemory bounds the decoded trees held, in bytes, roughly. The trees of a
// repository with 30,000 files take 6 MB; the next revision adds only what changed.
const treeMemory = 48 << 20

// treeCache keeps the decoded trees used last. Its zero value is empty.
type treeCache struct {
	mu    sync.Mutex
	size  int
	by    map[Hash]*list.Element
	order list.List // of *cachedTree, the last used first
}

type cachedTree struct {
	hash    Hash
	entries []Entry
	size    int
}

func (c *treeCache) get(h Hash) ([]Entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.by[h]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(at)
	return at.Value.(*cachedTree).entries, true
}

// put keeps entries whose names share raw bytes of memory.
func (c *treeCache) put(h Hash, entries []Entry, raw int) {
	const entrySize, overhead = 40, 200
	t := &cachedTree{hash: h, entries: entries, size: overhead + raw + cap(entries)*entrySize}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[Hash]*list.Element{}
	}
	if _, ok := c.by[h]; ok {
		return
	}
	c.by[h] = c.order.PushFront(t)
	c.size += t.size
	for c.size > treeMemory && c.order.Len() > 1 {
		last := c.order.Remove(c.order.Back()).(*cachedTree)
		delete(c.by, last.hash)
		c.size -= last.size
	}
}
