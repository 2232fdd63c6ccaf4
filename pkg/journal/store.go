package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The tables. A record's columns repeat what filters need; the truth is body,
// and verify compares them. The chain table has two rows: the head, and the
// anchor, which is the newest record that retention took away.
const tables = `
CREATE TABLE IF NOT EXISTS record (
	seq  INTEGER PRIMARY KEY,
	time INTEGER NOT NULL,
	kind TEXT NOT NULL,
	unit TEXT NOT NULL,
	body BLOB NOT NULL,
	link BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS record_unit ON record (unit, seq) WHERE unit <> '';
CREATE TABLE IF NOT EXISTS chain (
	place TEXT PRIMARY KEY,
	seq   INTEGER NOT NULL,
	link  BLOB NOT NULL
) WITHOUT ROWID;
`

// version is the layout of the file. A file of another layout is put aside.
const version = 1

// smallest is the least a SQLite file can be. SQLite itself would take less for
// an empty file and say nothing of what was lost.
const smallest = 512

// errDamaged: the file is not a journal, or not any more.
var errDamaged = errors.New("journal file is damaged")

// store is one open journal file: a connection that writes and some that read.
type store struct {
	path  string
	file  os.FileInfo
	write *sql.DB
	read  *sql.DB
}

// openStore opens or makes the file. A new file continues the chain at from,
// so that sequence numbers never repeat while the daemon runs.
func openStore(path string, from Head) (*store, error) {
	info, err := touch(path)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	s := &store{path: path, file: info}
	if s.write, err = connect(path, "&_txlock=immediate&_pragma=journal_mode(wal)"); err != nil {
		return nil, err
	}
	if s.read, err = connect(path, "&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	s.write.SetMaxOpenConns(1)
	s.read.SetMaxOpenConns(4)
	if err := s.prepare(from); err != nil {
		s.close()
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	return s, nil
}

// touch makes the file before SQLite does, because SQLite gives its own files
// the same permissions.
func touch(path string) (os.FileInfo, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 && info.Size() < smallest {
		return nil, fmt.Errorf("%d bytes are left of it: %w", info.Size(), errDamaged)
	}
	return info, err
}

func connect(path, params string) (*sql.DB, error) {
	// synchronous=normal loses nothing when the process dies, and at most the
	// last moments, never the file, when the machine does.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=synchronous(normal)&_pragma=journal_size_limit(16777216)" + params
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	return sql.OpenDB(connector), nil
}

// prepare makes the tables of a new file and checks those of an old one.
func (s *store) prepare(from Head) error {
	var found, layout int
	if err := s.write.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&found); err != nil {
		return err
	}
	if err := s.write.QueryRow("PRAGMA user_version").Scan(&layout); err != nil {
		return err
	}
	if found > 0 && layout != version {
		return fmt.Errorf("layout %d where %d is wanted: %w", layout, version, errDamaged)
	}
	if found == 0 {
		return s.create(from)
	}
	var verdict string
	if err := s.write.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%s: %w", verdict, errDamaged)
	}
	_, err := s.head()
	return err
}

func (s *store) create(from Head) error {
	return s.transact(context.Background(), func(tx *sql.Tx) error {
		if _, err := tx.Exec(tables + fmt.Sprintf("PRAGMA user_version = %d;", version)); err != nil {
			return err
		}
		return errors.Join(setChain(tx, "anchor", from), setChain(tx, "head", from))
	})
}

func (s *store) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // the error that matters is err
		return err
	}
	return tx.Commit()
}

// querier is what connections and transactions have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func chainAt(ctx context.Context, q querier, place string) (Head, error) {
	var h Head
	var link []byte
	err := q.QueryRowContext(ctx, "SELECT seq, link FROM chain WHERE place = ?", place).Scan(&h.Seq, &link)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(link) != len(h.Link) {
		return h, fmt.Errorf("read the chain's %s: %w", place, errDamaged)
	}
	copy(h.Link[:], link)
	return h, err
}

func setChain(tx *sql.Tx, place string, h Head) error {
	_, err := tx.Exec("INSERT OR REPLACE INTO chain (place, seq, link) VALUES (?, ?, ?)", place, h.Seq, h.Link[:])
	return err
}

func (s *store) head() (Head, error) { return chainAt(context.Background(), s.read, "head") }

// append writes records as the next ones of the chain, all or none, and gives
// them back with their numbers. The head is read from the file, so several
// processes may write to one journal.
func (s *store) append(records []Record) ([]Record, Head, error) {
	var head Head
	out := make([]Record, len(records))
	err := s.transact(context.Background(), func(tx *sql.Tx) error {
		var err error
		if head, err = chainAt(context.Background(), tx, "head"); err != nil {
			return err
		}
		insert, err := tx.Prepare("INSERT INTO record (seq, time, kind, unit, body, link) VALUES (?, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer insert.Close()
		for i, r := range records {
			r.Seq = head.Seq + 1
			body, err := r.encode()
			if err != nil {
				return fmt.Errorf("encode record: %w", err)
			}
			head = Head{r.Seq, follow(head.Link, body)}
			if _, err := insert.Exec(r.Seq, r.Time.UnixNano(), string(r.Kind), r.Unit, body, head.Link[:]); err != nil {
				return err
			}
			out[i] = r
		}
		return setChain(tx, "head", head)
	})
	if err != nil {
		return nil, Head{}, fmt.Errorf("append to journal: %w", err)
	}
	return out, head, nil
}

// moved reports whether the file at the path is no longer the one that is
// open: deleted or replaced, so that writing to it would be writing nowhere.
func (s *store) moved() bool {
	info, err := os.Stat(s.path)
	return errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(info, s.file)
}

func (s *store) close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// damaged reports whether an error says that the file will never be right
// again, as opposed to a disk that is full or a lock that is held.
func damaged(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch code := failure.Code(); code {
	case sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return true
	default:
		return code&0xff == sqlite3.SQLITE_CORRUPT || code&0xff == sqlite3.SQLITE_NOTADB
	}
}

// putAside renames the file and what SQLite keeps beside it, and gives the new name.
func putAside(path string, now time.Time) (string, error) {
	aside := path + ".damaged-" + now.UTC().Format("20060102T150405.000000000Z")
	var errs []error
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return "", fmt.Errorf("put damaged journal aside: %w", err)
	}
	return aside, nil
}
