package render

import (
	"context"
	"maps"
	"slices"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/cache/record"
	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Keep keeps the whole fleet where that pays, so that the next process starts
// from it with [Renderer.Resume] and not from nothing.
func (r *Renderer) Keep(es *eval.State, st *State) {
	if r.Evaluator.Drifted(es) {
		r.Evaluator.KeepState(es, st.write(es.Catalog))
	}
}

// Resume gives the fleet as it was kept, to be advanced to a tree: first what is
// declared, then the units. It reports false where nothing fit was kept.
//
// It is as if this process had brought the fleet so far itself. What is advanced
// from it is what is made from nothing, whatever was kept.
func (r *Renderer) Resume(ctx context.Context, tree *git.Tree) (*eval.State, *State, bool) {
	es, raw, ok := r.Evaluator.Resume(ctx, tree)
	if !ok {
		return nil, nil, false
	}
	st, in := NewState(), record.NewReader(raw)
	st.link(es.Catalog, in)
	st.checkTeams()
	if !st.readUnits(es.Catalog, in) {
		return nil, nil, false
	}
	st.again = map[catalog.UnitKey]bool{}
	for range in.Count(3) {
		st.again[readKey(in)] = true
	}
	for range in.Count(2) {
		st.links.prefixes[in.Text()] = in.Text()
	}
	for range in.Count(2) {
		st.check(es.Catalog, checked{environment: in.Text(), service: in.Text()})
	}
	for _, environment := range in.Texts() {
		st.asleep[environment] = true
	}
	st.checkCapacity(es.Catalog, slices.Collect(maps.Keys(es.Catalog.Clusters)))
	return es, st, in.Done()
}

// write keeps the units about which there is nothing to say; the others are
// looked at again. What follows from the catalog is not kept, but for what broken
// services needed and broken teams' namespaces were called when they were well.
func (st *State) write(cat *catalog.Catalog) []byte {
	var w record.Writer
	needs := map[string][]string{}
	for name, targets := range st.links.needs {
		versions := cat.VersionsOf(name)
		if len(versions) == 0 || slices.ContainsFunc(versions, func(s *catalog.Service) bool { return s.Broken() }) {
			needs[name] = targets
		}
	}
	w.Number(len(needs))
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		w.Text(name)
		w.Texts(needs[name])
	}
	keys := slices.SortedFunc(maps.Keys(st.Units), compareKeys)
	sound := slices.DeleteFunc(slices.Clone(keys), func(key catalog.UnitKey) bool { return st.faulty[key] || st.dated[key] })
	w.Number(len(sound))
	for _, key := range sound {
		writeUnit(&w, st.Units[key])
	}
	w.Number(len(keys) - len(sound))
	for _, key := range keys {
		if st.faulty[key] || st.dated[key] {
			writeKey(&w, key)
		}
	}
	w.Number(len(st.links.prefixes))
	for _, team := range slices.Sorted(maps.Keys(st.links.prefixes)) {
		w.Text(team)
		w.Text(st.links.prefixes[team])
	}
	checks := slices.DeleteFunc(st.sortedChecks(), func(what checked) bool {
		return what.team != "" || what.policy != "" || what.exception != "" || what.cluster != ""
	})
	w.Number(len(checks))
	for _, what := range checks {
		w.Text(what.environment)
		w.Text(what.service)
	}
	w.Texts(slices.Sorted(maps.Keys(st.asleep)))
	return w.Result()
}

func writeKey(w *record.Writer, key catalog.UnitKey) {
	w.Text(key.Environment)
	w.Text(key.Cluster)
	w.Text(key.Service)
}

func readKey(r *record.Reader) catalog.UnitKey {
	return catalog.UnitKey{Environment: r.Text(), Cluster: r.Text(), Service: r.Text()}
}

func writeUnit(w *record.Writer, u *Unit) {
	writeKey(w, u.Key)
	w.Bytes(u.key[:])
	w.Bytes(u.Digest[:])
	w.Number(len(u.idents))
	for _, id := range u.idents {
		w.Fixed(id)
	}
	w.Number(len(u.claims))
	for _, c := range u.claims {
		w.Text(c.Kind)
		w.Text(c.Value)
		w.Text(c.Field)
	}
	w.Number(map[bool]int{true: 1}[u.Asleep])
	w.Number(len(u.demand))
	for _, d := range u.demand {
		w.Text(d.Class)
		for _, a := range []capacity.Amount{d.Least, d.Most} {
			w.Fixed(uint64(a.CPU))
			w.Fixed(uint64(a.Memory))
			w.Fixed(uint64(a.Pods))
		}
	}
}

// read takes what was kept of a unit that is declared.
func (u *Unit) read(r *record.Reader) {
	key, digest := r.Bytes(), r.Bytes()
	if len(key) == len(u.key) && len(digest) == len(u.Digest) {
		u.key, u.Digest = cache.Key(key), object.Digest(digest)
	}
	u.idents = make([]uint64, r.Count(8))
	for i := range u.idents {
		u.idents[i] = r.Fixed()
	}
	u.Objects = len(u.idents)
	for range r.Count(3) {
		u.claims = append(u.claims, eval.Claim{Kind: r.Text(), Value: r.Text(), Field: r.Text()})
	}
	u.Asleep = r.Number() == 1
	amount := func() capacity.Amount {
		return capacity.Amount{CPU: int64(r.Fixed()), Memory: int64(r.Fixed()), Pods: int64(r.Fixed())}
	}
	for range r.Count(49) {
		u.demand = append(u.demand, capacity.Demand{Class: r.Text(), Least: amount(), Most: amount()})
	}
}

// link makes the links that follow from the catalog, and those of broken services.
func (st *State) link(cat *catalog.Catalog, in *record.Reader) {
	st.links.taken = cat.CheckNamespaces()
	for key := range cat.Releases {
		st.links.release(cat, key)
	}
	for name := range cat.Versions() {
		st.links.rewire(cat, name)
	}
	st.links.stand(cat, slices.Collect(maps.Keys(cat.Environments)))
	for range in.Count(2) {
		name := in.Text()
		st.links.needs[name] = in.Texts()
		for _, target := range st.links.needs[name] {
			add(st.links.callers, target, name)
		}
	}
}

// readUnits reports false where there is a unit that nothing declares.
func (st *State) readUnits(cat *catalog.Catalog, in *record.Reader) bool {
	n := in.Count(64)
	st.Units = make(map[catalog.UnitKey]*Unit, n)
	st.conflicts.idents = make(map[uint64][]catalog.UnitKey, 8*n)
	for range n {
		u := declared(cat, st, readKey(in))
		if u == nil {
			return false
		}
		u.read(in)
		st.Units[u.Key] = u
		add(st.links.units, u.Key.Service, u.Key)
		st.conflicts.enter(u)
		st.count(u, 1)
		st.verdicts.set(nil, u)
	}
	return true
}
