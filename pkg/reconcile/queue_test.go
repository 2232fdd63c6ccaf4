package reconcile

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fairway-dev/fairway/pkg/catalog"
)

func unit(service string) catalog.UnitKey {
	return catalog.UnitKey{Environment: "prod", Cluster: "eu", Service: service}
}

func team(name string) catalog.UnitKey { return catalog.TeamUnit("prod", "eu", name) }

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

func expect(t *testing.T, what string, got []catalog.UnitKey, want ...catalog.UnitKey) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestTeamsGoFirst(t *testing.T) {
	q := newQueue()
	q.add(at(1), unit("a"), team("x"))
	keys, _ := q.take(at(1), 10)
	expect(t, "first", keys, team("x"))
	keys, _ = q.take(at(1), 10)
	expect(t, "while a team's unit is in work", keys)
	q.done(team("x"))
	keys, _ = q.take(at(1), 10)
	expect(t, "then", keys, unit("a"))
	q.add(at(100), team("x"))
	q.add(at(1), unit("b"))
	keys, _ = q.take(at(2), 10)
	expect(t, "a team that is not due", keys, unit("b"))
}

func TestBusyUnitsWait(t *testing.T) {
	q := newQueue()
	q.add(at(1), unit("a"))
	q.take(at(1), 10)
	q.add(at(1), unit("a"))
	keys, _ := q.take(at(2), 10)
	expect(t, "in work", keys)
	q.done(unit("a"))
	select {
	case <-q.signal:
	default:
		t.Error("nobody is woken when it ends")
	}
	keys, _ = q.take(at(2), 10)
	expect(t, "afterwards", keys, unit("a"))
}

func TestEarliestDueWins(t *testing.T) {
	q := newQueue()
	q.add(at(9), unit("a"), unit("b"))
	q.add(at(3), unit("a"))
	q.add(at(50), unit("a"))
	keys, next := q.take(at(2), 10)
	expect(t, "before any is due", keys)
	if !next.Equal(at(3)) {
		t.Errorf("next: got %v, want %v", next, at(3))
	}
	keys, next = q.take(at(3), 10)
	expect(t, "the earlier time counts", keys, unit("a"))
	if !next.Equal(at(9)) {
		t.Errorf("next: got %v, want %v", next, at(9))
	}
	q.add(at(1), unit("c"))
	keys, _ = q.take(at(20), 2)
	expect(t, "one in work and room for two: the longest waiting", keys, unit("c"))
	keys, _ = q.take(at(20), 2)
	expect(t, "no room", keys)
}

// Whatever is added is handed out, however adding, taking and ending mix, and
// never to two at a time.
func TestNothingIsLost(t *testing.T) {
	names := []catalog.UnitKey{unit("a"), unit("b"), unit("c"), team("x"), team("y")}
	rapid.Check(t, func(t *rapid.T) {
		q, now, busy, owed := newQueue(), 0, map[catalog.UnitKey]bool{}, map[catalog.UnitKey]bool{}
		take := func(limit int) {
			keys, _ := q.take(at(now), limit)
			if len(keys) > max(limit-len(busy), 0) {
				t.Fatalf("%d handed out with %d in work, at most %d wanted", len(keys), len(busy), limit)
			}
			for _, key := range keys {
				if busy[key] || !owed[key] {
					t.Fatalf("%s handed out; busy %v, wanted %v", key, busy[key], owed[key])
				}
				busy[key], owed[key] = true, false
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			key := rapid.SampledFrom(names).Draw(t, "unit")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				q.add(at(now+rapid.IntRange(-5, 20).Draw(t, "in")), key)
				owed[key] = true
			case 1:
				take(rapid.IntRange(0, 3).Draw(t, "limit"))
			case 2:
				if busy[key] {
					q.done(key)
					delete(busy, key)
				}
			case 3:
				now += rapid.IntRange(0, 5).Draw(t, "seconds")
			}
		}
		now += 100
		for range 3 {
			for key := range busy {
				q.done(key)
			}
			clear(busy)
			take(100)
		}
		for key, is := range owed {
			if is {
				t.Fatalf("%s was lost", key)
			}
		}
		if got := q.depth(); got != len(busy) {
			t.Fatalf("depth: got %d, want %d", got, len(busy))
		}
	})
}

func TestBackoff(t *testing.T) {
	for failures := range 100 {
		for range 50 {
			d := backoff(failures)
			most := min(firstRetry<<min(max(failures-1, 0), 20), lastRetry)
			if d < most*4/5 || d > most {
				t.Fatalf("after %d failures: got %v, want between %v and %v", failures, d, most*4/5, most)
			}
		}
	}
	if backoff(1<<40) > lastRetry {
		t.Error("many failures wait longer than the longest")
	}
}
