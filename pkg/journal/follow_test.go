package journal

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// Followers of all speeds see every record once and in order, while several
// appenders write.
func TestFollowersMissNothing(t *testing.T) {
	const appenders, each = 4, 1500 // more than is kept in memory
	j := opened(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for f := range 6 {
		wg.Go(func() {
			want := int64(1)
			for r, err := range j.Follow(ctx, 0) {
				if err != nil || r.Seq != want || r.Kind == Gap {
					t.Errorf("follower %d: got record %d of kind %s, %v, want %d", f, r.Seq, r.Kind, err, want)
					return
				}
				if want++; want > appenders*each {
					return
				}
				if f == 5 && want%100 == 0 {
					flush(t, j) // a slow one
				}
			}
			t.Errorf("follower %d: ended at %d", f, want)
		})
	}
	for range appenders {
		wg.Go(func() {
			for range each {
				j.Append(ctx, sample(1)...)
			}
		})
	}
	wg.Wait()
}

func TestFollowTellsOfGaps(t *testing.T) {
	j := opened(t, Options{})
	j.Append(t.Context(), sample(3000)...)
	flush(t, j)
	if err := j.store.retain(1200, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ since, gap, next int64 }{
		{0, 1800, 1801}, {1799, 1800, 1801}, {1800, 0, 1801}, {2999, 0, 3000}, {99999, 1800, 1801},
	} {
		var got []Record
		for r, err := range j.Follow(t.Context(), c.since) {
			if got = append(got, r); err != nil || len(got) == 2 || r.Kind != Gap {
				break
			}
		}
		gap := int64(0)
		if got[0].Kind == Gap {
			gap = got[0].Seq
		}
		if gap != c.gap || got[len(got)-1].Seq != c.next {
			t.Errorf("following from %d: gap %d then record %d, want %d and %d", c.since, gap, got[len(got)-1].Seq, c.gap, c.next)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	j := opened(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := j.Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait: %v", err)
	}
}

// The last records before Close, such as "stopped", reach those who follow.
func TestFollowersSeeTheEnd(t *testing.T) {
	j := opened(t, Options{})
	seen := make(chan Record, 10)
	go func() {
		defer close(seen)
		for r, err := range j.Follow(context.Background(), 0) {
			if err != nil {
				return
			}
			seen <- r
		}
	}()
	j.Append(t.Context(), Record{Kind: Stopped})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if r := <-seen; r.Kind != Stopped {
		t.Errorf("got %v, want the stop", r)
	}
	if r, open := <-seen; open {
		t.Errorf("after the end: %v", r)
	}
}
