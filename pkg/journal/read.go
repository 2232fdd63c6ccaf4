package journal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/object"
)

// Filter says which records to read. The zero Filter reads the oldest ones.
type Filter struct {
	// Unit restricts to one unit; Kinds to some kinds.
	Unit  string
	Kinds []Kind
	// Object restricts to one object. There is no index for it, so that without
	// Unit the whole journal is looked through.
	Object string
	// Since and Before bound the sequence numbers, both exclusive; 0 is no bound.
	Since, Before int64
	// Newest reads from the newest record backwards.
	Newest bool
	// Limit bounds how many are read; 0 is 1000.
	Limit int
}

// query spells the filter in SQL.
func (f Filter) query() (string, []any) {
	where, args := []string{"seq > ?"}, []any{f.Since}
	if f.Before > 0 {
		where, args = append(where, "seq < ?"), append(args, f.Before)
	}
	if f.Unit != "" {
		where, args = append(where, "unit = ? AND unit <> ''"), append(args, f.Unit)
	}
	if len(f.Kinds) > 0 {
		where = append(where, "kind IN (?"+strings.Repeat(", ?", len(f.Kinds)-1)+")")
		for _, k := range f.Kinds {
			args = append(args, string(k))
		}
	}
	if f.Object != "" {
		where, args = append(where, "instr(body, ?) > 0"), append(args, f.spelled())
	}
	order, limit := "", f.Limit
	if f.Newest {
		order = " DESC"
	}
	if limit <= 0 {
		limit = 1000
	}
	return "SELECT seq, time, body FROM record WHERE " + strings.Join(where, " AND ") +
		" ORDER BY seq" + order + " LIMIT ?", append(args, limit)
}

// spelled is how the canonical bytes of a record say its object, as a whole
// plan's steps do.
func (f Filter) spelled() []byte {
	name, _ := object.Encode(f.Object) // a string can always be encoded
	return append([]byte(`"object":`), name...)
}

// find reads records. One that cannot be decoded is shown as a Gap: a page of
// history with a hole is better than none.
func (s *store) find(ctx context.Context, f Filter) ([]Record, error) {
	query, args := f.query()
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer rows.Close()
	var out []Record
	for rows.Next() {
		var seq, at int64
		var body []byte
		if err := rows.Scan(&seq, &at, &body); err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		r, err := decode(body)
		if err != nil || r.Seq != seq {
			r = Record{Seq: seq, Time: time.Unix(0, at).UTC(), Kind: Gap, Message: "this record is damaged"}
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return out, nil
}
