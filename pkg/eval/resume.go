package eval

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/cache/record"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/git"
)

// A state can be kept as a whole, so that the next process starts from it and
// looks at what changed since, instead of at everything. Kept is only what is
// well; of what is broken, that it is, and the next process looks at it anew:
// what stands in for it depends on a history that may be another by then.
//
// Like all that is kept, it belongs to one engine, and to one content of schema/
// and platform/. It says what was, and the next tree what is.

// keepAgain is how many declarations change until all is kept anew, beside a part
// of all there are: what a start has to catch up on, against what keeping costs.
const keepAgain = 32

// Drifted reports whether keeping the state as a whole pays.
func (e *Evaluator) Drifted(st *State) bool {
	return e.Cache != nil && st.Tree != nil && len(st.platform.faults) == 0 &&
		(st.kept != st.platform.digest || st.drift > keepAgain+len(st.entries)/32)
}

// KeepState keeps the state and what the caller made of it. What cannot be kept
// costs the next start its time and nothing else.
func (e *Evaluator) KeepState(st *State, more []byte) {
	st.drift, st.kept = 0, st.platform.digest
	var w record.Writer
	tree, err := st.Tree.Only(Roots()...)
	if err != nil {
		return
	}
	outline, err := tree.Outline()
	if err != nil {
		return
	}
	w.Bytes(more)
	w.Bytes(outline)
	w.Texts(slices.Sorted(maps.Keys(st.strays)))
	st.writeEntries(&w)
	w.Texts(sortedKeys(st.broken))
	_ = e.Cache.Put(e.stateKey(st.platform), w.Result()) // a cache that cannot be written costs time only
}

func (e *Evaluator) stateKey(p platform) cache.Key {
	return cache.KeyOf("state 5", e.Engine, e.Fleet, string(p.digest[:]))
}

func (st *State) writeEntries(w *record.Writer) {
	var tables [][]string
	index, at := map[string]int{}, map[string]int{}
	var sound []string
	for _, source := range sortedKeys(st.entries) {
		ent := st.entries[source]
		if len(ent.diags) > 0 {
			continue
		}
		sound = append(sound, source)
		name := strings.Join(ent.result.Imports, "\n")
		if _, ok := index[name]; !ok {
			index[name] = len(tables)
			tables = append(tables, ent.result.Imports)
		}
		at[source] = index[name]
	}
	w.Number(len(tables))
	for _, imports := range tables {
		w.Texts(imports)
	}
	w.Number(len(sound))
	for _, source := range sound {
		ent := st.entries[source]
		w.Text(source)
		w.Number(at[source])
		w.Bytes(ent.result.Data)
		w.Bytes(ent.result.Positions)
		writeFiles(w, ent.result.Sealed)
		if ent.place.kind == protocol.Service {
			writeService(w, ent.asService())
		}
	}
}

// Resume gives the state as it was kept for the present engine and the platform
// of a tree, to be advanced to that tree, and what the caller made of it.
func (e *Evaluator) Resume(ctx context.Context, tree *git.Tree) (st *State, more []byte, ok bool) {
	if e.Cache == nil {
		return nil, nil, false
	}
	p, err := e.loadPlatform(ctx, tree)
	if err != nil || len(p.faults) > 0 {
		return nil, nil, false // Advance says why
	}
	raw, ok := e.Cache.Get(e.stateKey(p))
	if !ok {
		return nil, nil, false
	}
	st, r := NewState(), record.NewReader(raw)
	st.platform, st.kept, st.resumed, st.again = p, p.digest, true, map[string]bool{}
	more = r.Bytes()
	if st.Tree, err = git.ParseOutline(r.Bytes()); err != nil {
		return nil, nil, false
	}
	for _, file := range r.Texts() {
		st.strays[file] = true
	}
	return st, more, st.readEntries(r) && st.readBroken(r) && r.Done()
}

// readBroken puts in the places of what was broken, so that it is known to be
// there; the next Advance looks what it is.
func (st *State) readBroken(r *record.Reader) bool {
	for _, source := range r.Texts() {
		place, ok := placeOf(source)
		if !ok {
			return false
		}
		st.enter(source, &entry{place: place, diags: diag.List{{
			Code: "unknown", Severity: diag.Error, Pos: diag.Position{File: source}, Message: "was broken when it was looked at last",
		}}})
		st.broken[source], st.again[source] = true, true
	}
	return true
}

func (st *State) readEntries(r *record.Reader) bool {
	tables := make([][]string, r.Count(1))
	for i := range tables {
		tables[i] = r.Texts()
	}
	n := r.Count(4)
	st.expect(n)
	for range n {
		source := r.Text()
		place, ok := placeOf(source)
		imports := r.Number()
		if !ok || imports >= len(tables) {
			return false
		}
		ent := &entry{place: place, result: result{Imports: tables[imports], Data: r.Bytes(), Positions: catalog.Positions(r.Bytes()), Sealed: readFilesOf(r)}}
		if place.kind == protocol.Service {
			ent.service = readService(r, ent.declared(), place.team)
			ent.service.Sealed = ent.result.Sealed
		}
		st.enter(source, ent)
	}
	return r.Whole()
}

// expect makes room in an empty state for so many declarations, of which services
// and releases are almost all.
func (st *State) expect(n int) {
	st.entries, st.sources = make(map[string]*entry, n), make(map[string][]string, n)
	st.Catalog.Services = make(map[string]*catalog.Service, n/2)
	st.Catalog.Releases = make(map[catalog.ReleaseKey]*catalog.Release, n/2)
}

// enter adds an entry to a state that has none at its source.
func (st *State) enter(source string, ent *entry) {
	st.entries[source] = ent
	st.settle(ent.place.identity(), source, ent)
}

// changesTo lists what differs between the state's tree and the next.
func (st *State) changesTo(tree *git.Tree) ([]git.Change, error) {
	if !st.resumed {
		return git.Diff(st.Tree, tree)
	}
	declared, err := tree.Only(Roots()...)
	if err != nil {
		return nil, err
	}
	return git.Diff(st.Tree, declared)
}

// writeService keeps what the engine itself looks at of a service.
func writeService(w *record.Writer, s *catalog.Service) {
	w.Text(s.Path)
	w.Text(s.ObjectName)
	w.Text(s.Image)
	w.Number(len(s.Endpoints))
	for _, name := range sortedKeys(s.Endpoints) {
		w.Text(name)
		w.Number(s.Endpoints[name].Port)
		w.Text(s.Endpoints[name].Protocol)
	}
	w.Number(len(s.Needs))
	for _, as := range sortedKeys(s.Needs) {
		w.Text(as)
		w.Text(s.Needs[as].Service)
		w.Text(s.Needs[as].Endpoint)
		w.Text(s.Needs[as].Protocol)
	}
	w.Number(len(s.Overlays))
	for _, environment := range sortedKeys(s.Overlays) {
		w.Text(environment)
		w.Bytes(s.Overlays[environment])
	}
	w.Number(len(s.Regions))
	for _, environment := range sortedKeys(s.Regions) {
		w.Text(environment)
		w.Texts(s.Regions[environment])
	}
}

func readService(r *record.Reader, d catalog.Declared, team string) *catalog.Service {
	s := &catalog.Service{Declared: d, Team: team, Path: r.Text(), ObjectName: r.Text(), Image: r.Text()}
	if n := r.Count(3); n > 0 {
		s.Endpoints = make(map[string]catalog.Endpoint, n)
		for range n {
			s.Endpoints[r.Text()] = catalog.Endpoint{Port: r.Number(), Protocol: r.Text()}
		}
	}
	if n := r.Count(4); n > 0 {
		s.Needs = make(map[string]catalog.Need, n)
		for range n {
			s.Needs[r.Text()] = catalog.Need{Service: r.Text(), Endpoint: r.Text(), Protocol: r.Text()}
		}
	}
	if n := r.Count(2); n > 0 {
		s.Overlays = make(map[string]json.RawMessage, n)
		for range n {
			s.Overlays[r.Text()] = r.Bytes()
		}
	}
	if n := r.Count(2); n > 0 {
		s.Regions = make(map[string][]string, n)
		for range n {
			s.Regions[r.Text()] = r.Texts()
		}
	}
	return s
}
