package journal

import (
	"fmt"
	"os"
	"time"
)

const (
	// batch bounds the records of one transaction.
	batch = 4096
	// retryMin and retryMax bound the pause after a write that failed.
	retryMin = 250 * time.Millisecond
	retryMax = 30 * time.Second
	// replaceEvery is the least time between two files put aside: a disk that
	// damages every file must not be filled with them.
	replaceEvery = time.Minute
	// retainEvery is how often retention runs.
	retainEvery = time.Minute
)

// run is the writer: it takes what waits, writes it, and says so. It ends when
// the journal is closed and everything is written, or cannot be.
func (j *Journal) run() {
	defer close(j.done)
	pause := time.Duration(0)
	for {
		closing := j.pause(pause)
		records, lost := j.next()
		if len(records) == 0 {
			if closing {
				return
			}
			j.retain()
			continue
		}
		written, err := j.commit(records)
		j.settle(written, len(records), lost, err)
		switch {
		case err == nil:
			pause = 0
			j.poke() // there may be more than one batch
			j.retain()
		case closing:
			return
		default:
			pause = min(max(2*pause, retryMin), retryMax)
		}
	}
}

// pause waits for something to do, or after a failure until it is worth
// another try, and reports whether the journal is being closed.
func (j *Journal) pause(d time.Duration) (closing bool) {
	j.mu.Lock()
	changed := j.changed
	closing = j.closed
	j.mu.Unlock()
	if closing {
		return true
	}
	if d == 0 {
		timer := time.NewTimer(retainEvery)
		defer timer.Stop()
		select {
		case <-j.wake:
		case <-timer.C:
		}
	} else {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-changed: // only closing changes anything while nothing can be written
		case <-timer.C:
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closed
}

// next gives what is to be written now. They stay in the queue until they are
// written. What was lost is told last, after all that was accepted before.
func (j *Journal) next() (records []Record, lost int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := min(len(j.waiting), batch)
	records = j.waiting[:n:n]
	if j.lost > 0 && n == len(j.waiting) {
		lost = j.lost
		message := fmt.Sprintf("%d records were not written down: the journal could not keep up, or had no room", lost)
		records = append(records, Record{Time: j.o.Now(), Kind: Gap, Reason: "RecordsLost", Message: message})
	}
	return records, lost
}

// settle notes what came of a write and wakes those who wait for it.
func (j *Journal) settle(written []Record, tried, lost int, err error) {
	j.mu.Lock()
	before := j.stuck
	j.stuck = err
	if err == nil {
		if lost > 0 {
			tried--
		}
		clear(j.waiting[:tried])
		j.waiting = j.waiting[tried:]
		j.settled += uint64(tried)
		j.lost -= lost
		j.recent.add(written)
		j.broadcast()
	}
	j.mu.Unlock()
	switch {
	case err != nil && before == nil:
		j.o.OnError(err)
	case lost > 0 && err == nil:
		j.o.OnError(fmt.Errorf("append to journal: %d records were lost before there was room again", lost))
	}
}

// commit writes records, on a new file if the present one is damaged or gone.
func (j *Journal) commit(records []Record) ([]Record, error) {
	if err := j.ensure(); err != nil {
		return nil, err
	}
	written, head, err := j.store.append(records)
	if damaged(err) {
		if err = j.replace(err); err != nil {
			return nil, err
		}
		written, head, err = j.store.append(records)
	}
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	j.head = head
	j.mu.Unlock()
	return written, nil
}

// ensure makes the store an open file. Only the writer changes the store, so
// it reads it without the lock.
func (j *Journal) ensure() error {
	if j.store != nil && !j.store.moved() {
		return nil
	}
	if j.store != nil {
		j.o.OnError(fmt.Errorf("append to journal: %s is gone; history begins anew", j.o.Path))
		j.swap(nil)
		return j.begin("the file was deleted or replaced while in use")
	}
	s, err := openStore(j.o.Path, j.Head())
	switch {
	case damaged(err):
		return j.replace(err)
	case err != nil:
		return err
	}
	return j.adopt(s)
}

// replace puts a damaged file aside and begins a new one.
func (j *Journal) replace(cause error) error {
	now := j.o.Now()
	if !j.replaced.IsZero() && now.Sub(j.replaced) < replaceEvery {
		return fmt.Errorf("begin a new journal so soon after the last one: %w", cause)
	}
	j.replaced = now
	j.swap(nil)
	if head, ok := salvage(j.o.Path); ok && head.Seq > j.Head().Seq {
		j.setHead(head)
	}
	aside, err := putAside(j.o.Path, now)
	if err != nil {
		return err
	}
	j.o.OnError(fmt.Errorf("journal is put aside as %s and begun anew: %w", aside, cause))
	return j.begin("the file was damaged; what was recorded before is in " + aside)
}

// begin opens a file that continues the chain after a loss, and says so in it.
func (j *Journal) begin(why string) error {
	s, err := openStore(j.o.Path, j.Head())
	if err != nil {
		return err
	}
	gap := Record{Time: j.o.Now(), Kind: Gap, Reason: "JournalBegunAnew", Message: why}
	written, _, err := s.append([]Record{gap})
	if err != nil {
		s.close()
		return err
	}
	if err := j.adopt(s); err != nil {
		return err
	}
	j.mu.Lock()
	j.recent.add(written)
	j.broadcast()
	j.mu.Unlock()
	return nil
}

func (j *Journal) adopt(s *store) error {
	head, err := s.head()
	if err != nil {
		s.close()
		return err
	}
	j.setHead(head)
	j.swap(s)
	return nil
}

func (j *Journal) setHead(h Head) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.head = h
}

// swap changes the open file once nobody reads the old one.
func (j *Journal) swap(s *store) {
	j.storeMu.Lock()
	defer j.storeMu.Unlock()
	if j.store != nil {
		j.store.close() // its records are written, or lost with it
	}
	j.store = s
}

// salvage reads where the chain of a damaged file ended, if that much can be read.
func salvage(path string) (Head, bool) {
	if _, err := os.Stat(path); err != nil {
		return Head{}, false
	}
	db, err := connect(path, "&_pragma=query_only(1)")
	if err != nil {
		return Head{}, false
	}
	defer db.Close()
	s := store{read: db}
	head, err := s.head()
	return head, err == nil
}

// retain runs retention when it is due.
func (j *Journal) retain() {
	now := j.o.Now()
	if j.o.MaxRecords <= 0 && j.o.MaxAge <= 0 || j.store == nil || now.Sub(j.retained) < retainEvery {
		return
	}
	j.retained = now
	cutoff := time.Time{}
	if j.o.MaxAge > 0 {
		cutoff = now.Add(-j.o.MaxAge)
	}
	if err := j.store.retain(j.o.MaxRecords, cutoff); err != nil {
		j.o.OnError(err)
	}
}
