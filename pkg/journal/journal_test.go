package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/object"
)

// opened opens a journal that complains through the test, unless it is told
// where to put its complaints.
func opened(t testing.TB, o Options) *Journal {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "journal.db")
	}
	if o.OnError == nil {
		o.OnError = func(err error) { t.Errorf("unexpected: %v", err) }
	}
	j := Open(o)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func flush(t testing.TB, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := j.Flush(ctx); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

func sample(n int) []Record {
	out := make([]Record, n)
	for i := range out {
		out[i] = Record{
			Kind: Applied, Unit: fmt.Sprintf("prod/eu/svc-%d", i%7), Cluster: "eu", Revision: "5394cb7", Action: "update",
			Reason: "what is declared changed", Object: "Deployment shop-prod/checkout",
			Fields: []object.FieldChange{{Path: ".spec.replicas", Before: 2, After: 4}},
		}
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	at := time.Date(2026, 9, 1, 12, 0, 0, 123456789, time.UTC)
	j := opened(t, Options{Now: func() time.Time { return at }})
	want := Record{
		Kind: Applied, Unit: "prod/eu/cart", Cluster: "eu", Revision: "abc", PlanDigest: "d1", Reason: "r", Message: "m <&>",
		Object: "ConfigMap shop/x", Action: "update", Actor: "jo",
		Fields: []object.FieldChange{{Path: ".data.x", Before: "a", After: "b"}},
	}
	j.Append(t.Context(), want, Record{Kind: Held, Unit: "prod/eu/cart"}, Record{Kind: Held, Unit: "prod/eu/pay"})
	flush(t, j)
	got, err := j.Read(t.Context(), Filter{Unit: "prod/eu/cart", Kinds: []Kind{Applied}})
	want.Seq, want.Time = 1, at
	if diff := cmp.Diff([]Record{want}, got); diff != "" || err != nil {
		t.Errorf("read (-want +got): %v\n%s", err, diff)
	}
}

func TestFilters(t *testing.T) {
	j := opened(t, Options{})
	j.Append(t.Context(), sample(20)...)
	j.Append(t.Context(), Record{Kind: Started})
	flush(t, j)
	for _, c := range []struct {
		name string
		f    Filter
		want []int64
	}{
		{"unit", Filter{Unit: "prod/eu/svc-3"}, []int64{4, 11, 18}},
		{"since", Filter{Since: 18}, []int64{19, 20, 21}},
		{"before", Filter{Before: 3}, []int64{1, 2}},
		{"newest", Filter{Newest: true, Limit: 2}, []int64{21, 20}},
		{"newest page two", Filter{Newest: true, Limit: 2, Before: 20}, []int64{19, 18}},
		{"kinds", Filter{Kinds: []Kind{Started, Stopped}}, []int64{21}},
		{"none", Filter{Kinds: []Kind{Stopped}}, nil},
	} {
		records, err := j.Read(t.Context(), c.f)
		var got []int64
		for _, r := range records {
			got = append(got, r.Seq)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}

func TestFileIsPrivate(t *testing.T) {
	j := opened(t, Options{Path: filepath.Join(t.TempDir(), "new", "journal.db")})
	j.Append(t.Context(), sample(1)...)
	flush(t, j)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(j.o.Path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s%s: mode %v, %v, want 0600", j.o.Path, suffix, info.Mode(), err)
		}
	}
}

func TestSecretsAreMaskedAgain(t *testing.T) {
	j := opened(t, Options{})
	j.Append(t.Context(), Record{Kind: Applied, Object: "Secret shop/db", Fields: []object.FieldChange{{Path: ".data.password", After: "canary"}}})
	flush(t, j)
	got, err := j.Read(t.Context(), Filter{})
	if err != nil || strings.Contains(fmt.Sprint(got), "canary") {
		t.Errorf("the secret is in the journal: %v %v", got, err)
	}
}

func TestHugeRecordIsCutDown(t *testing.T) {
	j := opened(t, Options{})
	big := strings.Repeat("x", 3*maxBody)
	j.Append(t.Context(), Record{Kind: Applied, Message: big, Reason: big, Fields: []object.FieldChange{{Path: ".a", After: big}}})
	flush(t, j)
	got, err := j.Read(t.Context(), Filter{})
	if err != nil || len(got) != 1 || len(got[0].Message) > maxBody || len(got[0].Fields) != 0 || !strings.Contains(got[0].Message, "1 field changes left out") {
		t.Errorf("a record of %d bytes was stored as %d records, %v", 3*len(big), len(got), err)
	}
}

func TestReopenContinuesTheChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	for round := range 3 {
		j := opened(t, Options{Path: path})
		j.Append(t.Context(), sample(10)...)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if head := j.Head().Seq; head != int64(10*(round+1)) {
			t.Fatalf("round %d: head is %d", round, head)
		}
	}
	j := opened(t, Options{Path: path})
	if n, err := j.Verify(t.Context()); n != 30 || err != nil {
		t.Errorf("verify: %d records, %v, want 30", n, err)
	}
}

func TestTamperingIsFound(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		seq       int64
	}{
		{"content changed", `UPDATE record SET body = replace(body, 'update', 'prune!') WHERE seq = 40`, 40},
		{"column changed", `UPDATE record SET unit = 'prod/eu/other' WHERE seq = 41`, 41},
		{"kind changed", `UPDATE record SET kind = 'held' WHERE seq = 42`, 42},
		{"record taken out", `DELETE FROM record WHERE seq = 43`, 43},
		{"beginning taken away", `DELETE FROM record WHERE seq < 10`, 1},
		{"end taken away", `DELETE FROM record WHERE seq > 90`, 91},
		{"everything taken away", `DELETE FROM record`, 1},
		{"record put in", `INSERT INTO record SELECT 101, time, kind, unit, body, link FROM record WHERE seq = 100`, 101},
		{"two exchanged", `UPDATE record SET seq = CASE seq WHEN 50 THEN -1 ELSE seq END; UPDATE record SET seq = 50 WHERE seq = 51; UPDATE record SET seq = 51 WHERE seq = -1`, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := opened(t, Options{})
			j.Append(t.Context(), sample(100)...)
			flush(t, j)
			if n, err := j.Verify(t.Context()); n != 100 || err != nil {
				t.Fatalf("before: %d, %v", n, err)
			}
			tamper(t, j.o.Path, c.sql)
			_, err := j.Verify(t.Context())
			broken, ok := errors.AsType[*BrokenError](err)
			if !ok || broken.Seq != c.seq {
				t.Errorf("verify: %v, want record %d named", err, c.seq)
			}
		})
	}
}

func tamper(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestRetention(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	j := opened(t, Options{MaxRecords: 6000, MaxAge: 24 * time.Hour, Now: clock})
	j.Append(t.Context(), sample(20000)...) // more than one chunk too many
	flush(t, j)
	for _, c := range []struct {
		pass time.Duration
		left int64
	}{{time.Hour, 6000}, {48 * time.Hour, 1}} {
		mu.Lock()
		now = now.Add(c.pass)
		mu.Unlock()
		j.Append(t.Context(), Record{Kind: Started})
		if err := j.Close(); err != nil { // the writer is done with retention when it ends
			t.Fatal(err)
		}
		j = opened(t, j.o)
		if n, err := j.Verify(t.Context()); n != c.left || err != nil {
			t.Errorf("after %v: %d records verify, %v, want %d", c.pass, n, err, c.left)
		}
	}
}

func TestTwoWritersKeepOneChain(t *testing.T) {
	a := opened(t, Options{})
	b := opened(t, Options{Path: a.o.Path})
	var wg sync.WaitGroup
	for _, j := range []*Journal{a, b} {
		for range 4 {
			wg.Go(func() {
				for range 50 {
					j.Append(context.Background(), sample(3)...)
				}
			})
		}
	}
	wg.Wait()
	flush(t, a)
	flush(t, b)
	if n, err := a.Verify(t.Context()); n != 1200 || err != nil {
		t.Errorf("verify: %d records, %v, want 1200", n, err)
	}
}

func TestAppendAfterCloseDoesNotPanic(t *testing.T) {
	j := opened(t, Options{})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j.Append(t.Context(), sample(1)...)
	if _, err := j.Read(t.Context(), Filter{}); !errors.Is(err, errUnavailable) {
		t.Errorf("read after close: %v", err)
	}
	if _, err := j.Wait(t.Context(), j.Head().Seq); !errors.Is(err, ErrClosed) {
		t.Errorf("wait after close: %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			j := opened(b, Options{})
			records := sample(size)
			for b.Loop() {
				j.Append(b.Context(), records...)
			}
			flush(b, j)
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	j := opened(b, Options{})
	for range 25 {
		j.Append(b.Context(), sample(1000)...)
	}
	flush(b, j)
	for b.Loop() {
		if _, err := j.Verify(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*25000/b.Elapsed().Seconds(), "records/s")
}
