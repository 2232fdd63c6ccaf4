package campaign

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairway-dev/fairway/pkg/status"
	"github.com/fairway-dev/fairway/test/faults/oracle"
	"github.com/fairway-dev/fairway/test/faults/world"
)

// pollEvery is how often the daemon's word is asked for while it is waited for.
const pollEvery = 50 * time.Millisecond

// said is what the daemon says: the revision it is at, and of each unit how it
// stands, such as "Synced Healthy". It is used to know when to look, and never
// for a verdict.
func said(w *world.World) (string, map[string]string, error) {
	var source status.Source
	if err := w.Daemon.Ask("/api/v1/source", &source); err != nil {
		return "", nil, err
	}
	var list struct{ Items []status.Unit }
	if err := w.Daemon.Ask("/api/v1/units", &list); err != nil {
		return "", nil, err
	}
	units := map[string]string{}
	for _, u := range list.Items {
		name := u.Unit.String()
		if strings.Contains(name, world.Mark) {
			units[name] = string(u.Sync) + " " + string(u.Health)
			if u.Sync != status.Synced {
				units[name] = string(u.Sync)
			}
		}
	}
	return source.Revision, units, nil
}

// restless are the words for units that something is still happening to.
func restless(word string) bool {
	return slices.ContainsFunc([]string{"Unknown", "Applying", "Removing", "Progressing", "Missing"}, func(s string) bool { return strings.Contains(word, s) })
}

// settle waits until the daemon says that it is at the company's commit and
// every unit stands as wanted; with nothing wanted, until nothing is going on.
// It gives what the daemon says.
func settle(ctx context.Context, w *world.World, want map[string]string, limit time.Duration) (map[string]string, error) {
	began := time.Now()
	for {
		head, units, err := said(w)
		missing := ""
		switch {
		case err != nil:
			missing = err.Error()
		case head != w.Head():
			missing = fmt.Sprintf("the daemon is at %.7s and not at %.7s", head, w.Head())
		case want != nil:
			missing = unlike(want, units)
		case len(units) == 0:
			missing = "there are no units"
		default:
			for _, name := range slices.Sorted(maps.Keys(units)) {
				if restless(units[name]) {
					missing = name + " is " + units[name]
				}
			}
		}
		if missing == "" {
			return units, nil
		}
		if time.Since(began) > limit {
			return units, fmt.Errorf("not settled within %s: %s; the daemon says:\n%s", limit, missing, w.Daemon.Trouble(8))
		}
		if broken := w.Daemon.Broken(); broken != "" {
			return units, fmt.Errorf("the daemon is broken: %s", broken)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

func unlike(want, got map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			return fmt.Sprintf("%s is %q, want %q", name, got[name], want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			return fmt.Sprintf("%s is %q and should not be there", name, got[name])
		}
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// quiet waits until the audit logs have had no request for a change for as
// long as calm.
func quiet(ctx context.Context, w *world.World, calm, limit time.Duration) error {
	last, err := w.Now()
	if err != nil {
		return err
	}
	began, since := time.Now(), time.Now()
	for time.Since(since) < calm {
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
		requests, err := w.Since(last)
		if err != nil {
			return err
		}
		changes := slices.DeleteFunc(requests, func(r oracle.Request) bool { return !r.Mutates() })
		if len(changes) == 0 {
			continue
		}
		if time.Since(began) > limit {
			return fmt.Errorf("the daemon goes on writing, %s after it said it had settled: %s", limit, changes[len(changes)-1])
		}
		since = time.Now()
		if last, err = w.Now(); err != nil {
			return err
		}
	}
	return nil
}
