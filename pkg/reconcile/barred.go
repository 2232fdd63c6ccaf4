package reconcile

import (
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/plan"
)

// barred is what of a cluster waits for approval, by the commit that changed it.
type barred map[string]Judgement

// names is what waits, as a cluster has it recorded; nil for nothing.
func (b barred) names() map[string]cluster.Unapproved {
	var out map[string]cluster.Unapproved
	for commit, j := range b {
		units := make([]string, len(j.Units))
		for i, key := range j.Units {
			units[i] = key.String()
		}
		slices.Sort(units)
		if out == nil {
			out = map[string]cluster.Unapproved{}
		}
		out[commit] = cluster.Unapproved{Pull: j.Pull, Units: units}
		if !j.Before.IsZero() {
			out[commit] = cluster.Unapproved{Pull: j.Pull, Before: j.Before.String(), Units: units}
		}
	}
	return out
}

// bar has the units of a commit that are on this cluster wait. Those that waited for it
// before go on doing so.
func (r *ratchet) bar(commit string, j Judgement) {
	r.barring.Lock()
	defer r.barring.Unlock()
	units := slices.DeleteFunc(slices.Clone(j.Units), func(key catalog.UnitKey) bool { return key.Cluster != r.name })
	for _, key := range r.barred[commit].Units {
		if !slices.Contains(units, key) {
			units = append(units, key)
		}
	}
	if len(units) == 0 {
		return
	}
	if r.barred == nil {
		r.barred = barred{}
	}
	j.Units = units
	r.barred[commit] = j
}

// lift has the units of a commit wait no more, and gives them.
func (r *ratchet) lift(commit string) []catalog.UnitKey {
	r.barring.Lock()
	defer r.barring.Unlock()
	units := r.barred[commit].Units
	delete(r.barred, commit)
	return units
}

// units are those that wait for the approval of a commit.
func (r *ratchet) units(commit string) []catalog.UnitKey {
	r.barring.Lock()
	defer r.barring.Unlock()
	return slices.Clone(r.barred[commit].Units)
}

// commits are those of which units wait, and what was found out about them.
func (r *ratchet) commits() map[string]Judgement {
	r.barring.Lock()
	defer r.barring.Unlock()
	return maps.Clone(r.barred)
}

// waits says why a unit has to wait for approval; nil where it does not.
func (r *ratchet) waits(key catalog.UnitKey) *plan.Hold {
	r.barring.Lock()
	defer r.barring.Unlock()
	for _, commit := range slices.Sorted(maps.Keys(r.barred)) {
		if j := r.barred[commit]; slices.Contains(j.Units, key) {
			return &plan.Hold{Reason: HoldUnapproved, Message: j.Why, Hint: j.Hint}
		}
	}
	return nil
}

// Unapproved says why a unit waits for approval by what its cluster has recorded; nil
// where it does not.
func Unapproved(rec cluster.Ratchet, key catalog.UnitKey) *plan.Hold {
	r := &ratchet{name: key.Cluster}
	r.heard(rec)
	return r.waits(key)
}

// heard takes in what the cluster has recorded: what waited there waits here, too.
func (r *ratchet) heard(rec cluster.Ratchet) {
	r.barring.Lock()
	defer r.barring.Unlock()
	for commit, waits := range rec.Unapproved {
		if _, known := r.barred[commit]; known {
			continue
		}
		j := Judgement{Pull: waits.Pull, Why: "commit " + commit + " changed it and was not approved for what it does; it is asked again who approved it"}
		j.Before, _ = git.ParseHash(waits.Before) // else it is the first parent
		for _, name := range waits.Units {
			if key, err := catalog.ParseUnitKey(name); err == nil {
				j.Units = append(j.Units, key)
			}
		}
		if r.barred == nil {
			r.barred = barred{}
		}
		if r.barred[commit] = j; r.ask != nil {
			r.ask()
		}
	}
}

// replaced has units go on that waited for commits which are no part of a history that
// takes the place of the recorded one. The caller holds mu.
func (r *ratchet) replaced(revision string) {
	now, err := git.ParseHash(revision)
	if err != nil {
		return
	}
	for commit := range r.commits() {
		h, err := git.ParseHash(commit)
		if err != nil {
			continue
		}
		if within, err := r.line.has(r.store(), now, h); err == nil && !within {
			r.lift(commit)
		}
	}
}

// names is what waits, as the cluster has it recorded.
func (r *ratchet) names() map[string]cluster.Unapproved {
	r.barring.Lock()
	defer r.barring.Unlock()
	return r.barred.names()
}

// unsaved reports whether the cluster may not have recorded what waits.
func (r *ratchet) unsaved() bool {
	if !r.mu.TryLock() {
		return true // it is being recorded
	}
	defer r.mu.Unlock()
	return r.untold()
}

// untold is unsaved. The caller holds mu.
func (r *ratchet) untold() bool {
	r.barring.Lock()
	defer r.barring.Unlock()
	return !maps.EqualFunc(r.barred.names(), r.rec.Unapproved, func(a, b cluster.Unapproved) bool {
		return a.Pull == b.Pull && a.Before == b.Before && slices.Equal(a.Units, b.Units)
	})
}
