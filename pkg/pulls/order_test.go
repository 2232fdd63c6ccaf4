package pulls

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/object"
)

func numbers(list []forge.PullRequest) []int {
	var out []int
	for _, pr := range list {
		out = append(out, pr.Number)
	}
	return out
}

// TestWhoWaitsComesFirst: new heads are looked at before all others, the newest first; of
// the others that one which was not looked at for longest; what an earlier process may have
// told of comes in no order of its own.
func TestWhoWaitsComesFirst(t *testing.T) {
	f := NewFollower(Options{Log: slog.New(slog.DiscardHandler)})
	day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	open := map[int]forge.PullRequest{}
	put := func(number int, head string, updated int) {
		open[number] = forge.PullRequest{Number: number, Head: forge.Head{Commit: head}, Updated: day.Add(time.Duration(updated) * time.Minute)}
	}
	for n := 1; n <= 9; n++ {
		put(n, "old", n)
	}
	orders := map[int]bool{}
	for range 50 { // what comes first of nine is one of several
		now, later := f.order(open)
		if len(now) != 0 || len(later) != 9 {
			t.Fatalf("at first, %v are new and %v may wait", numbers(now), numbers(later))
		}
		orders[later[0].Number] = true
	}
	if len(orders) < 3 {
		t.Errorf("after a start, the first one is always of %v", orders)
	}
	for n := 1; n <= 9; n++ {
		p := &Pull{PullRequest: open[n]}
		p.Reviewed.Head = "old"
		f.pulls[n], f.looked[n] = p, day.Add(time.Duration(10-n)*time.Hour)
	}
	put(4, "pushed", 20)
	put(10, "opened", 30)
	put(2, "pushed", 25)
	now, later := f.order(open)
	if diff := cmp.Diff([][]int{{10, 2, 4}, {9, 8, 7, 6, 5, 3, 1}}, [][]int{numbers(now), numbers(later)}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// listing is a forge whose pull requests nobody can say the heads of; it notes when it is
// asked for all of them.
type listing struct {
	forge.Forge
	open map[int]forge.PullRequest
}

func (l *listing) Pulls(context.Context, string) object.Set[int, forge.PullRequest] {
	return object.Known(l.open)
}

// TestLookEndsWhenWoken: who pushes while all pull requests are looked at again does not
// wait for the last of them; and each look brings one of them forward.
func TestLookEndsWhenWoken(t *testing.T) {
	there := &listing{open: map[int]forge.PullRequest{1: {Number: 1}, 2: {Number: 2}, 3: {Number: 3}}}
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	f := NewFollower(Options{Forge: there, Base: standingAt{}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { at = at.Add(time.Second); return at }})
	var each []int
	for range 3 {
		f.Wake()
		f.Look(t.Context())
		each = append(each, len(f.looked))
	}
	if diff := cmp.Diff([]int{1, 2, 3}, each); diff != "" {
		t.Errorf("looked at after each look that is woken (-want +got):\n%s", diff)
	}
	<-f.wake
	before := f.looked[1]
	f.Look(t.Context())
	if !slices.ContainsFunc([]int{1, 2, 3}, func(n int) bool { return f.looked[n].After(before) }) || len(f.looked) != 3 {
		t.Errorf("when nobody wakes it, %v were looked at", f.looked)
	}
}

// slow is a forge that takes its time with statuses, and notes how many it is told at once.
type slow struct {
	listing
	mu             sync.Mutex
	told, now, top int
}

func (s *slow) SetStatus(context.Context, string, forge.Status) error {
	s.mu.Lock()
	s.now++
	s.top, s.told = max(s.top, s.now), s.told+1
	s.mu.Unlock()
	time.Sleep(100 * time.Millisecond)
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	return nil
}

// TestSeveralAreToldAtOnce: while the forge takes its time with one pull request, the next
// ones are looked at, and not all of them.
func TestSeveralAreToldAtOnce(t *testing.T) {
	store, err := git.OpenStore(t.TempDir(), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	there := &slow{listing: listing{open: map[int]forge.PullRequest{}}}
	for n := range 3 * atOnce {
		there.open[n+1] = forge.PullRequest{Number: n + 1, Head: forge.Head{Commit: strings.Repeat("a", 40)}}
	}
	f := NewFollower(Options{ // nothing can be fetched, which the forge is told of each
		Forge: there, Base: standingAt{store: store}, Remote: git.Remote{URL: "http://127.0.0.1:1/none.git", Branch: "main"},
		Ref: func(n int) string { return fmt.Sprint("pull/", n) }, Link: func(int) string { return "" }, Log: slog.New(slog.DiscardHandler),
	})
	f.Look(t.Context())
	if there.told != 3*atOnce || there.top != atOnce {
		t.Errorf("%d of %d were told, %d at once; want %d at once", there.told, 3*atOnce, there.top, atOnce)
	}
}

// later is a forge that knows one pull request by itself.
type later struct {
	listing
	one forge.PullRequest
}

func (l *later) Pull(context.Context, int) (forge.PullRequest, error) { return l.one, nil }

// TestHintBeforeTheForgeKnows: where the forge tells of a push before it lists the new
// head, it is asked again; and not where there is nothing new.
func TestHintBeforeTheForgeKnows(t *testing.T) {
	seen := forge.PullRequest{Number: 7, State: forge.Open, Base: forge.Base{Branch: "main"}, Head: forge.Head{Commit: "old"}}
	pushed, shut := seen, seen
	pushed.Head.Commit, shut.State = "new", forge.Closed
	for name, c := range map[string]struct {
		one    forge.PullRequest
		known  bool
		failed string
		again  bool
	}{
		"as it was": {seen, true, "", false}, "pushed to": {pushed, true, "", true}, "closed": {shut, true, "", true},
		"new": {seen, false, "", true}, "closed long ago": {shut, false, "", false}, "not found in Git yet": {seen, true, "another head", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := NewFollower(Options{Forge: &later{one: c.one}, Remote: git.Remote{Branch: "main"}, Log: slog.New(slog.DiscardHandler)})
			if c.known {
				f.pulls[7] = &Pull{PullRequest: seen, Failed: c.failed}
				f.pulls[7].Reviewed.Head = "old"
			}
			f.Hinted(7)
			ctx, cancel := context.WithTimeout(t.Context(), 3*soon)
			defer cancel()
			f.wait(ctx)
			if ctx.Err() != nil {
				t.Fatal("the hint asks nobody")
			}
			f.wait(ctx)
			if again := ctx.Err() == nil; again != c.again {
				t.Errorf("it is asked again: %v", again)
			}
		})
	}
}
