package journal

import (
	"context"
	"fmt"
	"os"
)

// Walk reads a journal's file from outside, oldest record first, and verifies
// its chain on the way: the first record that does not hold ends it with a
// *BrokenError. The file is not changed and may be in use.
func Walk(ctx context.Context, path string, visit func(Record) error) (checked int64, err error) {
	if _, err := os.Stat(path); err != nil {
		return 0, fmt.Errorf("read journal: %w", err)
	}
	db, err := connect(path, "&_pragma=query_only(1)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	s := store{path: path, read: db}
	return s.walk(ctx, visit)
}
