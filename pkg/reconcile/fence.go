package reconcile

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// fence keeps a process that was stopped for a while, by SIGSTOP or with its
// machine, from carrying out what it decided before (CON-10): meanwhile another
// may have brought the clusters to a newer revision. While the fence is up
// nothing is written; it comes down after the next look at Git, and every
// cluster is joined anew.
type fence struct {
	beat atomic.Pointer[time.Time]
	up   atomic.Bool

	mu   sync.Mutex
	naps int // how often it went up
}

// The heartbeat, and the silence after which the process counts as stopped.
const (
	beatEvery = time.Second
	napAfter  = 10 * time.Second
)

// errStopped: the process was stopped for a while, and what it knew may be old.
var errStopped = errors.New("the daemon was stopped for a while; it looks again before it writes")

// check says why nothing may be written now; nil if it may.
func (f *fence) check() error {
	last := f.beat.Load()
	if f.up.Load() || last != nil && asleep(*last) {
		return errStopped
	}
	return nil
}

// asleep reports whether too long passed since a beat. A clock that was set
// counts as well: looking again is cheap.
func asleep(last time.Time) bool {
	now := time.Now()
	gap := max(now.Sub(last), now.Round(0).Sub(last.Round(0)))
	return gap > napAfter
}

// run beats until the context ends, and tells of each nap.
func (f *fence) run(ctx context.Context, woke func()) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		f.once(woke)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// once is one beat.
func (f *fence) once(woke func()) {
	if last := f.beat.Load(); last != nil && asleep(*last) {
		f.mu.Lock()
		f.naps++
		f.up.Store(true)
		f.mu.Unlock()
		defer woke()
	}
	now := time.Now()
	f.beat.Store(&now)
}

// seen is how many naps there were; a look at Git that began after it brings
// the fence down with [fence.lower].
func (f *fence) seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.naps
}

func (f *fence) lower(naps int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.naps == naps {
		f.up.Store(false)
	}
}
