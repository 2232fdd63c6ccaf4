package fleet

import (
	"maps"
	"time"

	"github.com/fairway-dev/fairway/pkg/schedule"
)

// Phase is whether an environment that has a schedule sleeps.
type Phase struct {
	Asleep bool `json:"asleep"`
	// Until is when that changes; zero if it does not.
	Until time.Time `json:"until,omitzero"`
}

// String says it in a few words. Example: "asleep until 2026-12-01T06:00:00Z".
func (p Phase) String() string {
	word := "awake"
	if p.Asleep {
		word = "asleep"
	}
	if p.Until.IsZero() {
		return word
	}
	return word + " until " + p.Until.UTC().Format(time.RFC3339)
}

// sleep finds which environments sleep now, and gives those for which that is
// new. One whose schedule cannot be read stays awake. The caller holds mu.
func (f *Fleet) sleep() []string {
	asleep := map[string]bool{}
	f.next = map[string]Phase{}
	if f.Now == nil {
		return f.units.Sleep(asleep)
	}
	now := f.Now()
	for name, env := range f.declared.Catalog.Environments {
		if env.Sleep == nil {
			continue
		}
		s, err := schedule.Parse(*env.Sleep)
		if err != nil {
			continue // said where declarations are checked
		}
		sleeps, until := s.At(now)
		f.next[name] = Phase{Asleep: sleeps, Until: until}
		if sleeps {
			asleep[name] = true
		}
	}
	return f.units.Sleep(asleep)
}

// Phases tells of each environment that has a schedule whether it sleeps.
func (f *Fleet) Phases() map[string]Phase {
	f.published.RLock()
	defer f.published.RUnlock()
	return maps.Clone(f.phases)
}

// Turns is when the next environment falls asleep or wakes up; zero for never.
func (f *Fleet) Turns() time.Time {
	var next time.Time
	for _, p := range f.Phases() {
		if !p.Until.IsZero() && (next.IsZero() || p.Until.Before(next)) {
			next = p.Until
		}
	}
	return next
}
