package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// childPath, in the environment, makes the test binary a process that appends
// to that journal until it is killed.
const childPath = "FAIRWAY_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		child(path)
	}
	os.Exit(m.Run())
}

// child says after each flush up to where everything is on disk.
func child(path string) {
	j := Open(Options{Path: path, OnError: func(err error) { fmt.Println("error:", err) }})
	for {
		j.Append(context.Background(), sample(50)...)
		if err := j.Flush(context.Background()); err != nil {
			fmt.Println("error:", err)
		}
		fmt.Println(j.Head().Seq)
	}
}

func TestKilledInTheMiddle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		said := killed(t, path, 3+5*round)
		j := opened(t, Options{Path: path})
		if head := j.Head().Seq; head < said {
			t.Fatalf("round %d: %d records were flushed and %d are there", round, said, head)
		}
		if n, err := j.Verify(t.Context()); n != j.Head().Seq || err != nil {
			t.Fatalf("round %d: %d of %d records verify: %v", round, n, j.Head().Seq, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killed runs a child, kills it while it writes, and gives the last record it
// said was on disk.
func killed(t *testing.T, path string, lines int) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := int64(0)
	for s := bufio.NewScanner(out); lines > 0 && s.Scan(); lines-- {
		if said, err = strconv.ParseInt(s.Text(), 10, 64); err != nil {
			t.Errorf("child says %q", s.Text())
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return said
}

// complaints gathers what a journal says is wrong.
type complaints struct {
	mu   sync.Mutex
	said []string
}

func (c *complaints) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, err.Error())
}

func (c *complaints) has(word string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Contains(strings.Join(c.said, "\n"), word)
}

func (c *complaints) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.said)
}

func TestDamagedFileIsPutAside(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"not a database":  func(b []byte) []byte { return []byte(strings.Repeat("no database ", 1000)) },
		"header flipped":  func(b []byte) []byte { b[5] ^= 0xff; return b },
		"truncated":       func(b []byte) []byte { return b[:len(b)/2] },
		"inner page gone": func(b []byte) []byte { clear(b[4096*2 : 4096*40]); return b },
		"old page gone":   func(b []byte) []byte { page := len(b) / 4096 / 2; clear(b[4096*page : 4096*(page+1)]); return b }, // appending would not meet it
		"one byte left":   func(b []byte) []byte { return b[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.db")
			j := opened(t, Options{Path: path})
			j.Append(t.Context(), sample(2000)...)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			begunAnew(t, path)
		})
	}
}

// begunAnew opens a damaged journal and wants it put aside and a whole one begun.
func begunAnew(t *testing.T, path string) {
	t.Helper()
	var c complaints
	j := opened(t, Options{Path: path, OnError: c.add})
	j.Append(t.Context(), sample(5)...)
	flush(t, j)
	if aside, _ := filepath.Glob(path + ".damaged-*Z"); len(aside) != 1 {
		t.Errorf("files put aside: %v, want one", aside)
	}
	if !c.has("put aside") {
		t.Errorf("it was not said: %q", c.said)
	}
	records, err := j.Read(t.Context(), Filter{})
	if err != nil || len(records) != 6 || records[0].Kind != Gap {
		t.Errorf("the new file has %d records, %v, want a gap and 5", len(records), err)
	}
	if n, err := j.Verify(t.Context()); n != 6 || err != nil {
		t.Errorf("verify: %d, %v", n, err)
	}
}

func TestFlippedBytesAreFoundOrPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := opened(t, Options{Path: path})
	j.Append(t.Context(), sample(300)...)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []int{len(whole) / 3, len(whole) / 2, 2 * len(whole) / 3} {
		// Past the first pages, which hold leftovers nobody reads.
		at := from + strings.Index(string(whole[from:]), "what is declared changed")
		flipped := append([]byte(nil), whole...)
		for i := range 16 {
			flipped[at+i] ^= 0x5a
		}
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		var c complaints
		j := opened(t, Options{Path: path, OnError: c.add})
		if _, err := j.Verify(t.Context()); err == nil && c.count() == 0 {
			t.Errorf("16 bytes flipped at %d went unnoticed", at)
		}
		_ = j.Close()
	}
}

func TestDamageWhileOpen(t *testing.T) {
	var c complaints
	j := opened(t, Options{OnError: c.add})
	j.Append(t.Context(), sample(100)...)
	flush(t, j)
	tamper(t, j.o.Path, "DELETE FROM chain")
	j.Append(t.Context(), sample(10)...)
	flush(t, j)
	records, err := j.Read(t.Context(), Filter{})
	if err != nil || len(records) != 11 || records[0].Seq != 101 || records[0].Kind != Gap {
		t.Errorf("after damage the file has %d records, %v, want a gap with number 101 and 10", len(records), err)
	}
	if n, err := j.Verify(t.Context()); n != 11 || err != nil {
		t.Errorf("verify: %d, %v", n, err)
	}
}

func TestFileDeletedWhileOpen(t *testing.T) {
	var c complaints
	j := opened(t, Options{OnError: c.add})
	j.Append(t.Context(), sample(10)...)
	flush(t, j)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(j.o.Path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	j.Append(t.Context(), sample(1)...)
	flush(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again := opened(t, Options{Path: j.o.Path})
	if records, err := again.Read(t.Context(), Filter{}); err != nil || len(records) != 2 || records[1].Seq != 12 {
		t.Errorf("after the file was deleted: %v, %v, want a gap and record 12", records, err)
	}
}

// TestFullDisk lets the file grow no further, which is SQLite's own name for a
// full disk, and then makes room.
func TestFullDisk(t *testing.T) {
	var c complaints
	j := opened(t, Options{OnError: c.add, Queue: 1000})
	j.Append(t.Context(), sample(10)...)
	flush(t, j)
	limit(t, j, 1)
	began := time.Now()
	for range 300 {
		j.Append(t.Context(), sample(20)...)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("appending to a full disk held up the caller for %v", took)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second) // long enough for a second try
	defer cancel()
	if err := j.Flush(short); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("flush to a full disk: %v, want it to say so", err)
	}
	if !c.has("full") || c.count() != 1 {
		t.Errorf("complaints: %q, want one of a full disk", c.said)
	}
	if _, err := j.Read(t.Context(), Filter{}); err != nil {
		t.Errorf("what is written cannot be read on a full disk: %v", err)
	}
	limit(t, j, 1<<30)
	flush(t, j)
	last, err := j.Read(t.Context(), Filter{Kinds: []Kind{Gap}})
	if err != nil || len(last) != 1 || last[0].Reason != "RecordsLost" {
		t.Errorf("gaps told after the disk was full: %v, %v, want one", last, err)
	}
	if n, err := j.Verify(t.Context()); n != j.Head().Seq || err != nil {
		t.Errorf("verify: %d of %d, %v", n, j.Head().Seq, err)
	}
	if aside, _ := filepath.Glob(j.o.Path + ".damaged-*"); len(aside) > 0 {
		t.Errorf("a full disk damages nothing, but %v was put aside", aside)
	}
}

func limit(t *testing.T, j *Journal, pages int) {
	t.Helper()
	// The writer may be in the middle of a transaction on its one connection;
	// this waits for it.
	if _, err := j.store.write.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenWhereNothingCanBeWritten(t *testing.T) {
	dir := t.TempDir()
	occupied := filepath.Join(dir, "file")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var c complaints
	j := opened(t, Options{Path: filepath.Join(occupied, "journal.db"), OnError: c.add})
	j.Append(t.Context(), sample(1)...)
	if _, err := j.Read(t.Context(), Filter{}); !errors.Is(err, errUnavailable) || c.count() == 0 {
		t.Errorf("read %v, complaints %q", err, c.said)
	}
	if err := os.Remove(occupied); err != nil {
		t.Fatal(err)
	}
	flush(t, j)
	if records, err := j.Read(t.Context(), Filter{}); len(records) != 1 || err != nil {
		t.Errorf("what waited was not written: %v, %v", records, err)
	}
}
