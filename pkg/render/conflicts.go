package render

import (
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/object"
)

// conflicts finds what two units declare that there can be only one of: a
// Kubernetes identity on a cluster, or a claim such as a host name. Both
// units are held; what is live stays as it is.
type conflicts struct {
	idents map[uint64][]catalog.UnitKey
	claims map[eval.Claim][]catalog.UnitKey
}

func newConflicts() *conflicts {
	return &conflicts{idents: map[uint64][]catalog.UnitKey{}, claims: map[eval.Claim][]catalog.UnitKey{}}
}

// identity is a 64-bit hash of an object's identity on a cluster. Two that meet
// by chance are told apart when the conflict is reported.
func identity(cluster string, id object.ID) uint64 {
	h := fnv.New64a()
	for _, s := range []string{cluster, id.Group, id.Kind, id.Namespace, id.Name} {
		io.WriteString(h, s)
		h.Write([]byte{0})
	}
	return h.Sum64()
}

// anywhere is a claim without the field that made it: what is compared.
func anywhere(c eval.Claim) eval.Claim { return eval.Claim{Kind: c.Kind, Value: c.Value} }

// touched collects what one Advance changes: the units as they were, and what
// they declared or declare.
type touched struct {
	units  map[catalog.UnitKey]*Unit
	idents map[uint64]bool
	claims map[eval.Claim]bool
}

func (c *conflicts) begin() *touched {
	return &touched{units: map[catalog.UnitKey]*Unit{}, idents: map[uint64]bool{}, claims: map[eval.Claim]bool{}}
}

func (t *touched) note(key catalog.UnitKey, before *Unit) {
	if _, ok := t.units[key]; !ok {
		t.units[key] = before
	}
}

func (c *conflicts) remove(u *Unit, t *touched) {
	if u == nil {
		return
	}
	for _, id := range u.idents {
		t.idents[id] = true
		drop(c.idents, id, u.Key)
	}
	for _, claim := range u.claims {
		t.claims[anywhere(claim)] = true
		drop(c.claims, anywhere(claim), u.Key)
	}
}

func drop[K comparable](m map[K][]catalog.UnitKey, key K, unit catalog.UnitKey) {
	var left []catalog.UnitKey
	for _, k := range m[key] {
		if k != unit {
			left = append(left, k)
		}
	}
	if m[key] = left; len(left) == 0 {
		delete(m, key)
	}
}

func (c *conflicts) add(u *Unit, t *touched) {
	for _, id := range u.idents {
		t.idents[id] = true
	}
	for _, claim := range u.claims {
		t.claims[anywhere(claim)] = true
	}
	c.enter(u)
}

// enter notes what a unit declares.
func (c *conflicts) enter(u *Unit) {
	self := []catalog.UnitKey{u.Key} // for what it alone declares, which is almost all
	for _, id := range u.idents {
		c.idents[id] = join(c.idents[id], self)
	}
	for _, claim := range u.claims {
		c.claims[anywhere(claim)] = join(c.claims[anywhere(claim)], self)
	}
}

// join never writes to either list's memory.
func join(keys, self []catalog.UnitKey) []catalog.UnitKey {
	if len(keys) == 0 {
		return self
	}
	return slices.Concat(keys, self)
}

// settle brings the diagnostics of every unit that shares something touched up
// to date.
func (c *conflicts) settle(st *State, cat *catalog.Catalog, t *touched) {
	again := map[catalog.UnitKey]bool{}
	for id := range t.idents {
		for _, key := range c.idents[id] {
			again[key] = true
		}
	}
	for claim := range t.claims {
		for _, key := range c.claims[claim] {
			again[key] = true
		}
	}
	for key := range again {
		c.diagnose(st, cat, key, t)
	}
}

// diagnose replaces a unit by one that says what it shares now.
func (c *conflicts) diagnose(st *State, cat *catalog.Catalog, key catalog.UnitKey, t *touched) {
	u := st.Units[key]
	var list diag.List
	// What nobody reviewed yet holds nothing that was: a preview alone minds what it shares.
	_, preview := catalog.PreviewOf(key.Environment)
	minds := func(other catalog.UnitKey) bool {
		_, theirs := catalog.PreviewOf(other.Environment)
		return preview || !theirs
	}
	for _, id := range u.idents {
		if other, ok := another(c.idents[id], func(k catalog.UnitKey) bool { return k != key && minds(k) }); ok {
			list = append(list, c.sharedIdentity(cat, key, other))
			break
		}
	}
	for _, claim := range u.claims {
		elsewhere := func(k catalog.UnitKey) bool {
			return (k.Service != key.Service || k.Environment != key.Environment) && minds(k)
		}
		if other, ok := another(c.claims[anywhere(claim)], elsewhere); ok {
			list = append(list, sharedClaim(cat, st, key, other, claim))
		}
	}
	own := slices.DeleteFunc(slices.Clone(u.Diags), func(d diag.Diag) bool { return d.Code == codeIdentity || d.Code == codeClaim })
	if len(list) == 0 && len(own) == len(u.Diags) {
		return
	}
	t.note(key, u)
	next := *u
	next.Diags = append(own, list...)
	st.Units[key] = &next
}

func another(keys []catalog.UnitKey, is func(catalog.UnitKey) bool) (catalog.UnitKey, bool) {
	sorted := slices.SortedFunc(slices.Values(keys), compareKeys)
	i := slices.IndexFunc(sorted, is)
	if i < 0 {
		return catalog.UnitKey{}, false
	}
	return sorted[i], true
}

const (
	codeIdentity = "identity-declared-twice"
	codeClaim    = "claimed-twice"
)

func (c *conflicts) sharedIdentity(cat *catalog.Catalog, key, other catalog.UnitKey) diag.Diag {
	return diag.Diag{
		Code: codeIdentity, Severity: diag.Error, Pos: at(cat, key, "name"), Subject: subjectOf(cat, key),
		Message: fmt.Sprintf("%s and %s declare the same Kubernetes object", key, other),
		Hint:    "give one of them another name",
		Related: []diag.Related{{Pos: at(cat, other, "name"), Note: "the other declaration"}},
	}
}

func sharedClaim(cat *catalog.Catalog, st *State, key, other catalog.UnitKey, claim eval.Claim) diag.Diag {
	theirs := claim.Field
	for _, c := range st.Units[other].claims {
		if anywhere(c) == anywhere(claim) {
			theirs = c.Field
		}
	}
	return diag.Diag{
		Code: codeClaim, Severity: diag.Error, Pos: at(cat, key, claim.Field), Subject: subjectOf(cat, key),
		Message: fmt.Sprintf("%s: %s %q is claimed by %s as well", claim.Field, claim.Kind, claim.Value, other),
		Hint:    fmt.Sprintf("choose another %s for one of them", claim.Kind),
		Related: []diag.Related{{Pos: at(cat, other, theirs), Note: "the other declaration"}},
	}
}

// at is where a unit's field is written, or the nearest group around it: in the
// environment's overlay, or else in the service, or else in the file at all.
func at(cat *catalog.Catalog, key catalog.UnitKey, field string) diag.Position {
	if team, ok := key.Team(); ok {
		return declaredTeam(cat.Teams[team]).At(field)
	}
	if key.OfCluster() {
		return declaredCluster(cat.Clusters[key.Cluster]).At(field)
	}
	s := cat.ServiceIn(key.Environment, key.Service)
	if s == nil {
		return diag.Position{}
	}
	for group := field; group != ""; group = group[:max(strings.LastIndexByte(group, '.'), 0)] {
		if pos, ok := s.Positions.Find("environments." + key.Environment + "." + group); ok {
			return pos
		}
		if pos, ok := s.Positions.Find(group); ok {
			return pos
		}
	}
	return s.At(field)
}

func subjectOf(cat *catalog.Catalog, key catalog.UnitKey) diag.Subject {
	if key.OfCluster() {
		return diag.Subject{Cluster: key.Cluster}
	}
	sub := diag.Subject{Environment: key.Environment, Cluster: key.Cluster}
	if team, ok := key.Team(); ok {
		sub.Team = team
		return sub
	}
	sub.Service = key.Service
	if s := cat.ServiceIn(key.Environment, key.Service); s != nil {
		sub.Team = s.Team
	}
	return sub
}

// Diags lists everything wrong between declarations and in rendering.
func (st *State) Diags() diag.List {
	var list diag.List
	for _, key := range st.sortedChecks() {
		list = append(list, st.checks[key]...)
	}
	for _, key := range slices.SortedFunc(maps.Keys(st.faulty), compareKeys) {
		for _, d := range st.Units[key].Diags {
			if d.Code != codeStandsOn {
				list = append(list, d)
			}
		}
	}
	return list
}
