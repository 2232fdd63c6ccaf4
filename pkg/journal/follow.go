package journal

import (
	"context"
	"fmt"
	"iter"
)

const (
	// keep is how many of the newest records are held in memory for those who
	// follow, so that a hundred open pages do not read the disk a hundred times.
	keep = 1024
	// page bounds the records one Wait gives.
	page = 500
)

// recent holds the newest records, without holes.
type recent struct{ records []Record }

func (r *recent) add(records []Record) {
	if len(records) == 0 {
		return
	}
	if n := len(r.records); n > 0 && r.records[n-1].Seq+1 != records[0].Seq {
		r.records = nil // somebody else wrote in between
	}
	r.records = append(r.records, records...)
	if n := len(r.records); n > 2*keep {
		r.records = append([]Record(nil), r.records[n-keep:]...)
	}
}

// after gives the records after seq, and whether none is missing between.
func (r *recent) after(seq int64) ([]Record, bool) {
	if len(r.records) == 0 || seq+1 < r.records[0].Seq {
		return nil, false
	}
	skip := seq + 1 - r.records[0].Seq
	if skip >= int64(len(r.records)) {
		return nil, true
	}
	rest := r.records[skip:]
	return append([]Record(nil), rest[:min(len(rest), page)]...), true
}

// Wait gives the records after since, oldest first, at most 500; if there are
// none it waits for some until the context ends. Where records are missing,
// because they are no longer kept or because since is of a journal that was
// lost, the first one given is a Gap whose Seq is where reading goes on.
//
// A reader that is slow holds up nobody and misses nothing that is kept: it
// reads from memory while it is near the head, and from disk when it is not.
func (j *Journal) Wait(ctx context.Context, since int64) ([]Record, error) {
	for {
		over := j.over() // before looking, so that the last records are seen
		j.mu.Lock()
		head, changed := j.head.Seq, j.changed
		records, whole := j.recent.after(since)
		j.mu.Unlock()
		switch {
		case since > head:
			return j.restart(ctx, since, head)
		case len(records) > 0:
			return records, nil
		case since < head && !whole:
			return j.catchUp(ctx, since, head)
		case over:
			return nil, fmt.Errorf("follow journal: %w", ErrClosed)
		}
		select {
		case <-changed:
		case <-j.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("follow journal: %w", ctx.Err())
		}
	}
}

// over reports whether the writer has ended.
func (j *Journal) over() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// catchUp reads from disk for a reader that is far behind.
func (j *Journal) catchUp(ctx context.Context, since, head int64) ([]Record, error) {
	records, err := j.Read(ctx, Filter{Since: since, Limit: page})
	if err != nil {
		return nil, err
	}
	first := head + 1
	if len(records) > 0 {
		first = records[0].Seq
	}
	if first == since+1 {
		return records, nil
	}
	gap := j.gap(first-1, fmt.Sprintf("records %d to %d are no longer kept", since+1, first-1))
	return append([]Record{gap}, records...), nil
}

// restart answers a reader that has seen more than there is.
func (j *Journal) restart(ctx context.Context, since, head int64) ([]Record, error) {
	oldest, err := j.Read(ctx, Filter{Limit: 1})
	if err != nil {
		return nil, err
	}
	at := head
	if len(oldest) > 0 {
		at = oldest[0].Seq - 1
	}
	return []Record{j.gap(at, fmt.Sprintf("record %d is of a journal that was lost", since))}, nil
}

func (j *Journal) gap(seq int64, message string) Record {
	return Record{Seq: seq, Time: j.o.Now(), Kind: Gap, Reason: "RecordsMissing", Message: message}
}

// Follow gives every record after since, as they come, until the context ends
// or the journal is closed. An error is given once, last.
func (j *Journal) Follow(ctx context.Context, since int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			records, err := j.Wait(ctx, since)
			if err != nil {
				if ctx.Err() == nil {
					yield(Record{}, err)
				}
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
				since = r.Seq
			}
		}
	}
}
