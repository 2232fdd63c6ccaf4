package rest

import (
	"container/list"
	"sync"
)

// etags keeps answers by their address, the least lately used going first, so that
// asking again what did not change costs no transfer and, at GitHub, no allowance.
type etags struct {
	mu    sync.Mutex
	most  int // bytes of bodies
	bytes int
	order *list.List // newest first
	by    map[string]*list.Element
}

type kept struct {
	address, etag string
	answer        Answer
}

func newETags(most int) *etags {
	return &etags{most: most, order: list.New(), by: map[string]*list.Element{}}
}

// get gives a kept answer and its tag; the tag is empty if there is none.
func (e *etags) get(address string) (Answer, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, ok := e.by[address]
	if !ok {
		return Answer{}, ""
	}
	e.order.MoveToFront(at)
	k := at.Value.(*kept)
	return k.answer, k.etag
}

func (e *etags) put(address string, answer Answer) {
	tag, size := answer.Header.Get("ETag"), len(answer.Body)+len(address)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop(e.by[address])
	if tag == "" || size > e.most/4 {
		return
	}
	e.by[address] = e.order.PushFront(&kept{address: address, etag: tag, answer: answer})
	e.bytes += size
	for e.bytes > e.most {
		e.drop(e.order.Back())
	}
}

func (e *etags) drop(at *list.Element) {
	if at == nil {
		return
	}
	k := e.order.Remove(at).(*kept)
	delete(e.by, k.address)
	e.bytes -= len(k.answer.Body) + len(k.address)
}
