package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// chunk is how many records one transaction of retention takes away, so that
// appends never wait for long.
const chunk = 5000

// retain takes the oldest records away until at most max are left and none is
// older than the cutoff; a zero value is no bound. The link of the last one
// taken stays behind as the anchor, so what is left still verifies.
func (s *store) retain(max int64, cutoff time.Time) error {
	for {
		more, err := s.retainChunk(max, cutoff)
		if err != nil {
			return fmt.Errorf("retire old records of the journal: %w", err)
		}
		if !more {
			return nil
		}
	}
}

func (s *store) retainChunk(max int64, cutoff time.Time) (more bool, err error) {
	ctx := context.Background()
	err = s.transact(ctx, func(tx *sql.Tx) error {
		anchor, err := chainAt(ctx, tx, "anchor")
		if err != nil {
			return err
		}
		last, err := lastToGo(ctx, tx, max, cutoff)
		if err != nil || last <= anchor.Seq {
			return err
		}
		if last > anchor.Seq+chunk {
			last, more = anchor.Seq+chunk, true
		}
		var link []byte
		if err := tx.QueryRowContext(ctx, "SELECT link FROM record WHERE seq = ?", last).Scan(&link); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM record WHERE seq <= ?", last); err != nil {
			return err
		}
		anchor.Seq = last
		copy(anchor.Link[:], link)
		return setChain(tx, "anchor", anchor)
	})
	return more, err
}

// lastToGo is the newest record that is one too many or too old.
func lastToGo(ctx context.Context, tx *sql.Tx, max int64, cutoff time.Time) (int64, error) {
	head, err := chainAt(ctx, tx, "head")
	if err != nil {
		return 0, err
	}
	last := int64(0)
	if max > 0 {
		last = head.Seq - max
	}
	if cutoff.IsZero() {
		return last, nil
	}
	var young int64
	err = tx.QueryRowContext(ctx, "SELECT seq FROM record WHERE time >= ? ORDER BY seq LIMIT 1", cutoff.UnixNano()).Scan(&young)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return head.Seq, nil
	case err != nil:
		return 0, err
	}
	if young-1 > last {
		last = young - 1
	}
	return last, nil
}
