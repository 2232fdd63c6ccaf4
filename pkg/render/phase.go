package render

import (
	"maps"
	"slices"
)

// The words for whether an environment sleeps, as paths read them.
const (
	awake  = "awake"
	asleep = "asleep"
)

// Sleep says which environments sleep from now on, and gives those for which that
// is new, sorted. The next Advance must be told that they changed: whether they
// sleep is part of what their units are rendered from.
func (st *State) Sleep(now map[string]bool) []string {
	var changed []string
	for name := range now {
		if !st.asleep[name] {
			changed = append(changed, name)
		}
	}
	for name := range st.asleep {
		if !now[name] {
			changed = append(changed, name)
		}
	}
	st.asleep = maps.Clone(now)
	slices.Sort(changed)
	return changed
}

func (st *State) phase(environment string) string {
	if st.asleep[environment] {
		return asleep
	}
	return awake
}
