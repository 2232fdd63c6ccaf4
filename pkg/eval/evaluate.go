// Package eval turns a tree of CUE files into a catalog, in disposable worker
// processes, and keeps what it found by the content it came from.
//
// CUE can be made to run for ever or to take all memory, and neither can be
// stopped from within a process; so every evaluation happens in a worker with
// limits held by the kernel, and a declaration that kills its worker is only
// that declaration's mistake.
package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/health"
	"github.com/fairway-dev/fairway/pkg/secret"
)

// Evaluator evaluates trees. Its zero Cache means that nothing is kept.
type Evaluator struct {
	Pool  *Pool
	Cache *cache.Cache
	// Engine names the version of this binary; a result never outlives it.
	Engine string
	// Fleet tells fleets on one cache apart. Example: the repository's folder.
	Fleet string

	once  sync.Once
	found secret.Finder
}

// finder tells secrets that were written down; it is made once.
func (e *Evaluator) finder() secret.Finder {
	e.once.Do(func() { e.found = secret.NewFinder() })
	return e.found
}

// State is the catalog of one tree and what is needed to bring it to the next:
// one value, owned by one goroutine.
type State struct {
	Tree    *git.Tree
	Catalog *catalog.Catalog

	platform platform
	entries  map[string]*entry   // by source
	sources  map[string][]string // by identity, the sources that declare it
	twins    map[string]bool     // identities with more than one source
	broken   map[string]bool     // sources with mistakes
	strays   map[string]bool

	// A state that was resumed knows of its tree the outline of what can be declared,
	// and looks at those sources again of which only that they were broken was kept.
	resumed bool
	again   map[string]bool
	drift   int       // declarations looked at since all was kept
	kept    cache.Key // the platform under which that was
}

// entry is one declaration as it was last evaluated.
type entry struct {
	place   place
	result  result
	diags   diag.List
	service *catalog.Service // of a service, once it was decoded
	rules   *health.Rules    // of a kind's health, once they were compiled
	// good is the newest earlier version that evaluates, of a broken service or
	// environment.
	good *entry
}

// result is what evaluation gave.
type result struct {
	Imports   []string
	Data      json.RawMessage
	Positions catalog.Positions
	Faults    []protocol.Fault
	// Sealed are the files of encrypted secrets beside a service, by name.
	Sealed map[string]string
}

// NewState is the state of an empty tree.
func NewState() *State {
	return &State{Catalog: catalog.New(), entries: map[string]*entry{}, sources: map[string][]string{}, twins: map[string]bool{}, broken: map[string]bool{}, strays: map[string]bool{}}
}

// Delta names what differs between two catalogs, so that what follows looks at
// nothing else.
type Delta struct {
	// Platform reports that packages of the schema or the platform changed.
	Platform     bool
	Teams        []string
	Services     []string
	Environments []string
	Clusters     []string
	Releases     []catalog.ReleaseKey
	// Guardrails reports that a policy or an exception changed.
	Guardrails bool
	// Evaluations is how many declarations had to be evaluated.
	Evaluations int
}

// History visits the earlier versions of a folder, newest first, until told to
// stop. Nil is no history.
type History func(dir string, visit func(*git.Tree) bool) error

// Advance brings the state to another tree. On an error the state is as before.
func (e *Evaluator) Advance(ctx context.Context, st *State, tree *git.Tree, history History) (Delta, error) {
	changes, err := st.changesTo(tree)
	if err != nil {
		return Delta{}, fmt.Errorf("compare trees: %w", err)
	}
	next := st.platform
	if slices.ContainsFunc(changes, func(c git.Change) bool { return platformFile(c.Path) }) {
		if next, err = e.loadPlatform(ctx, tree); err != nil {
			return Delta{}, err
		}
	}
	dirty := dirtyPlaces(st, changes, next)
	evaluated, count, err := e.evaluateAll(ctx, tree, next, dirty)
	if err != nil {
		return Delta{}, err
	}
	if err := e.recall(ctx, next, evaluated, history); err != nil {
		return Delta{}, err
	}
	delta := Delta{Platform: next.digest != st.platform.digest, Evaluations: count}
	st.Tree, st.platform = tree, next
	for _, c := range changes {
		if stray(c.Path) {
			st.strays[c.Path] = true
			if c.After.IsZero() {
				delete(st.strays, c.Path)
			}
		}
	}
	for source, ent := range evaluated {
		st.commit(source, ent, &delta)
	}
	st.drift += len(evaluated) - len(st.again)
	st.resumed, st.again = false, nil
	delta.sort()
	return delta, nil
}

// Unsettled reports that an evaluation came to nothing for reasons that need
// not last; Advance tries it again, whether the tree is another or the same.
func (st *State) Unsettled() bool {
	for source := range st.broken {
		if worthRetry(st.entries[source].result.Faults) {
			return true
		}
	}
	return false
}

// dirtyPlaces are the declarations whose files or imports changed, by source,
// and those that are worth another try.
func dirtyPlaces(st *State, changes []git.Change, next platform) map[string]place {
	dirty := map[string]place{}
	for source := range st.broken {
		if worthRetry(st.entries[source].result.Faults) {
			dirty[source] = st.entries[source].place
		}
	}
	for _, c := range changes {
		if p, ok := placeOf(c.Path); ok {
			dirty[p.source()] = p
		}
	}
	for source := range st.again {
		dirty[source] = st.entries[source].place
	}
	if next.digest == st.platform.digest {
		return dirty
	}
	for source, ent := range st.entries {
		if next.closure(ent.place.kind, ent.result.Imports) != st.platform.closure(ent.place.kind, ent.result.Imports) {
			dirty[source] = ent.place
		}
	}
	for source := range st.broken {
		dirty[source] = st.entries[source].place // another earlier version may evaluate now, or none
	}
	return dirty
}

// evaluateAll evaluates places in parallel. A nil entry stands for a
// declaration that is not in the tree any more.
func (e *Evaluator) evaluateAll(ctx context.Context, tree *git.Tree, p platform, dirty map[string]place) (map[string]*entry, int, error) {
	out := make(map[string]*entry, len(dirty))
	var mu sync.Mutex
	var count int
	var firstErr error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := make(chan place)
	var wg sync.WaitGroup
	for range min(e.Pool.Workers(), len(dirty)) {
		wg.Go(func() {
			for pl := range work {
				ent, ran, err := e.evaluate(ctx, tree, p, pl)
				mu.Lock()
				out[pl.source()] = ent
				if ran {
					count++
				}
				if err != nil && firstErr == nil {
					firstErr = err
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for _, source := range sortedKeys(dirty) {
		if ctx.Err() != nil {
			break
		}
		work <- dirty[source]
	}
	close(work)
	wg.Wait()
	if firstErr == nil {
		firstErr = ctx.Err()
	}
	if firstErr != nil {
		return nil, 0, firstErr
	}
	return out, count, nil
}

// evaluate finds one declaration's result, in the cache or by asking a worker.
// Its files are read only for a worker: their hashes say whether they are known.
func (e *Evaluator) evaluate(ctx context.Context, tree *git.Tree, p platform, pl place) (ent *entry, ran bool, err error) {
	names, id, faults, err := listPlace(tree, pl)
	if err != nil || !slices.ContainsFunc(names, isCUE) && len(faults) == 0 {
		return nil, false, err
	}
	ent = &entry{place: pl}
	key := cache.KeyOf("declaration", e.Engine, string(pl.kind), pl.source(), id)
	known := false
	if len(faults) == 0 {
		ent.result, known = e.known(p, pl, key)
	}
	if !known {
		if ent.result, ran, err = e.askFor(ctx, tree, p, pl, names, faults, key); err != nil {
			return nil, false, err
		}
	}
	ent.diags = ent.check(e.finder())
	return ent, ran, nil
}

// known looks a result up by the declaration's own files, which tell what it
// imports, and then by those imports' content too.
func (e *Evaluator) known(p platform, pl place, key cache.Key) (result, bool) {
	var imports []string
	if !e.load(key, &imports) {
		return result{}, false
	}
	return e.loadResult(withImports(key, p.closure(pl.kind, imports)))
}

// askFor reads a declaration's files and has a worker evaluate them, unless there
// is a file that must not be read.
func (e *Evaluator) askFor(ctx context.Context, tree *git.Tree, p platform, pl place, names []git.Entry, faults []protocol.Fault, key cache.Key) (result, bool, error) {
	files, sealed, more, err := readFiles(tree, pl, names)
	if err != nil {
		return result{}, false, err
	}
	if faults = append(faults, more...); len(faults) > 0 {
		return result{Faults: faults}, false, nil
	}
	own, beside := apart(files)
	a, err := e.Pool.ask(ctx, protocol.Question{Declare: &protocol.Declare{Kind: pl.kind, Dir: pl.dir, Files: own, Field: pl.field, Beside: beside}})
	if err != nil {
		return result{}, false, fmt.Errorf("evaluate %s: %w", pl.source(), err)
	}
	res := result{Imports: a.Imports, Data: a.Data, Positions: catalog.PackPositions(a.Positions), Faults: a.Faults, Sealed: sealed}
	if !worthRetry(a.Faults) {
		e.save(key, a.Imports)
		e.saveResult(withImports(key, p.closure(pl.kind, a.Imports)), res)
	}
	return res, true, nil
}

// worthRetry reports faults that may be gone the next time: they are not kept.
func worthRetry(faults []protocol.Fault) bool {
	return slices.ContainsFunc(faults, func(f protocol.Fault) bool { return f.Retry })
}

func withImports(key, closure cache.Key) cache.Key {
	return cache.KeyOf(string(key[:]), string(closure[:]))
}

func (e *Evaluator) load(key cache.Key, v any) bool {
	if e.Cache == nil {
		return false
	}
	raw, ok := e.Cache.Get(key)
	return ok && json.Unmarshal(raw, v) == nil
}

func (e *Evaluator) save(key cache.Key, v any) {
	if e.Cache == nil {
		return
	}
	if raw, err := json.Marshal(v); err == nil {
		_ = e.Cache.Put(key, raw) // a cache that cannot be written costs time only
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
