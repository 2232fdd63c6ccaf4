package journal

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
)

// BrokenError says where the chain is broken first.
type BrokenError struct {
	Seq int64
	Why string
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("journal is not what was written: record %d: %s", e.Seq, e.Why)
}

// verify walks the chain in one snapshot, from the anchor to the head, and
// gives the number of records that hold.
func (s *store) verify(ctx context.Context) (checked int64, err error) {
	return s.walk(ctx, func(Record) error { return nil })
}

// walk verifies and shows each record that holds.
func (s *store) walk(ctx context.Context, visit func(Record) error) (checked int64, err error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, fmt.Errorf("verify journal: %w", err)
	}
	defer tx.Rollback()
	at, err := chainAt(ctx, tx, "anchor")
	if err != nil {
		return 0, fmt.Errorf("verify journal: %w", err)
	}
	head, err := chainAt(ctx, tx, "head")
	if err != nil {
		return 0, fmt.Errorf("verify journal: %w", err)
	}
	rows, err := tx.QueryContext(ctx, "SELECT seq, time, kind, unit, body, link FROM record ORDER BY seq")
	if err != nil {
		return 0, fmt.Errorf("verify journal: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r Record
		if r, at, err = step(rows, at); err != nil {
			return checked, err
		}
		checked++
		if err := visit(r); err != nil {
			return checked, err
		}
	}
	if err := rows.Err(); err != nil {
		return checked, fmt.Errorf("verify journal: %w", err)
	}
	if at != head {
		return checked, &BrokenError{at.Seq + 1, fmt.Sprintf("missing; the journal was written up to record %d", head.Seq)}
	}
	return checked, nil
}

// step checks one record against the link before it.
func step(rows *sql.Rows, prev Head) (Record, Head, error) {
	var seq, at int64
	var kind, unit string
	var body, link []byte
	if err := rows.Scan(&seq, &at, &kind, &unit, &body, &link); err != nil {
		return Record{}, prev, fmt.Errorf("verify journal: %w", err)
	}
	if seq != prev.Seq+1 {
		return Record{}, prev, &BrokenError{prev.Seq + 1, fmt.Sprintf("missing; the next one there is %d", seq)}
	}
	want := follow(prev.Link, body)
	if !bytes.Equal(link, want[:]) {
		return Record{}, prev, &BrokenError{seq, "its link does not follow from its content and the record before"}
	}
	r, err := decode(body)
	if err != nil || r.Seq != seq || r.Time.UnixNano() != at || string(r.Kind) != kind || r.Unit != unit {
		return Record{}, prev, &BrokenError{seq, "its columns do not say what its content says"}
	}
	return r, Head{seq, want}, nil
}
