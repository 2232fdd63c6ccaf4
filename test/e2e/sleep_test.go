package e2e_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairway-dev/fairway/pkg/journal"
	"github.com/fairway-dev/fairway/pkg/status"
)

// bedside is a clock that is set and goes on from there.
type bedside struct{ ahead atomic.Int64 }

func (b *bedside) now() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }

// set has the clock show an hour of a day of some week to come.
func (b *bedside) set(day, hour int) {
	b.ahead.Store(int64(time.Until(time.Date(2030, 1, 6+day, hour, 0, 0, 0, time.UTC))))
}

// sleepers is a company whose dev sleeps at night: cart with a fixed number of
// copies, search with as many as it needs, pay on which everything depends.
func sleepers(w *world) files {
	return w.teamFile("shop").
		and(w.everywhere("shop", "cart", "scale: min: 2")).
		and(w.everywhere("shop", "search", "scale: {min: 1, max: 3}")).
		and(w.everywhere("shop", "pay", `tier: "critical"`)).
		and(w.sleeping(""))
}

func (w *world) sleeping(more string) files {
	return files{"environments/" + w.dev() + "/environment.cue": w.environment(w.dev(), 10, "local",
		fmt.Sprintf(`sleep: {from: "0 20 * * *", until: "0 7 * * *"%s}`, more))}
}

// waitPhase waits until the services of dev sleep or are awake, those on which
// everything depends apart, and gives how many units were evaluated for it.
func (w *world) waitPhase(asleep bool) {
	w.t.Helper()
	for service, sleeps := range map[string]bool{"cart": asleep, "search": asleep, "pay": false} {
		u := w.waitUnit(w.inDev(service), fmt.Sprintf("well, and asleep is %v", sleeps), func(u status.Unit) bool {
			return u.Asleep == sleeps && u.Conditions()[0].Status == "True"
		})
		if u.Health != "Healthy" {
			w.t.Errorf("%s, want it healthy", describe(u))
		}
		want := int64(1)
		switch {
		case sleeps:
			want = 0
		case service == "cart":
			want = 2
		}
		if got := replicas(w.live("local", "Deployment", w.space("shop", w.dev()), service)); got != want {
			w.t.Errorf("%s has %d replicas, want %d", service, got, want)
		}
	}
}

// TestEnvironmentSleeps: an environment with a schedule runs nothing at night but
// what is critical, deletes nothing for it, and comes back; no commit and no
// evaluation is needed for the second night; a daemon that starts at night is
// right at once; and a commit wakes it up.
func TestEnvironmentSleeps(t *testing.T) {
	w := newWorld(t, sleepers)
	clock := &bedside{}
	w.clock = clock.now
	clock.set(0, 12)
	w.run()
	w.waitPhase(false)
	from := w.lab.now(t)
	inProd := w.essences("prod-eu", true)

	clock.set(0, 21)
	w.daemon.Wake()
	w.waitPhase(true)
	clock.set(1, 8)
	w.daemon.Wake()
	w.waitPhase(false)
	w.quiet()
	clock.set(1, 21)
	w.daemon.Wake()
	w.waitPhase(true)
	w.quiet()
	w.mustDeleteNothing(from)
	mustEqual(t, "prod", inProd, w.essences("prod-eu", true))
	evaluated := w.daemon.log.lines("revision evaluated")
	if last := evaluated[len(evaluated)-1]; last["evaluations"] != 0.0 {
		t.Errorf("the second night took %v evaluations, want none", last["evaluations"])
	}
	var said []string
	for _, r := range w.records("", journal.Phase) {
		said = append(said, strings.ReplaceAll(r.Message, w.dev(), "dev"))
	}
	mustEqual(t, "the journal", []string{
		"environment dev is asleep until 2030-01-07T07:00:00Z", "environment dev is awake until 2030-01-07T20:00:00Z",
		"environment dev is asleep until 2030-01-08T07:00:00Z",
	}, said)

	w.daemon.stop()
	from = w.lab.now(t)
	w.start(t.TempDir())
	w.waitPhase(true)
	w.quiet()
	w.mustWriteNothing(from, "after a start at night")
	if got := w.source().Phases[w.dev()]; got != "asleep until 2030-01-08T07:00:00Z" {
		t.Errorf("the daemon says that dev is %q", got)
	}

	w.push("somebody works late", w.sleeping(`, awakeUntil: "2030-01-07T23:30:00Z"`))
	w.waitPhase(false)
}
