package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// watch passes a stream of events on, and does to single events what is to be
// done to them.
func (x *exchange) watch() {
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	defer x.track(x.call.Stream(), cancel)()
	if x.do.Kind == Gone {
		x.gone()
		return
	}
	res, err := x.opts.Transport.RoundTrip(x.outgoing(ctx))
	if err != nil {
		x.entry.Error = err.Error()
		x.abort()
		return
	}
	defer res.Body.Close()
	x.entry.Status = res.StatusCode
	for key, values := range res.Header {
		x.w.Header()[key] = values
	}
	x.w.Header().Del("Content-Length")
	x.w.WriteHeader(res.StatusCode)
	_ = http.NewResponseController(x.w).Flush() // the stream may be over already
	lines := bufio.NewReaderSize(res.Body, 1<<16)
	for n := 1; ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			n = x.pass(line, n)
		}
		if err != nil {
			if ctx.Err() != nil {
				x.abort()
			}
			return
		}
	}
}

// pass sends one event on, or not, and gives the number of the next one.
// Bookmarks are not counted: they come when the server likes.
func (x *exchange) pass(line []byte, n int) int {
	var head struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(line, &head) // what is no event is passed on as it is
	times := 1
	if x.opts.Foreign != nil && x.opts.Foreign(line) {
		return n
	}
	if head.Type != "BOOKMARK" && head.Type != "" {
		meant := (len(x.do.Events) == 0 || slices.Contains(x.do.Events, n)) && (len(x.do.Types) == 0 || slices.Contains(x.do.Types, head.Type))
		switch {
		case x.do.Kind == DropEvents && meant:
			times = 0
		case x.do.Kind == DupEvents && meant:
			times = 2
		}
		n++
	}
	if x.do.Kind == Freeze {
		times = 0
	}
	for range times {
		_, _ = x.w.Write(x.back(line))
		_ = http.NewResponseController(x.w).Flush()
	}
	return n
}

// gone ends a watch as a server does that no longer has what it asks for.
func (x *exchange) gone() {
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(http.StatusOK)
	event, err := json.Marshal(map[string]any{"type": "ERROR", "object": json.RawMessage(statusBody(http.StatusGone, x.call))})
	if err == nil {
		_, _ = x.w.Write(append(event, '\n')) // a daemon that is gone needs no answer
	}
}

// track lets CutWatches end a watch; what it gives ends that.
func (p *Proxy) track(stream Stream, cancel context.CancelFunc) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := p.next
	p.next++
	p.watches[id] = cancel
	p.watched[stream] = time.Now()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watches, id)
	}
}
