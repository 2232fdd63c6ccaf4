// Package render turns a catalog into bundles: for every unit, the objects
// that should exist.
//
// What a unit becomes is decided by its path's CUE. This package finds which
// units there are, puts together what each may look at, and holds the output
// against what a unit may contain: its own namespace, nothing that somebody
// else declares too.
package render

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/fairway-dev/fairway/pkg/cache"
	"github.com/fairway-dev/fairway/pkg/capacity"
	"github.com/fairway-dev/fairway/pkg/catalog"
	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/policy"
	"github.com/fairway-dev/fairway/pkg/tenancy"
)

// Unit is one unit as it should be, without its objects' bytes: a fleet has
// tens of thousands.
type Unit struct {
	Key  catalog.UnitKey
	Team string
	// Source is the file that declares the unit.
	Source string
	// Digest is the digest of all objects' bytes; zero where there are errors.
	Digest object.Digest
	Diags  diag.List
	// Objects is how many objects there are.
	Objects int
	// Asleep tells that the unit is as it is while its environment sleeps.
	Asleep bool

	// unsettled says that rendering came to nothing for reasons that need not last.
	unsettled bool
	// turns is the next day on which policies decide otherwise; empty for none.
	turns policy.Day

	key    cache.Key
	scope  tenancy.Scope
	idents []uint64 // what it declares, hashed; see conflicts.go
	demand []capacity.Demand
	claims []eval.Claim
}

// Declares reports whether the unit declares an object, which of one that does
// not render cannot be said.
func (u *Unit) Declares(id object.ID) bool {
	return slices.Contains(u.idents, identity(u.Key.Cluster, id))
}

// Identities are what the unit declares, hashed; see [Identity].
func (u *Unit) Identities() []uint64 { return u.idents }

// Identity is a 64-bit hash of an object's identity on a cluster.
func Identity(cluster string, id object.ID) uint64 { return identity(cluster, id) }

// Demand is what the unit's pods request, by class of nodes.
func (u *Unit) Demand() []capacity.Demand { return u.demand }

// Hosts are the host names that the unit's objects claim, as they are written.
func (u *Unit) Hosts() []string {
	var out []string
	for _, c := range u.claims {
		if c.Kind == "host" {
			out = append(out, c.Value)
		}
	}
	return out
}

// CacheKey finds the unit's objects again with [Renderer.Objects].
func (u *Unit) CacheKey() cache.Key { return u.key }

// Namespace is the only one that the unit may write to. Example: "shop-prod".
func (u *Unit) Namespace() string { return u.scope.Namespace }

// Held reports whether mistakes keep the unit at its last good state.
func (u *Unit) Held() bool { return u.Diags.Errors() }

// Bundle is a unit's objects.
type Bundle struct {
	Unit    catalog.UnitKey
	Digest  object.Digest
	Objects []object.Object
}

// State is the fleet of one catalog: one value, owned by one goroutine.
type State struct {
	Units map[catalog.UnitKey]*Unit
	// Unknown are the environments whose declaration does not evaluate: those of
	// their units that are not here cannot be said to be removed.
	Unknown map[string]bool

	links     links
	checks    map[checked]diag.List // what is wrong between declarations
	conflicts *conflicts
	verdicts  *verdicts
	demand    map[string]capacity.Sums // by cluster
	crowded   map[string]bool          // clusters whose demand changed
	asleep    map[string]bool          // the environments that sleep
	faulty    map[catalog.UnitKey]bool // units with diagnostics
	again     map[catalog.UnitKey]bool // units that a resumed fleet has to look at once more
	dated     map[catalog.UnitKey]bool // units that are judged otherwise on some later day
	ends      []policy.Day             // the days on which exceptions end
	today     policy.Day               // on which the fleet was judged
	day       policy.Day               // on which it is being judged, or was last
}

// NewState is the fleet of an empty catalog.
func NewState() *State {
	return &State{
		Units: map[catalog.UnitKey]*Unit{}, Unknown: map[string]bool{},
		links: newLinks(), checks: map[checked]diag.List{}, conflicts: newConflicts(), verdicts: newVerdicts(),
		faulty: map[catalog.UnitKey]bool{}, dated: map[catalog.UnitKey]bool{},
		demand: map[string]capacity.Sums{}, crowded: map[string]bool{}, asleep: map[string]bool{},
	}
}

// Renderer renders by a given evaluator.
type Renderer struct {
	Evaluator *eval.Evaluator
	// Today is the day on which policies are decided; the zero day is before all others.
	Today policy.Day
}

// Delta says what differs between two fleets.
type Delta struct {
	// Changed are the units that are new or have another digest or other diagnostics.
	Changed []catalog.UnitKey
	// Removed are the units that the catalog does not declare any more.
	Removed []catalog.UnitKey
	// Looked is how many units were looked at, Evaluations how many of them had to
	// be evaluated.
	Looked      int
	Evaluations int
	// Judged is how many units had to be held against a policy they were not held
	// against before.
	Judged int
}

// Unsettled reports that a unit is held for reasons that need not last; Advance
// renders it again, whatever else changed.
func (st *State) Unsettled() bool {
	for key := range st.faulty {
		if st.Units[key].unsettled {
			return true
		}
	}
	return false
}

// Advance brings the fleet to the evaluator's present catalog. On an error the
// fleet keeps its units, and the next Advance must be told of the same change again.
func (r *Renderer) Advance(ctx context.Context, st *State, es *eval.State, changed eval.Delta) (Delta, error) {
	cat := es.Catalog
	st.Unknown, st.day = unknown(cat), r.Today
	dirty := st.dirty(cat, changed)
	for key := range st.faulty {
		if st.Units[key].unsettled {
			dirty[key] = true
		}
	}
	for key := range st.dated {
		if st.Units[key].turns <= r.Today {
			dirty[key] = true
		}
	}
	b, err := r.bench(es)
	if err != nil {
		return Delta{}, err
	}
	rendered, count, err := r.renderAll(ctx, st, es, dirty, b)
	if err != nil {
		return Delta{}, err
	}
	st.recheck(cat, changed)
	st.checkGuardrails(cat, r.Today)
	delta := Delta{Looked: len(dirty), Evaluations: count, Judged: b.asked}
	touched := st.conflicts.begin()
	for key := range dirty {
		st.replace(key, rendered[key], touched)
	}
	st.conflicts.settle(st, cat, touched)
	st.checkCapacity(cat, changed.Clusters)
	for key := range touched.units {
		before, now := touched.units[key], st.Units[key]
		st.verdicts.set(before, now)
		delete(st.faulty, key)
		if now != nil && len(now.Diags) > 0 {
			st.faulty[key] = true
		}
		delete(st.dated, key)
		if now != nil && now.turns != "" {
			st.dated[key] = true
		}
		switch {
		case now == nil && before != nil:
			delta.Removed = append(delta.Removed, key)
		case now != nil && (before == nil || !same(before, now)):
			delta.Changed = append(delta.Changed, key)
		}
	}
	st.again, st.today, st.ends = nil, r.Today, nil
	for _, e := range cat.Exceptions {
		st.ends = append(st.ends, e.Expires)
	}
	slices.SortFunc(delta.Changed, compareKeys)
	slices.SortFunc(delta.Removed, compareKeys)
	return delta, nil
}

func unknown(cat *catalog.Catalog) map[string]bool {
	out := map[string]bool{}
	for name, env := range cat.Environments {
		if env.Broken() {
			out[name] = true
		}
	}
	return out
}

// recheck repeats the checks between declarations that the change can touch.
func (st *State) recheck(cat *catalog.Catalog, changed eval.Delta) {
	if len(changed.Teams) > 0 || len(changed.Environments) > 0 {
		st.checkTeams()
	}
	services, releases, environments := changed.Services, changed.Releases, changed.Environments
	if len(changed.Environments) > 0 || len(changed.Teams) > 0 || len(changed.Clusters) > 0 {
		services = slices.AppendSeq(slices.Clone(services), maps.Keys(cat.Services)) // those that went as well
	}
	if len(changed.Environments) > 0 {
		releases = slices.Collect(maps.Keys(cat.Releases))
	}
	if len(changed.Clusters) > 0 || len(changed.Environments) > 0 { // others stand on them
		environments = slices.Collect(maps.Keys(cat.Environments))
	}
	for _, name := range services {
		st.check(cat, checked{service: name})
		for key := range st.links.releasesOf(cat, name) {
			releases = append(releases, key)
		}
	}
	for _, key := range changed.Releases {
		st.check(cat, checked{service: key.Service}) // its regions
	}
	for _, key := range append(releases, changed.Releases...) {
		st.check(cat, checked{environment: key.Environment, service: key.Service})
	}
	for _, name := range append(environments, changed.Environments...) {
		st.check(cat, checked{environment: name})
	}
}

// checked is what a check looks at: a team, a service, an environment, the release
// of the one in the other, a policy, an exception, a rule for approvals, or the
// capacity of a cluster.
type checked struct{ team, environment, service, policy, exception, approval, cluster string }

// checkTeams notes which teams share their namespaces.
func (st *State) checkTeams() {
	maps.DeleteFunc(st.checks, func(what checked, _ diag.List) bool { return what.team != "" })
	for name, list := range st.links.taken {
		st.checks[checked{team: name}] = list
	}
}

func (st *State) check(cat *catalog.Catalog, what checked) {
	var list diag.List
	switch {
	case what.environment == "":
		list = cat.CheckService(what.service)
	case what.service == "":
		list = cat.CheckEnvironment(what.environment)
	default:
		list = cat.CheckRelease(catalog.ReleaseKey{Environment: what.environment, Service: what.service})
	}
	delete(st.checks, what)
	if len(list) > 0 {
		st.checks[what] = list
	}
}

func (st *State) sortedChecks() []checked {
	return slices.SortedFunc(maps.Keys(st.checks), func(a, b checked) int {
		return cmp.Or(cmp.Compare(a.team, b.team), cmp.Compare(a.environment, b.environment), cmp.Compare(a.service, b.service),
			cmp.Compare(a.policy, b.policy), cmp.Compare(a.exception, b.exception), cmp.Compare(a.approval, b.approval), cmp.Compare(a.cluster, b.cluster))
	})
}

func (st *State) replace(key catalog.UnitKey, now *Unit, touched *touched) {
	before := st.Units[key]
	touched.note(key, before)
	st.conflicts.remove(before, touched)
	st.count(before, -1)
	if now == nil {
		delete(st.Units, key)
		delete(st.links.units[key.Service], key)
		return
	}
	st.Units[key] = now
	add(st.links.units, key.Service, key)
	st.conflicts.add(now, touched)
	st.count(now, 1)
}

func same(a, b *Unit) bool {
	return a.Digest == b.Digest && a.Source == b.Source && slices.EqualFunc(a.Diags, b.Diags, func(x, y diag.Diag) bool {
		return x.Pos == y.Pos && x.Code == y.Code && x.Severity == y.Severity && x.Message == y.Message
	})
}

func compareKeys(a, b catalog.UnitKey) int {
	return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Service, b.Service))
}

func (r *Renderer) renderAll(ctx context.Context, st *State, es *eval.State, dirty map[catalog.UnitKey]bool, b *bench) (map[catalog.UnitKey]*Unit, int, error) {
	out := make(map[catalog.UnitKey]*Unit, len(dirty))
	var mu sync.Mutex
	var count int
	var firstErr error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := make(chan catalog.UnitKey)
	var wg sync.WaitGroup
	for range min(max(r.Evaluator.Pool.Workers(), runtime.GOMAXPROCS(0)), len(dirty)) {
		wg.Go(func() {
			for key := range work {
				u, ran, err := r.unit(ctx, st, es, key, b)
				mu.Lock()
				out[key] = u
				if ran {
					count++
				}
				if err != nil && firstErr == nil {
					firstErr = fmt.Errorf("render %s: %w", key, err)
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for key := range dirty {
		if ctx.Err() != nil {
			break
		}
		work <- key
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

// Cached gives a unit's objects if the cache still has them, as they were
// judged. What is on disk is no authority: it has to be what the fleet knows
// it to be, and is held against what the unit may contain each time.
func (r *Renderer) Cached(u *Unit) (Bundle, bool) {
	if u.Digest.IsZero() {
		return Bundle{}, false
	}
	output, digest, ok := r.Evaluator.Output(u.key)
	if !ok || digest != u.Digest {
		return Bundle{}, false
	}
	objects, faults, err := guard(u.scope, output)
	if err != nil || len(faults) > 0 {
		return Bundle{}, false
	}
	return Bundle{Unit: u.Key, Digest: u.Digest, Objects: objects}, true
}

// Objects gives what was rendered under a key, if the cache still has it.
func (r *Renderer) Objects(key cache.Key) ([]object.Object, bool) {
	output, _, ok := r.Evaluator.Output(key)
	if !ok {
		return nil, false
	}
	objects, err := parse(output)
	return objects, err == nil
}

// Bundle gives a unit's objects, from the cache or by rendering once more. A
// held unit has none, and neither has one that renders to what it may not contain.
func (r *Renderer) Bundle(ctx context.Context, st *State, es *eval.State, u *Unit) (Bundle, error) {
	if u.Digest.IsZero() {
		return Bundle{}, fmt.Errorf("%s does not render", u.Key)
	}
	if b, ok := r.Cached(u); ok {
		return b, nil
	}
	again, err := r.ask(st, es, u.Key)
	if err != nil {
		return Bundle{}, err
	}
	r.Evaluator.Forget(again.key)
	if err := r.evaluate(ctx, es, u.Key, &again); err != nil {
		return Bundle{}, err
	}
	if len(again.diags) > 0 {
		return Bundle{}, fmt.Errorf("%s does not render any more: %s", u.Key, again.diags[0].Message)
	}
	objects, faults, err := guard(u.scope, again.output)
	if err != nil {
		return Bundle{}, fmt.Errorf("read bundle of %s: %w", u.Key, err)
	}
	if len(faults) > 0 {
		return Bundle{}, fmt.Errorf("%s may not be applied: %s", u.Key, faults[0])
	}
	return Bundle{Unit: u.Key, Digest: again.digest, Objects: objects}, nil
}

func parse(output eval.Output) ([]object.Object, error) {
	objects := make([]object.Object, 0, len(output.Objects))
	for _, raw := range output.Objects {
		o, err := object.Parse(raw)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}
