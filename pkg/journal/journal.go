package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options say where the journal is and what it keeps.
type Options struct {
	// Path of the file. Its directory is made if need be.
	Path string
	// MaxRecords and MaxAge bound what is kept; zero keeps everything.
	MaxRecords int64
	MaxAge     time.Duration
	// Queue bounds the records that wait to be written; 0 is 65,536.
	Queue int
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// OnError is told what goes wrong, from the writer's goroutine; nil ignores it.
	OnError func(error)
}

// ErrClosed: the journal was closed.
var ErrClosed = errors.New("journal is closed")

// errUnavailable: there is no file that could be read.
var errUnavailable = errors.New("journal file is not available")

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	o Options

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever anything below changes
	waiting []Record      // accepted and not written, oldest first
	lost    int           // refused since the last Gap was written
	stuck   error         // why nothing can be written now
	closed  bool
	// accepted and settled count records: those taken, and those of them written.
	accepted, settled uint64
	head              Head
	recent            recent

	wake chan struct{}
	done chan struct{}

	storeMu sync.RWMutex
	store   *store // nil while there is none

	replaced time.Time // when a damaged file was last put aside
	retained time.Time // when retention last ran
}

// Open opens or makes the journal. It always gives one: if the file cannot be
// had now, that is told to OnError and tried again, and records wait meanwhile.
func Open(o Options) *Journal {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.Queue <= 0 {
		o.Queue = 1 << 16
	}
	j := &Journal{o: o, changed: make(chan struct{}), wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := j.ensure(); err != nil {
		j.stuck = err
		o.OnError(err)
	}
	go j.run()
	return j
}

// patience bounds how long Append waits for room before it lets records go.
const patience = 200 * time.Millisecond

// Append takes records to be written and returns at once. When the queue is
// full it waits a moment for room; what still finds none, or comes after
// Close, is lost, and a Gap record will say how many. The records' slices must
// not be changed afterwards.
func (j *Journal) Append(ctx context.Context, records ...Record) {
	if len(records) == 0 {
		return
	}
	ready := make([]Record, len(records))
	for i, r := range records {
		if r.Time.IsZero() {
			r.Time = j.o.Now()
		}
		ready[i] = r.masked()
	}
	var deadline <-chan time.Time
	for {
		done, changed := j.accept(ready, deadline != nil)
		if done {
			return
		}
		if deadline == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			deadline = timer.C
		}
		select {
		case <-changed:
		case <-deadline:
			j.lose(len(ready))
			return
		case <-ctx.Done():
			j.lose(len(ready))
			return
		}
	}
}

// accept queues the records if there is room. Where waiting for room is
// hopeless, because nothing can be written, it counts them as lost; done says
// that either came about.
func (j *Journal) accept(records []Record, waited bool) (done bool, changed <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed && (len(j.waiting) == 0 || len(j.waiting)+len(records) <= j.o.Queue) {
		j.waiting = append(j.waiting, records...)
		j.accepted += uint64(len(records))
		j.poke()
		return true, nil
	}
	if j.closed || j.stuck != nil && !waited {
		j.lost += len(records)
		return true, nil
	}
	return false, j.changed
}

func (j *Journal) lose(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lost += n
	j.poke()
}

// poke tells the writer that there is something to do.
func (j *Journal) poke() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// broadcast wakes everybody who waits for a change; j.mu is held.
func (j *Journal) broadcast() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// Flush waits until every record accepted before is on disk.
func (j *Journal) Flush(ctx context.Context) error {
	j.mu.Lock()
	target := j.accepted
	j.mu.Unlock()
	for {
		j.mu.Lock()
		settled, stuck, changed := j.settled >= target, j.stuck, j.changed
		j.mu.Unlock()
		if settled {
			return nil
		}
		select {
		case <-changed:
		case <-j.done:
			return ErrClosed
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("flush journal: %w", ctx.Err()), stuck)
		}
	}
}

// Secure waits until every record accepted before is on disk, but not for
// long, and not at all where nothing can be written: what befalls the journal
// may stop nobody. It reports whether they are.
func (j *Journal) Secure(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	j.mu.Lock()
	target := j.accepted
	j.mu.Unlock()
	for {
		j.mu.Lock()
		settled, stuck, changed := j.settled >= target, j.stuck, j.changed
		j.mu.Unlock()
		if settled || stuck != nil {
			return settled
		}
		select {
		case <-changed:
		case <-j.done:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// Close writes what waits, once, and closes the file. It gives the error that
// kept records from being written.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.broadcast()
	j.poke()
	j.mu.Unlock()
	<-j.done

	j.storeMu.Lock()
	defer j.storeMu.Unlock()
	j.mu.Lock()
	err := j.stuck
	j.mu.Unlock()
	if j.store != nil {
		err = errors.Join(err, j.store.close())
		j.store = nil
	}
	return err
}

// Head is the newest record on disk.
func (j *Journal) Head() Head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.head
}

// Read gives records that are on disk.
func (j *Journal) Read(ctx context.Context, f Filter) ([]Record, error) {
	j.storeMu.RLock()
	defer j.storeMu.RUnlock()
	if j.store == nil {
		return nil, fmt.Errorf("read journal: %w", errUnavailable)
	}
	return j.store.find(ctx, f)
}

// Verify walks the whole chain and gives the number of records that hold. A
// *BrokenError names the first that was changed or is missing. What it cannot
// see is a chain that somebody with the file made anew from some record on;
// a Head kept elsewhere shows that.
func (j *Journal) Verify(ctx context.Context) (checked int64, err error) {
	j.storeMu.RLock()
	defer j.storeMu.RUnlock()
	if j.store == nil {
		return 0, fmt.Errorf("verify journal: %w", errUnavailable)
	}
	return j.store.verify(ctx)
}
