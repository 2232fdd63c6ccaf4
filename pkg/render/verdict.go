package render

import (
	"crypto/sha256"
	"encoding/json"
	"slices"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/object"
)

// verdicts keeps a digest per environment and team, so that the verdict over a large
// fleet costs no more than over a small one.
type verdicts struct {
	groups map[verdictGroup]map[string]*Unit // by unit's name
	sums   map[verdictGroup]object.Digest    // missing where a unit changed
}

type verdictGroup struct{ environment, team string }

func newVerdicts() *verdicts {
	return &verdicts{groups: map[verdictGroup]map[string]*Unit{}, sums: map[verdictGroup]object.Digest{}}
}

// set notes that a unit is now so; nil for one that went.
func (v *verdicts) set(before, now *Unit) {
	if before != nil {
		g := verdictGroup{before.Key.Environment, before.Team}
		delete(v.groups[g], before.Key.String())
		delete(v.sums, g)
	}
	if now == nil {
		return
	}
	g := verdictGroup{now.Key.Environment, now.Team}
	if v.groups[g] == nil {
		v.groups[g] = map[string]*Unit{}
	}
	v.groups[g][now.Key.String()] = now
	delete(v.sums, g)
}

func (v *verdicts) sum(g verdictGroup) object.Digest {
	if d, ok := v.sums[g]; ok {
		return d
	}
	units := v.groups[g]
	h := sha256.New()
	for _, name := range sortedNames(units) {
		u := units[name]
		h.Write([]byte(name))
		h.Write(u.Digest[:])
		for _, d := range u.Diags {
			writeDiag(h, d)
		}
	}
	d := object.Digest(h.Sum(nil))
	v.sums[g] = d
	return d
}

// Verdict is one hash over all that is wrong with what is declared, and all
// units as they should be.
func Verdict(es *eval.State, st *State) object.Digest {
	h := sha256.New()
	h.Write([]byte("fairway verdict 1\n"))
	for _, d := range es.Diags().Sorted() {
		writeDiag(h, d)
	}
	for _, key := range st.sortedChecks() {
		for _, d := range st.checks[key] {
			writeDiag(h, d)
		}
	}
	groups := make([]verdictGroup, 0, len(st.verdicts.groups))
	for g, units := range st.verdicts.groups {
		if len(units) > 0 {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b verdictGroup) int {
		return slices.Compare([]string{a.environment, a.team}, []string{b.environment, b.team})
	})
	for _, g := range groups {
		sum := st.verdicts.sum(g)
		h.Write(sum[:])
	}
	return object.Digest(h.Sum(nil))
}

func writeDiag(w interface{ Write([]byte) (int, error) }, d diag.Diag) {
	_ = json.NewEncoder(w).Encode(d) // hashing does not fail
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
